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
    exclude_splits: list = [],  # noqa: B006 - kfp reads it, nobody changes it
    environments: dict = {},  # noqa: B006 - kfp reads it, nobody changes it
    previous_statistics: str = "",
    serving_statistics: str = "",
    drift_threshold: float = 0.1,
    skew_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
):
    """Gate: computes Statistics per Split and checks them against a Schema, the previous Span (drift) and serving (skew).

    Args:
        examples: The Examples to check.
        statistics: TFDV's Statistics: `Split-<name>/FeatureStats.pb`.
        schema: The Schema that was used: `schema.pbtxt`. Metadata `inferred` says whether it was inferred here.
        anomalies: TFMD's Anomalies: `Split-<name>/SchemaDiff.pb`, and `verdict.json` with each finding, its severity, the
            threshold and the measured value.
        report: A page that shows the verdict, the Anomalies, the Statistics, the rows that are there twice (within a Split, and in
            another one), and which features nothing protects.
        verdict: `passed`, or `failed` where `on_anomalies` is `warn`.
        anomaly_count: How many Anomalies of severity ERROR there are.
        schema_file: A reviewed Schema as text, path or URI (`schema.pbtxt`). Empty: one is inferred, with a
            range for each number (what all Splits hold, and half as much again on either side), marked as inferred, and offered for
            review. What a comparator in it asks for and cannot be measured, such as `infinity_norm` of numbers, is an Anomaly of
            severity ERROR; where the Statistics to compare with are not given at all, as in a first run, it is a WARNING.
        schema_split: The Split from which a Schema is inferred. Empty: all of them, as TFX's SchemaGen does.
        exclude_splits: Splits to leave out: no Statistics, no inference, no check, as TFX's parameter of this name.
        environments: The Schema environment of each Split, such as `{"serving": "SERVING"}`. Where a Schema is inferred, a feature
            that no Split of an environment has, such as a label, is not in it.
        previous_statistics: Path or URI of the Statistics of a previous Span, for drift: an artifact, of which each Split is
            compared with the Split of its name (or the only one), or one `FeatureStats.pb`. Empty: drift is not checked.
        serving_statistics: The same of serving requests, for skew. Empty: skew is not checked.
        drift_threshold: The limit for features whose Schema has no drift comparator: the Kolmogorov-Smirnov statistic for numbers
            (the greatest difference of the distribution functions, at the quantiles of the other Statistics), the L-infinity norm
            for categories (the greatest difference of a value's shares); both lie in [0, 1]. The limit is greater where two samples
            of so few rows differ by more by chance. The shares of missing values may double, and change by a tenth of the threshold
            at least and the threshold at most; infinite values must not be new. At 1, nothing without a comparator is compared.
        skew_threshold: The same for features without a skew comparator.
        min_rows: The least number of rows that each Split must have.
        on_anomalies: `fail`: the task fails on any Anomaly of severity ERROR. `penstock run` keeps its evidence; Kubeflow keeps no
            outputs of a task that fails, only its log. `warn`: the task goes on, and `verdict` says so; with require_verdict after
            it, what depends on that fails, and the evidence is kept everywhere.
    """
    return container("tfdv", "validate_examples")
