"""The KFP interface of monitor_model."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def monitor_model(
    monitoring: Output[Artifact],
    report: Output[HTML],
    verdict: OutputPath(str),
    logs: str,
    reference: Input[Dataset] = None,
    evaluation: Input[Artifact] = None,
    predecessor: Input[Model] = None,
    feature_skew: Input[Artifact] = None,
    reference_uri: str = "",
    reference_split: str = "train",
    reference_window: str = "",
    schema_file: str = "",
    model_name: str = "",
    fingerprint: str = "",
    log_format: str = "",
    log_key: str = "",
    window_start: str = "",
    window_end: str = "",
    window_hours: float = 24.0,
    trend_windows: int = 0,
    monitoring_config: str = "",
    eval_config: str = "",
    labels: str = "",
    label_key: str = "id",
    label_column: str = "",
    label_time_column: str = "",
    metrics_url: str = "",
    champion_alias: str = "",
    tracking_uri: str = "",
    registry_uri: str = "",
    pushgateway: str = "",
    monitoring_uri: str = "",
):
    """Gate: compares what a model is asked and answers with a reference, and measures its quality where labels have come.

    The verdict is the first of these that is true. What cannot be computed is never `ok`.

    | Verdict | Meaning |
    |---|---|
    | `no_data` | The window has no rows of the model, or the newest is older than `max_age_hours`. |
    | `not_enough_data` | The window has fewer than `min_rows` rows. |
    | `degraded` | With labels: a metric misses a threshold of the EvalConfig, or is worse than in the evaluation, by more than chance. |
    | `skewed` | With `feature_skew`: more served values of a feature than `max_feature_skew` are not those that were known. |
    | `drifted` | A feature or a prediction is further from the reference than its threshold, and than chance allows for so many rows. |
    | `not_enough_data` | Something that was asked for could not be computed, such as metrics for want of labels. |
    | `ok` | All was computed, and nothing is beyond its limit. |

    `monitoring_config` is YAML or JSON. All keys are optional:

    | Key | Default | Meaning |
    |---|---|---|
    | `numbers` | `{measure: kolmogorov_smirnov}` | The measure of numbers, and its `threshold`. |
    | `categories` | `{measure: infinity_norm}` | The measure of categories, and its `threshold`. |
    | `features` | `{}` | The same for single features and predictions: `{distance: {measure: wasserstein, threshold: 0.2}}`. |
    | `exclude` | `[]` | Features to leave out, such as the month of a model that was trained on a year. |
    | `max_invalid` | 0.01 | The share of a feature's values that may be outside what the Schema allows. |
    | `min_rows` | 100 | The least number of rows. |
    | `min_labels` | 100 | The least number of rows with labels. |
    | `max_age_hours` | 0 | The greatest age of the newest row at the window's end. 0: any. |
    | `label_delay_hours` | 0 | How late a label may be. The quality of younger rows is not measured yet. |
    | `min_labeled_share` | 0 | The least share of the older rows that must have labels. |
    | `max_feature_skew` | 0.01 | The share of a feature's values, fetched from an online store, that may differ from those that were known. |
    | `reference_rows` | `{}` | Values of features: only such rows of the reference count, such as those of the same season: `{month: [11, 12]}`. |

    | Measure | Default threshold | Meaning |
    |---|---|---|
    | `kolmogorov_smirnov` | 0.03 | The greatest difference of two distribution functions; numbers only. 0.04 is a shift by a tenth of a standard deviation. |
    | `infinity_norm` | 0.03 | The greatest difference of a value's shares; of numbers, of a tenth of the reference. |
    | `jensen_shannon_divergence` | 0.01 | In bits, 0 to 1. |
    | `population_stability_index` | 0.1 | Less what it is expected to be without drift, (B - 1)(1/n + 1/N) for B bins. An empty bin counts as half a row. |
    | `wasserstein` | 0.1 | The area between the distribution functions, in standard deviations of the reference; numbers only. |

    Numbers are compared in ten bins of equal parts of the reference (fewer where the window has fewer than 200 rows), and at 500 quantiles
    for `kolmogorov_smirnov` and `wasserstein`. Categories below 0.5 % of the reference are one bin, with those that are new.
    No drift alarms in more than one of ten thousand comparisons, whatever the number of rows: a limit grows to what chance allows.

    Args:
        monitoring: `monitoring.json` with the verdict and every figure, and `monitoring.prom`, the same for Prometheus.
        report: A page with the verdict, the features that changed most, the quality and what is missing in the log.
        verdict: `ok`, `drifted`, `skewed`, `degraded`, `not_enough_data` or `no_data`.
        logs: Path or URI of the log: a folder or bucket of the model server's prediction log or of KServe's inference logger, or
            Vertex AI's table `bq://PROJECT.DATASET.TABLE`.
        reference: The Examples that the model was trained on. Without any reference, and with `champion_alias`, they are those that
            the registry names for the champion.
        evaluation: The Evaluation that blessed the model. Its metrics are what the quality is compared with, and without
            `fingerprint` its model is the one that is monitored.
        predecessor: The model that served before, such as the `baseline` of resolve_baseline. If the verdict is `degraded`, it answers
            the rows with labels too, and `monitoring.json` tells whether it is better.
        feature_skew: What compare_features found in the same window, for a server that fetches features. The keys by which it fetches
            are not compared, unless the reference has them.
        reference_uri: Path or URI of Examples, instead of `reference`.
        reference_split: The Split of the Examples.
        reference_window: An earlier window of the same log, instead of Examples: `START/END` in ISO 8601. Only then are predictions
            compared, for Examples have none.
        schema_file: The Schema as text, path or URI. It says which values are allowed and which whole numbers are categories. Features
            with `not_in_environment: "SERVING"` are not compared.
        model_name: The model whose rows of a prediction log are read. Empty: all.
        fingerprint: The fingerprint of the model, or its start. Empty: that of `evaluation`, or else the one with most rows.
        log_format: `penstock`, `kserve` or `vertex`. Empty: as the files have it.
        log_key: A logged feature that is the id of its row: KServe and Vertex AI log requests with the field that Penstock's server
            removes (`--prediction_log_key`).
        window_start: Start of the window in ISO 8601. Empty: `window_hours` before its end.
        window_end: End of the window. Empty: now.
        window_hours: Length of the window if it has no start.
        trend_windows: The number of windows of the same length before the window that are looked at too, each with a verdict.
        monitoring_config: Measures and thresholds, as text, path or URI (see above).
        eval_config: TFMA's EvalConfig as text, path or URI. Needed for `labels`, and for an estimate without them.
        labels: Path or URI of labels: a file or folder of CSV, Parquet or JSON lines. Empty: the quality is not measured. For a
            classifier whose scores are probabilities the report then has an estimate from the scores alone.
        label_key: The column of the labels that has the rows' ids.
        label_column: The column of the labels that has the label. Empty: the `label_key` of `eval_config`.
        label_time_column: The column of the labels that has the time of what the label tells. A label that is older than its row shows
            that clocks differ. Empty: not checked.
        metrics_url: The URL of the model server's metrics, for requests, errors and latencies in the report. Empty: not asked.
        champion_alias: The alias of the version of `model_name` that should serve, such as `champion`. The figures then tell alerts
            which version that is, and when it was registered. Empty: the registry is not asked.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of MLflow's registry, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
        pushgateway: URL of a Prometheus Pushgateway that gets the figures. Figures of versions that were not monitored since the
            window's start are deleted there. If it cannot be reached, the task warns, and the verdict stands.
        monitoring_uri: Folder or bucket in which the model server finds the figures of the versions that it serves (its option
            `--monitoring`). If it cannot be written, the task warns, and the verdict stands.
    """
    return container("tf", "monitor_model")
