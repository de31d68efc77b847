"""The KFP interface of validate_examples."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def validate_examples(
    examples: Input[Dataset],
    statistics: Output[Artifact],
    schema: Output[Artifact],
    anomalies: Output[Artifact],
    report: Output[HTML],
    verdict: OutputPath(str),
    anomaly_count: OutputPath(int),
    schema_file: str = "",
    schema_split: str = "",
    exclude_splits: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
    environments: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    previous_statistics: str = "",
    serving_statistics: str = "",
    drift_threshold: float = 0.1,
    skew_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
    beam_pipeline_args: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
):
    """Gate: computes Statistics per Split and checks them against a Schema, the previous Span (drift) and serving (skew).

    Args:
        examples: The Examples to check.
        statistics: TFDV's Statistics: `Split-<name>/FeatureStats.pb`.
        schema: The Schema that the checks used: `schema.pbtxt`. `inferred` in the metadata states whether this task inferred
            it.
        anomalies: TFMD's Anomalies: `Split-<name>/SchemaDiff.pb`, and `verdict.json` with each finding, its severity, the
            threshold and the measured value.
        report: A page with the verdict, the Anomalies, the Statistics, duplicate rows (within a Split and across Splits), and
            the features without protection by the Schema.
        verdict: `passed`, or `failed` if `on_anomalies` is `warn`.
        anomaly_count: The number of Anomalies of severity ERROR.
        schema_file: A reviewed Schema as text, path or URI (`schema.pbtxt`). Empty: the task infers a Schema, marks it as
            inferred, and offers it for review. An inferred Schema has a range for each number: the range in all Splits,
            extended by half of its width on either side. If a comparator in the Schema cannot be measured, such as
            `infinity_norm` of numbers, that is an Anomaly of severity ERROR. If the Statistics to compare with are not given,
            as in a first run, it is a WARNING.
        schema_split: The Split from which a Schema is inferred. Empty: all Splits, as in TFX's SchemaGen.
        exclude_splits: Splits to skip: no Statistics, no inference, no checks, as with TFX's parameter of this name.
        environments: The Schema environment of each Split, such as `{"serving": "SERVING"}`. In an inferred Schema, an
            environment does not include the features that none of its Splits has, such as a label.
        previous_statistics: Path or URI of the Statistics of a previous Span, for drift. An artifact: each Split is compared
            with the Split of the same name (or with the only one). A single `FeatureStats.pb`: every Split is compared with it.
            Empty: drift is not checked.
        serving_statistics: Path or URI of the Statistics of serving requests, for skew, in the same forms. Empty: skew is not
            checked.
        drift_threshold: The drift limit for features whose Schema has no drift comparator, from 0 to 1. For numbers it limits
            the Kolmogorov-Smirnov statistic (the largest difference between the distribution functions, at the quantiles of the
            other Statistics). For categories it limits the L-infinity norm (the largest difference between the shares of a
            value). The limit is higher if two samples of so few rows differ by more by chance. The share of missing values may
            double; it may always change by a tenth of the threshold, and never by more than the threshold. Infinite values must
            not be new. 1: features without a comparator are not compared. A comparator in the Schema is measured by TFDV. For the
            Jensen-Shannon divergence of numbers, the report also shows the value between the quantiles of the other Statistics,
            because TFDV's depends on the minimum and maximum of both tables.
        skew_threshold: The skew limit for features without a skew comparator, defined like `drift_threshold`.
        min_rows: The minimum number of rows in each Split.
        on_anomalies: The behavior on an Anomaly of severity ERROR. `fail`: the task fails. `penstock run` keeps its evidence;
            Kubeflow keeps only the log of a failed task. `warn`: the task succeeds and reports the failure in `verdict`. Add
            require_verdict after it to stop the run and keep the evidence on every backend.
        beam_pipeline_args: Apache Beam options. With a `--runner`, Beam reads the rows. The Statistics are the same, except for
            the quantiles and histograms of numbers, which are approximate on any engine.
    """
    return container("tfdv", "validate_examples")
