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
    beam_pipeline_args: list = [],  # noqa: B006 - kfp reads it, nobody changes it
):
    """Gate: evaluates a candidate and a Baseline in one pass over the Examples, and blesses the candidate or not.

    The fields of TFMA's EvalConfig:

    | Field | What becomes of it |
    |---|---|
    | `model_specs`: `name`, `is_baseline`, `label_key(s)`, `prediction_key(s)`, `example_weight_key(s)` | As in TFMA. |
    | `model_specs.signature_name` | As in TFMA. Empty: `serving_examples` if the model has it, else `serving_default`. |
    | `model_specs.preprocessing_function_names` | As in TFMA: signatures whose outputs stand for labels, weights and slices, before the columns of the Examples. Empty: `transformed_features` and `transformed_labels`, where the model has them. TFMA's own functions (`name@feature`) are refused. |
    | `model_specs.model_type` | `tf_keras`, `tf_generic` and `tf_estimator` are one: a SavedModel's signature is called. Others are refused. |
    | `model_specs.inference_batch_size` | As in TFMA. |
    | `model_specs.padding_options` | TFMA itself evaluates, on Beam. |
    | `slicing_specs`: `feature_keys`, `feature_values` | As in TFMA. Two models that transform a slice's feature differently are refused. |
    | `slicing_specs.slice_keys_sql`, `cross_slicing_specs` | TFMA itself evaluates, on Beam. |
    | `metrics_specs`: `metrics`, `model_names`, `output_names`, `output_weights`, `binarize`, `aggregate`, `example_weights` | As in TFMA; a metric that is no sum over rows is left to TFMA, on Beam. |
    | `metrics_specs.query_key` | TFMA itself evaluates, on Beam. |
    | `thresholds`, `per_slice_thresholds`, `cross_slice_thresholds` | As in TFMA, and they decide the verdict. Those set by name belong to the metric of that name. |
    | `options.compute_confidence_intervals`, `confidence_intervals` | As in TFMA, with Poisson bootstrap where no method is given. `JACKKNIFE`: TFMA itself evaluates, on Beam. |
    | `options.min_slice_size` | As in TFMA. |
    | `options.include_default_metrics`, `disabled_outputs` | Refused. |

    Args:
        examples: The raw Examples; one Split of them is evaluated.
        model: The candidate.
        schema: The Schema of the Examples.
        evaluation: TFMA's outputs (`metrics`, `plots`, `validations`, `eval_config.json`), `blessing.json` with the verdict, every
            threshold and its measured values, and `probe.json`: up to 256 rows with the
            candidate's answer to each alone, and by how much its answers to them together differ.
        metrics: The candidate's overall metrics.
        classification_metrics: ROC curve and confusion matrix, where the model is a classifier.
        report: A page that shows the verdict, the thresholds, the metrics and the slices.
        verdict: `blessed` or `not_blessed`.
        eval_config: TFMA's EvalConfig as text (text proto or JSON), path or URI: label, slices, metrics, thresholds, options such
            as `compute_confidence_intervals`.
        baseline: The Baseline, from resolve_baseline, which may say that there is none. Left out: there is none, and change thresholds
            measure nothing.
        eval_split: The Split to evaluate.
        on_broken_baseline: What to do with a Baseline that does not load or cannot answer: `fail`, or `ignore` to record it and
            go on as if there were none.
        rubber_stamp: Whether to bless a model of which nothing could be measured, for there is no Baseline and `eval_config` sets
            change thresholds only, as TFX does. Otherwise a first model needs a value threshold that it meets.
        beam_pipeline_args: Apache Beam options. Naming a `--runner` makes TFMA itself evaluate, on Beam.
    """
    return container("tf", "evaluate_model")
