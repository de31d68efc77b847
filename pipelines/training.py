"""From raw rows to a served model: every step behind its gate."""

from kfp import dsl

from penstock.components import (
    check_eval_config,
    check_serving,
    choose_hyperparameters,
    evaluate_model,
    ingest_examples,
    push_model,
    register_model,
    require_verdict,
    resolve_baseline,
    train_model,
    transform_examples,
    tune_model,
    validate_examples,
)


@dsl.pipeline(name="training")
def training(
    input_uri: str,
    preprocessing_module: str,
    trainer_module: str,
    eval_config: str,
    model_name: str,
    destination: str,
    input_format: str = "auto",
    delimiter: str = ",",
    spans: str = "latest",
    split_by: str = "ratio",
    split_key: str = "",
    splits: dict = {"train": 2, "eval": 1},  # noqa: B006 - kfp reads the default, and nothing changes it
    columns: list = [],  # noqa: B006
    row_filter: list = [],  # noqa: B006
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    schema_file: str = "",
    environments: dict = {},  # noqa: B006
    exclude_splits: list = [],  # noqa: B006
    analyze_splits: list = ["train"],  # noqa: B006
    previous_statistics: str = "",
    serving_statistics: str = "",
    drift_threshold: float = 0.1,
    skew_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
    analyzer_cache: str = "",
    write_analyzer_cache: bool = False,
    transformed_format: str = "parquet",
    post_transform_statistics: bool = False,
    train_steps: int = 0,
    eval_steps: int = 0,
    hyperparameters: dict = {},  # noqa: B006
    tune: bool = False,
    search_space: dict = {},  # noqa: B006
    tuning_objective: str = "val_loss",
    tuning_direction: str = "",
    max_trials: int = 10,
    tuning_seconds: int = 0,
    tuning_shards: list[int] = [0],  # noqa: B006
    tuning_state_uri: str = "",
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    accelerator_type: str = "",
    accelerator_count: str = "",
    workers: int = 1,
    workers_at: str = "",
    checkpoint_uri: str = "",
    on_broken_baseline: str = "fail",
    rubber_stamp: bool = False,
    serving_limits: dict = {},  # noqa: B006
    strategy: str = "replace",
    traffic_steps: list = [5, 25, 50, 100],  # noqa: B006
    bake_seconds: int = 60,
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    allow_stale_baseline: bool = False,
    serving_options: dict = {},  # noqa: B006
    experiment: str = "penstock",
    reason: str = "",
    tracking_uri: str = "",
    registry_uri: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
):
    """Trains a model from raw rows, evaluates it against the Baseline, checks how it serves, and releases it behind the gates.

    Args:
        input_uri: The raw rows: a file, folder, glob, table or URI, as in ingest_examples.
        preprocessing_module: The module that defines `preprocessing_fn`: source text (packed or plain), or the path or URI of a
            file, a folder or a wheel. A file may import other files of its folder. `NAME@` before a folder or a wheel selects a
            module in it.
        trainer_module: The module that defines `run_fn`: source text (packed or plain), or the path or URI of a file, a folder
            or a wheel. A file may import other files of its folder. `NAME@` before a folder or a wheel selects a module in it.
        eval_config: TFMA's EvalConfig as text, path or URI. Without thresholds, no model is blessed.
        model_name: The name under which the model is served and registered.
        destination: The place where the model serves: `local://DIR?port=8501`, `kserve://NAMESPACE/NAME?mode=standard` or
            `vertex://PROJECT/LOCATION/ENDPOINT`.
        input_format: `csv`, `parquet`, `tfrecord` or `auto`.
        delimiter: The column delimiter of CSV files.
        spans: `latest`, `7`, `3:7` or `latest:k`.
        split_by: `ratio`, `hash`, `column`, `time` or `pattern`.
        split_key: The column that determines the Split of a row.
        splits: The Splits. `train` and `eval` are required.
        columns: Columns to read. Empty: all.
        row_filter: Conditions that rows must meet, as in ingest_examples.
        exclude_columns: Columns to remove after the rows are assigned to Splits.
        column_types: Types of columns, such as `{"zip": "string"}`.
        schema_file: A reviewed Schema: text, path or URI. CSV columns get their types from it. Empty: validate_examples infers
            a Schema.
        environments: The Schema environment of each Split.
        exclude_splits: Splits that validate_examples skips.
        analyze_splits: The Splits that transform_examples analyzes.
        previous_statistics: Path or URI of the previous Span's Statistics, for drift.
        serving_statistics: Path or URI of the Statistics of serving requests, for skew.
        drift_threshold: The drift limit for features whose Schema has no drift comparator.
        skew_threshold: The skew limit for features whose Schema has no skew comparator.
        min_rows: The minimum number of rows in each Split.
        on_anomalies: `fail` or `warn`.
        analyzer_cache: Path or URI of an earlier run's analyzer cache. Its Spans count as if their rows were analyzed again.
        write_analyzer_cache: Whether to start an analyzer cache if `analyzer_cache` is empty.
        transformed_format: `parquet`, or `tfrecord` for TFX modules that open the files themselves.
        post_transform_statistics: Whether to compute Statistics of the transformed Examples too, with their page. Parquet only.
        train_steps: Training steps. 0: the module decides.
        eval_steps: Evaluation steps during the training. 0: the module decides.
        hyperparameters: Hyperparameters for `run_fn`. A search starts from them.
        tune: Whether to search for hyperparameters before the training, as tune_model does.
        search_space: The hyperparameters to search. Empty: the module's `tuner_fn` decides.
        tuning_objective: The metric to optimize.
        tuning_direction: `min` or `max`. Empty: the metric's name says it.
        max_trials: The number of trials in each shard.
        tuning_seconds: The time limit of the search. 0: none.
        tuning_shards: The numbers of the searches that run side by side, each as a task of its own.
        tuning_state_uri: Path or URI of a folder from which a search goes on where an earlier one ended. Empty: none.
        custom_config: Configuration for `preprocessing_fn` and `run_fn`.
        base_model: Path or URI of a SavedModel to start from.
        seed: The seed. It makes a run on a CPU repeatable.
        mixed_precision: Whether to train in 16-bit floats, if the accelerator supports them.
        xla: Whether to compile with XLA.
        accelerator_type: The accelerator: `l4`, `a100x2` and so on, which `penstock submit` translates for the backend. In the
            backend's own form, use its name (`nvidia.com/gpu` on Kubeflow, `NVIDIA_L4` on Vertex AI). Empty: none.
        accelerator_count: The number of accelerators, as text. Empty: none.
        workers: The number of workers that train together, as in train_model.
        workers_at: Where the workers run: empty for the task's own container, `kubeflow://NAMESPACE?runtime=penstock`, or
            `vertex://PROJECT/LOCATION?machine_type=n1-standard-4`.
        checkpoint_uri: Path or URI of a folder for checkpoints, from which an interrupted training goes on, as in train_model.
        on_broken_baseline: `fail` or `ignore`.
        rubber_stamp: Whether to bless a first model without any measurement if `eval_config` sets only change thresholds.
        serving_limits: The limits of check_serving, such as `{"p99_ms": 50, "memory_mb": 2000}`. Empty: the gate checks only
            the answers.
        strategy: `replace`, `canary`, `blue_green` or `shadow`.
        traffic_steps: The canary's shares of the traffic in percent.
        bake_seconds: Seconds to watch each canary step or the shadow.
        keep_warm_seconds: Seconds to keep the old model ready after the new one has all traffic.
        max_latency_ms: Maximum latency of a probe request in milliseconds. 0: no limit.
        allow_stale_baseline: Whether to push even if the model that serves now is not the Baseline of the evaluation.
        serving_options: Options for the model server, such as resources and replicas, as in push_model.
        experiment: The MLflow experiment.
        reason: Why the model is trained, such as the verdict of a monitoring. trigger_training gives it.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
        beam_pipeline_args: Apache Beam options for ingest_examples, validate_examples, transform_examples and evaluate_model. With a
            `--runner`, they run on Beam.
    """
    ingest = ingest_examples(
        input_uri=input_uri,
        input_format=input_format,
        delimiter=delimiter,
        spans=spans,
        split_by=split_by,
        split_key=split_key,
        splits=splits,
        columns=columns,
        row_filter=row_filter,
        exclude_columns=exclude_columns,
        column_types=column_types,
        schema_file=schema_file,
        beam_pipeline_args=beam_pipeline_args,
    )
    validate = validate_examples(
        examples=ingest.outputs["examples"],
        schema_file=schema_file,
        environments=environments,
        exclude_splits=exclude_splits,
        previous_statistics=previous_statistics,
        serving_statistics=serving_statistics,
        drift_threshold=drift_threshold,
        skew_threshold=skew_threshold,
        min_rows=min_rows,
        on_anomalies="warn",
        beam_pipeline_args=beam_pipeline_args,
    )
    validated = require_verdict(evidence=validate.outputs["anomalies"], on_failure=on_anomalies)
    checked = check_eval_config(examples=ingest.outputs["examples"], eval_config=eval_config)
    transform = transform_examples(
        examples=ingest.outputs["examples"],
        schema=validate.outputs["schema"],
        module_file=preprocessing_module,
        analyze_splits=analyze_splits,
        analyzer_cache=analyzer_cache,
        write_analyzer_cache=write_analyzer_cache,
        output_format=transformed_format,
        custom_config=custom_config,
        beam_pipeline_args=beam_pipeline_args,
    ).after(validated, checked)
    with dsl.If(post_transform_statistics == True, name="post-transform-statistics"):  # noqa: E712 - kfp reads the comparison
        validate_examples(examples=transform.outputs["transformed_examples"], on_anomalies="warn", beam_pipeline_args=beam_pipeline_args)
    with dsl.If(tune == True, name="tune"):  # noqa: E712 - kfp reads the comparison
        with dsl.ParallelFor(tuning_shards, name="shards") as shard:
            tuned = tune_model(
                examples=transform.outputs["transformed_examples"],
                transform_graph=transform.outputs["transform_graph"],
                schema=validate.outputs["schema"],
                module_file=trainer_module,
                search_space=search_space,
                hyperparameters=hyperparameters,
                objective=tuning_objective,
                direction=tuning_direction,
                max_trials=max_trials,
                max_seconds=tuning_seconds,
                shard=shard,
                state_uri=tuning_state_uri,
                train_steps=train_steps,
                eval_steps=eval_steps,
                custom_config=custom_config,
                base_model=base_model,
                seed=seed,
                mixed_precision=mixed_precision,
                xla=xla,
                tracking_uri=tracking_uri,
                experiment=experiment,
            )
            tuned.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)
        best = choose_hyperparameters(
            candidates=dsl.Collected(tuned.outputs["best_hyperparameters"]),
            scores=dsl.Collected(tuned.outputs["best_score"]),
            directions=dsl.Collected(tuned.outputs["best_direction"]),
        )
    with dsl.Else(name="as-given"):
        given = choose_hyperparameters(hyperparameters=hyperparameters)
    train = train_model(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=validate.outputs["schema"],
        module_file=trainer_module,
        train_steps=train_steps,
        eval_steps=eval_steps,
        hyperparameters=dsl.OneOf(best.outputs["chosen"], given.outputs["chosen"]),
        custom_config=custom_config,
        base_model=base_model,
        seed=seed,
        mixed_precision=mixed_precision,
        xla=xla,
        tracking_uri=tracking_uri,
        experiment=experiment,
        workers=workers,
        workers_at=workers_at,
        checkpoint_uri=checkpoint_uri,
    )
    train.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)
    train.set_retry(num_retries=3, backoff_duration="30s", backoff_factor=2)  # a spot node may disappear
    resolve = resolve_baseline(
        candidate=train.outputs["model"],
        model_name=model_name,
        on_broken_baseline=on_broken_baseline,
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
    )
    evaluate = evaluate_model(
        examples=ingest.outputs["examples"],
        model=train.outputs["model"],
        baseline=resolve.outputs["baseline"],
        schema=validate.outputs["schema"],
        eval_config=eval_config,
        on_broken_baseline=on_broken_baseline,
        rubber_stamp=rubber_stamp,
        beam_pipeline_args=beam_pipeline_args,
    )
    with dsl.If(evaluate.outputs["verdict"] == "blessed", name="blessed"):
        check = check_serving(
            model=train.outputs["model"],
            evaluation=evaluate.outputs["evaluation"],
            limits=serving_limits,
        )
        with dsl.If(check.outputs["verdict"] == "passed", name="checked"):
            register = register_model(
                model=train.outputs["model"],
                evaluation=evaluate.outputs["evaluation"],
                serving_check=check.outputs["serving_check"],
                model_name=model_name,
                tracking_run_id=train.outputs["tracking_run_id"],
                reason=reason,
                tracking_uri=tracking_uri,
                registry_uri=registry_uri,
            )
            push_model(
                model=train.outputs["model"],
                evaluation=evaluate.outputs["evaluation"],
                serving_check=check.outputs["serving_check"],
                destination=destination,
                model_name=model_name,
                model_version=register.outputs["version"],
                strategy=strategy,
                traffic_steps=traffic_steps,
                bake_seconds=bake_seconds,
                keep_warm_seconds=keep_warm_seconds,
                max_latency_ms=max_latency_ms,
                allow_stale_baseline=allow_stale_baseline,
                serving_options=serving_options,
                tracking_uri=tracking_uri,
                registry_uri=registry_uri,
            )
