"""What Penstock uses of TFMA that TFMA does not document: modules below `tfma.metrics` and the like, and private names in these.

TFMA's API is a pipeline on Beam, which takes minutes for some thousand rows (<https://github.com/tensorflow/model-analysis/issues/108>).
The in-process engine therefore fills TFMA's own combiners from whole columns, and TFMA's own functions do the rest. TFMA has no API for
this, and we know of no issue that asks for one.

Nothing else in Penstock imports TFMA, except for its protos (tests/penstock/test_private_tfma.py). tests/components/evidence/test_tfma.py
fails when TFMA makes one of these names public. tests/components/evaluate_model/test_metrics_against_tfma.py fails when a private name
comes to mean something else: it compares the values with those of TFMA's own run.

TFMA 0.52 counts the first of several accumulators twice in five of its combiners, wherever a runner gives them in a list, as all do that
have several workers. Importing this module puts `_EachOnce` subclasses in their place: workers import this module to unpickle them.
"""

import inspect
import sys
from collections.abc import Iterable
from typing import Any

from tensorflow_model_analysis import constants, evaluators, extractors, writers
from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.evaluators import confidence_intervals_util, metrics_validator, poisson_bootstrap
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as evaluator
from tensorflow_model_analysis.extractors import materialized_predictions_extractor, sql_slice_key_extractor
from tensorflow_model_analysis.metrics import (
    aggregation,
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    confusion_matrix_metrics,
    cross_entropy_metrics,
    example_count,
    flip_metrics,
    mean_regression_error,
    metric_specs,
    metric_types,
    metric_util,
    model_cosine_similarity,
    multi_class_confusion_matrix_metrics,
    prediction_difference_metrics,
    rouge,
    squared_pearson_correlation,
    tf_metric_wrapper,
    tjur_discrimination,
)
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import config_util, model_util
from tensorflow_model_analysis.utils.keras_lib import tf_keras
from tensorflow_model_analysis.writers import eval_config_writer
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

__all__ = [
    "Combiner",
    "calibration_histogram",
    "closure_of",
    "confidence_intervals_util",
    "config_util",
    "confusion_matrix_metrics",
    "constants",
    "evaluators",
    "extractors",
    "keras_mean",
    "materialized_predictions_extractor",
    "metric_specs",
    "metric_types",
    "metric_util",
    "metrics_validator",
    "model_eval_lib",
    "model_util",
    "multi_class_confusion_matrix_metrics",
    "rouge",
    "slicer_lib",
    "sql_slice_key_extractor",
    "tf_keras",
    "writer",
    "writers",
]

# Poisson bootstrap, as TFMA does it: how often, what gathers the samples, and the number of the sample that is all rows.
BOOTSTRAP_SAMPLES = evaluator._DEFAULT_NUM_BOOTSTRAP_SAMPLES
BootstrapSamples = poisson_bootstrap._BootstrapSampleCombineFn
FULL_SAMPLE = poisson_bootstrap._FULL_SAMPLE_ID
# Sorts computations by what they need, and tells what of their results is for the user.
separate_computations = evaluator._filter_and_separate_computations
is_private_metric = evaluator._is_private_metrics
is_diffable = evaluator._is_metric_diffable
# What `feature_values` of a SlicingSpec mean; the name of eval_config.json, and its text.
slice_value = slicer_lib._to_type
EVAL_CONFIG_FILE = eval_config_writer.EVAL_CONFIG_FILE
serialize_eval_run = eval_config_writer._serialize_eval_run

# Confusion matrices from histograms: how far beside a threshold its bucket begins.
BINARY_CONFUSION_MATRICES = binary_confusion_matrices.BINARY_CONFUSION_MATRICES_NAME
Matrices = binary_confusion_matrices.Matrices
EPSILON = binary_confusion_matrices._EPSILON
# Confusion matrices at thresholds.
Matrix = aggregates.Matrix
ThresholdEntry = aggregates._ThresholdEntry

# The names of the sums of two accumulators.
SQUARED_PEARSON_SUMS = tuple(squared_pearson_correlation._SquaredPearsonCorrelationAccumulator.__slots__)
TJUR_SUMS = tuple(tjur_discrimination._TjurDiscriminationAccumulator.__slots__)

