"""The KFP interface of evaluate_model."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def evaluate_model(
    examples: Input[Dataset],
    model: Input[Model],
    baseline: Input[Model],
    schema: Input[Artifact],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    classification_metrics: Output[ClassificationMetrics],
    report: Output[HTML],
    verdict: OutputPath(str),
    eval_config: str,
    eval_split: str = "eval",
    on_broken_baseline: str = "fail",
    rubber_stamp: bool = False,
    beam_pipeline_args: list = [],  # noqa: B006 - kfp reads it, nobody changes it
):
    """Gate: evaluates a candidate and a Baseline in one pass over the Examples, and blesses the candidate or not.

    Args:
        examples: The raw Examples; one Split of them is evaluated.
        model: The candidate.
        baseline: The Baseline, from resolve_baseline; it may say that there is none.
        schema: The Schema of the Examples.
        evaluation: TFMA's outputs (`metrics`, `plots`, `validations`, `eval_config.json`), `blessing.json` with the verdict, every
            threshold and its measured values, and `probe.json`: requests for up to 256 rows with the
            candidate's answers.
        metrics: The candidate's overall metrics.
        classification_metrics: ROC curve and confusion matrix, where the model is a classifier.
        report: A page that shows the verdict, the thresholds, the metrics and the slices.
        verdict: `blessed` or `not_blessed`.
        eval_config: TFMA's EvalConfig as text (text proto or JSON), path or URI: label, slices, metrics, thresholds, options such
            as `compute_confidence_intervals`.
        eval_split: The Split to evaluate.
        on_broken_baseline: What to do with a Baseline that does not load or cannot answer: `fail`, or `ignore` to record it and
            go on as if there were none.
        rubber_stamp: Whether to bless a model of which nothing could be measured, for there is no Baseline and `eval_config` sets
            change thresholds only, as TFX does. Otherwise a first model needs a value threshold that it meets.
        beam_pipeline_args: Apache Beam options. Naming a `--runner` makes TFMA itself evaluate, on Beam.
    """
    return container("tf", "evaluate_model")
