"""The KFP interface of evaluate_model."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def evaluate_model(
    examples: Input[Dataset],
    model: Input[Model],
    schema: Input[Artifact],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    classification_metrics: Output[ClassificationMetrics],
    report: Output[HTML],
    verdict: OutputPath(str),
    eval_config: str,
    baseline: Input[Model] = None,
    eval_split: str = "eval",
    on_broken_baseline: str = "fail",
    rubber_stamp: bool = False,
    beam_pipeline_args: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
):
    """Gate: evaluates a candidate and a Baseline in one pass, and blesses the candidate if it meets the thresholds.

    The task supports these fields of TFMA's EvalConfig:

    | Field | Behavior |
    |---|---|
    | `model_specs`: `name`, `is_baseline`, `label_key(s)`, `prediction_key(s)`, `example_weight_key(s)` | As in TFMA. |
    | `model_specs.signature_name` | As in TFMA. Empty: `serving_examples` if the model has it, else `serving_default`. |
    | `model_specs.preprocessing_function_names` | As in TFMA: signatures whose outputs provide labels, weights and slices. They take precedence over the columns of the Examples. Empty: `transformed_features` and `transformed_labels`, if the model has them. TFMA's own functions (`name@feature`) are rejected. |
    | `model_specs.model_type` | `tf_keras`, `tf_generic` and `tf_estimator` are equivalent: the task calls a signature of the SavedModel. Other types are rejected. |
    | `model_specs.inference_batch_size` | As in TFMA. |
    | `model_specs.padding_options` | TFMA evaluates, on Beam. |
    | `slicing_specs`: `feature_keys`, `feature_values` | As in TFMA. Two models that transform a slice's feature differently are rejected. |
    | `slicing_specs.slice_keys_sql`, `cross_slicing_specs` | TFMA evaluates, on Beam. |
    | `metrics_specs`: `metrics`, `model_names`, `output_names`, `output_weights`, `binarize`, `aggregate`, `example_weights` | As in TFMA. If a metric is not a sum over rows, TFMA evaluates, on Beam. |
    | `metrics_specs.query_key` | TFMA evaluates, on Beam. |
    | `thresholds`, `per_slice_thresholds`, `cross_slice_thresholds` | As in TFMA. They decide the verdict. A threshold that is set by name applies to the metric of that name. |
    | `options.compute_confidence_intervals`, `confidence_intervals` | As in TFMA, with Poisson bootstrap as the default method. With `JACKKNIFE`, TFMA evaluates, on Beam. |
    | `options.min_slice_size` | As in TFMA. |
    | `options.include_default_metrics`, `disabled_outputs` | Rejected. |

    Args:
        examples: The raw Examples. The task evaluates one Split of them.
        model: The candidate.
        schema: The Schema of the Examples.
        evaluation: TFMA's outputs (`metrics`, `plots`, `validations`, `eval_config.json`), `blessing.json` with the verdict,
            every threshold and its measured values, `scores.json` with the distribution of the candidate's predictions, and
            `probe.json` with up to 256 rows, the candidate's answer to each row alone, and the largest difference from its answers to
            the rows together.
        metrics: The candidate's overall metrics.
        classification_metrics: ROC curve and confusion matrix, if the model is a classifier.
        report: A page with the verdict, the thresholds, the metrics and the slices.
        verdict: `blessed` or `not_blessed`.
        eval_config: TFMA's EvalConfig as text (text proto or JSON), path or URI: label, slices, metrics, thresholds, and
            options such as `compute_confidence_intervals`.
        baseline: The Baseline from resolve_baseline, which may report that there is none. Without a Baseline, change thresholds
            are not measured.
        eval_split: The Split to evaluate.
        on_broken_baseline: The behavior if the Baseline does not load or does not answer: `fail`, or `ignore` to record the
            error and continue without a Baseline.
        rubber_stamp: Whether to bless a first model without any measurement, as TFX does, if `eval_config` sets only change
            thresholds. Otherwise a first model needs a value threshold that it meets.
        beam_pipeline_args: Apache Beam options. With a `--runner`, TFMA evaluates, on Beam.
    """
    return container("tf", "evaluate_model")
