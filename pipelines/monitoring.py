"""Monitors a model that serves, and does what its verdict asks for: nothing, a rollback, or a training."""

from kfp import dsl

from penstock.components import choose_response, compare_features, control_release, monitor_model, resolve_baseline, trigger_training


@dsl.pipeline(name="monitoring")
def monitoring(
    logs: str,
    model_name: str,
    destination: str,
    reference_uri: str = "",
    reference_split: str = "train",
    reference_window: str = "",
    schema_file: str = "",
    log_format: str = "",
    log_key: str = "",
    window_start: str = "",
    window_end: str = "",
    window_hours: float = 24.0,
    trend_windows: int = 3,
    monitoring_config: str = "",
    eval_config: str = "",
    labels: str = "",
    label_key: str = "id",
    label_column: str = "",
    on_degraded: str = "alert",
    on_drifted: str = "alert",
    training_pipeline: str = "training",
    runs_at: str = "",
    training_parameters: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    train_days: int = 365,
    verdicts_in_a_row: int = 1,
    cooldown_hours: float = 24.0,
    max_runs: int = 4,
    max_runs_days: float = 30.0,
    label_time_column: str = "",
    metrics_url: str = "",
    pushgateway: str = "",
    monitoring_uri: str = "",
    tracking_uri: str = "",
    registry_uri: str = "",
    feature_repository: str = "",
    feature_service: str = "",
):
    """Monitors a model, and rolls it back or trains it again if the verdict asks for it.

    Run it by a schedule (`penstock schedule create monitoring`).

    Args:
        logs: Path or URI of the log: a folder or bucket of the model server's prediction log or of KServe's inference logger, or
            Vertex AI's table `bq://PROJECT.DATASET.TABLE`.
        model_name: The name under which the model is served and registered.
        destination: The place where the model serves: `local://DIR?port=8501`, `kserve://NAMESPACE/NAME?mode=standard` or
            `vertex://PROJECT/LOCATION/ENDPOINT`.
        reference_uri: Path or URI of the Examples that the model was trained on. Empty, and without `reference_window`: those that
            the registry names for the champion.
        reference_split: The Split of the Examples.
        reference_window: An earlier window of the same log, instead of Examples: `START/END` in ISO 8601.
        schema_file: The Schema as text, path or URI.
        log_format: `penstock`, `kserve` or `vertex`. Empty: as the files have it.
        log_key: A logged feature that is the id of its row.
        window_start: Start of the window in ISO 8601. Empty: `window_hours` before its end.
        window_end: End of the window. Empty: now.
        window_hours: Length of the window if it has no start.
        trend_windows: The number of windows before the window that are looked at too; at least `verdicts_in_a_row`.
        monitoring_config: Measures and thresholds, as text, path or URI.
        eval_config: TFMA's EvalConfig as text, path or URI.
        labels: Path or URI of labels: a file or folder of CSV, Parquet or JSON lines. Empty: the quality is not measured.
        label_key: The column of the labels that has the rows' ids.
        label_column: The column of the labels that has the label. Empty: the `label_key` of `eval_config`.
        on_degraded: `alert`, `rollback` (only if the predecessor is better on the same labeled rows) or `retrain`.
        on_drifted: `alert` or `retrain`.
        training_pipeline: Path or URI of the compiled training pipeline, its text, or the name of one of Penstock's.
        runs_at: Where the training runs: `local://FOLDER`, `kubeflow://` or `vertex://PROJECT/LOCATION`, as in trigger_training.
            Needed for `retrain`.
        training_parameters: The parameters of the training, with placeholders as in trigger_training.
        train_days: The length of the data to train on, for `{train_start}`.
        verdicts_in_a_row: The number of windows in a row that must have a verdict other than `ok` before a training.
        cooldown_hours: The hours between two trainings. 0: none.
        max_runs: The most trainings in `max_runs_days`. 0: any number.
        max_runs_days: See `max_runs`.
        label_time_column: The column of the labels that has the time of what the label tells. Empty: not checked.
        metrics_url: The URL of the model server's metrics. Empty: not asked.
        pushgateway: URL of a Prometheus Pushgateway that gets the figures.
        monitoring_uri: Folder or bucket in which the model server finds the figures of the versions that it serves.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
        feature_repository: The Feast repository: path or URI of its folder, or its packed files. Needed for `feature_service`.
        feature_service: The feature service that the model server fetches. What was served is then compared with what was known. Empty:
            the server fetches no features.
    """
    previous = resolve_baseline(
        model_name=model_name,
        alias="previous",
        on_broken_baseline="ignore",
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
    )
    monitored = {
        "logs": logs,
        "predecessor": previous.outputs["baseline"],
        "reference_uri": reference_uri,
        "reference_split": reference_split,
        "reference_window": reference_window,
        "schema_file": schema_file,
        "model_name": model_name,
        "log_format": log_format,
        "log_key": log_key,
        "window_start": window_start,
        "window_end": window_end,
        "window_hours": window_hours,
        "trend_windows": trend_windows,
        "monitoring_config": monitoring_config,
        "eval_config": eval_config,
        "labels": labels,
        "label_key": label_key,
        "label_column": label_column,
        "label_time_column": label_time_column,
        "metrics_url": metrics_url,
        "champion_alias": "champion",
        "tracking_uri": tracking_uri,
        "registry_uri": registry_uri,
        "pushgateway": pushgateway,
        "monitoring_uri": monitoring_uri,
    }

    # Once in each branch: Kubeflow takes the last one's artifact from a OneOf, whichever branch has run.
    def respond(monitor: dsl.PipelineTask) -> None:
        choose = choose_response(monitoring=monitor.outputs["monitoring"], on_degraded=on_degraded, on_drifted=on_drifted)
        with dsl.If(choose.outputs["response"] == "rollback", name="rollback"):
            control_release(
                destination=destination,
                action="rollback",
                model_name=model_name,
                tracking_uri=tracking_uri,
                registry_uri=registry_uri,
            )
        with dsl.If(choose.outputs["response"] == "retrain", name="retrain"):
            trigger_training(
                training_pipeline=training_pipeline,
                runs_at=runs_at,
                monitoring=monitor.outputs["monitoring"],
                parameters=training_parameters,
                train_days=train_days,
                verdicts_in_a_row=verdicts_in_a_row,
                cooldown_hours=cooldown_hours,
                max_runs=max_runs,
                max_runs_days=max_runs_days,
                model_name=model_name,
                tracking_uri=tracking_uri,
                registry_uri=registry_uri,
            )

    with dsl.If(feature_service == "", name="requests"):
        respond(monitor_model(**monitored))
    with dsl.Else(name="requests-and-features"):
        compare = compare_features(
            logs=logs,
            feature_repository=feature_repository,
            feature_service=feature_service,
            model_name=model_name,
            window_start=window_start,
            window_end=window_end,
            window_hours=window_hours,
        )
        respond(monitor_model(feature_skew=compare.outputs["feature_skew"], **monitored))