# The combiners whose sums are known.
ExampleCount = example_count._ExampleCountCombiner
Calibration = calibration._WeightedLabelsPredictionsExamplesCombiner
SquaredPearson = squared_pearson_correlation._SquaredPearsonCorrelationCombiner
Tjur = tjur_discrimination._TjurDiscriminationCombiner
CalibrationHistogram = calibration_histogram._CalibrationHistogramCombiner
BinaryConfusionMatrix = binary_confusion_matrices._BinaryConfusionMatrixCombiner
MultiClassConfusionMatrix = multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner
ClassWeightsFromLabels = aggregation._ClassWeightsFromLabelsCombiner
KerasMetrics = tf_metric_wrapper._CompilableMetricsCombiner


class _EachOnce:
    """Counts each accumulator once, also the first of a list. test_tfma.py says when TFMA does so itself, and this can go."""

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        """Merges accumulators into the first of them. TFMA's takes that from the iterable and merges what is left: an iterator has it no more."""
        return super().merge_accumulators(iter(accumulators))  # type: ignore[misc]


class MeanAbsoluteError(_EachOnce, mean_regression_error._MeanAbsoluteErrorCombiner):
    """The sums of MeanAbsoluteError."""


class MeanSquaredError(_EachOnce, mean_regression_error._MeanSquaredErrorCombiner):
    """The sums of MeanSquaredError."""


class MeanAbsolutePercentageError(_EachOnce, mean_regression_error._MeanAbsolutePercentageErrorCombiner):
    """The sums of MeanAbsolutePercentageError."""


class MeanSquaredLogarithmicError(_EachOnce, mean_regression_error._MeanSquaredLogarithmicErrorCombiner):
    """The sums of MeanSquaredLogarithmicError."""


class BinaryCrossEntropy(_EachOnce, cross_entropy_metrics._BinaryCrossEntropyCombiner):
    """The sums of BinaryCrossEntropy."""


class CategoricalCrossEntropy(_EachOnce, cross_entropy_metrics._CategoricalCrossEntropyCombiner):
    """The sums of CategoricalCrossEntropy."""


class BooleanFlipCounts(_EachOnce, flip_metrics._BooleanFlipCountsCombiner):
    """The counts of the flip rates."""


class ModelCosineSimilarity(_EachOnce, model_cosine_similarity._ModelCosineSimilarityCombiner):
    """The sums of ModelCosineSimilarity."""


class SymmetricPredictionDifference(_EachOnce, prediction_difference_metrics._SymmetricPredictionDifferenceCombiner):
    """The sums of SymmetricPredictionDifference."""


for _kind in _EachOnce.__subclasses__():
    _tfmas = _kind.__bases__[1]
    setattr(sys.modules[_tfmas.__module__], _tfmas.__name__, _kind)


class Combiner:
    """One of TFMA's combiners, and what it was made with, each under the name that its constructor has for it.

    Args:
        function: The combiner.

    Attributes:
        function: The combiner.
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    @property
    def key(self) -> Any:
        """The key of what it computes."""
        return self.function._key if hasattr(self.function, "_key") else self.function._metric_key

    @property
    def class_weights(self) -> dict[int, float] | None:
        """The weight of each class; None without any, and where its kind has none."""
        return getattr(self.function, "_class_weights", None)

    @property
    def enable_fractional_labels(self) -> bool:
        """Whether a confusion matrix takes a label for a fraction of an Example."""
        return self.function._binary_confusion_matrices._enable_fractional_labels

    @property
    def thresholds(self) -> list[float]:
        """The thresholds of a confusion matrix, of two classes or several."""
        return getattr(self.function, "_binary_confusion_matrices", self.function)._thresholds

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, f"_{name}")


def keras_mean(metric: Any, label: Any, prediction: Any) -> Any:
    """Returns the values whose mean a metric of Keras's is."""
    return metric._fn(label, prediction, **metric._fn_kwargs)


def closure_of(computation: Any) -> dict[str, Any]:
    """Returns what a derived computation was made with: TFMA keeps it in the function's closure alone."""
    return dict(inspect.getclosurevars(computation.result).nonlocals)
