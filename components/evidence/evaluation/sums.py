"""TFMA's accumulators, filled from whole columns instead of row by row.

All but a few of TFMA's metrics accumulate sums over rows, and derive their values from the sums afterwards. Here each combiner's sums are
written as columns of terms; TFMA's own `extract_output` and derived computations do the rest, so that the figures are TFMA's.
What has no entry here is left to TFMA on Beam.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from penstock.components.evidence import tfma
from penstock.components.evidence.tfma import Combiner, metric_types, metric_util, multi_class_confusion_matrix_metrics, tf_keras
from penstock.components.protocol import TaskError

from .histogram import Histogram
from .rows import Rows
from .unsupported import NotVectorized


@dataclass
class Terms:
    """What one combiner adds up.

    Attributes:
        values: What each row adds, float64 [rows, terms] or, where a row adds one set per class, [rows, classes, terms].
        extract: Makes the combiner's output from the sums: [terms], or [bins, terms] where there are bins.
        bins: The bin that each row (and class) adds to, int [rows] or [rows, classes]; None if all add to one.
        bin_count: The number of bins.
    """

    values: np.ndarray
    extract: Callable[[np.ndarray], metric_types.MetricsDict]
    bins: np.ndarray | None = None
    bin_count: int = 1

    def add_up(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Sums the terms of some rows.

        Args:
            rows: Row numbers [selected].
            weights: How often each of these rows counts in each sample [selected, samples].

        Returns:
            The sums, [samples, terms] or [samples, bins, terms].
        """
        values = self.values[rows]
        if self.bins is None:
            return weights.T @ (values.sum(axis=1) if values.ndim == 3 else values)
        bins = self.bins[rows]
        weights = np.broadcast_to(weights.reshape(len(rows), *[1] * (bins.ndim - 1), -1), (*bins.shape, weights.shape[1]))
        bins, values, weights = bins.ravel(), values.reshape(-1, values.shape[-1]), weights.reshape(-1, weights.shape[-1])
        return np.array([[np.bincount(bins, value * weight, self.bin_count) for value in values.T] for weight in weights.T]).swapaxes(1, 2)


def terms_of(computation: metric_types.MetricComputation, rows: Rows) -> Terms:
    """Writes a computation's sums as terms.

    Raises:
        NotVectorized: Only TFMA's engine knows how to compute it.
        TaskError: The labels do not suit the metric.
    """
    plain = all(type(p) is metric_types.StandardMetricInputsPreprocessor for p in computation.preprocessors or [])
    make = _TERMS.get(type(computation.combiner))
    if make is None or not plain:
        raise NotVectorized(computation.keys[0].name.strip("_"))
    return make(Combiner(computation.combiner), rows)


@dataclass
class _Columns:
    """Labels, predictions and weights as a combiner sees them: [rows], or [rows, classes] where each class is an Example."""

    label: np.ndarray
    prediction: np.ndarray
    weight: np.ndarray

    def stack(self, *terms: np.ndarray) -> np.ndarray:
        return np.stack(np.broadcast_arrays(*terms), axis=-1).astype(np.float64)


def _columns(combiner: Combiner, rows: Rows, key: Any, *, flatten: bool = True, sub_key: Any = None) -> _Columns:
    """What `metric_util.to_label_prediction_example_weight` yields row by row."""
    label = rows.label(key.model_name, key.output_name)
    prediction = _prediction(rows, key)
    given = rows.weight(key.model_name, key.output_name) if combiner.example_weighted else None
    weight = np.ones(rows.count) if given is None else given
    if sub_key is not None:
        label, prediction = _one_class(sub_key, label, prediction)
    class_weights = combiner.class_weights
    if class_weights and not flatten:
        raise NotVectorized("class_weights")
    if prediction.ndim == 1 and label.ndim == 2:
        raise NotVectorized("labels of several values for predictions of one")
    if not flatten:
        return _Columns(label, prediction, weight)
    if prediction.ndim == 2:
        label = _one_hot(label, prediction.shape[1])
        weight = np.broadcast_to(weight[:, None], prediction.shape)
    if class_weights:
        per_class = np.array([class_weights.get(i, 0.0) for i in range(prediction.shape[1] if prediction.ndim == 2 else 1)])
        weight = weight * per_class
    return _Columns(label, prediction.astype(np.float64), weight)


def _prediction(rows: Rows, key: Any) -> np.ndarray:
    outputs = rows.predictions[key.model_name]
    if key.output_name not in outputs:
        raise NotVectorized(f"output {key.output_name!r}")
    prediction = outputs[key.output_name]
    if prediction.dtype.kind not in "biuf" or prediction.ndim > 2:
        raise NotVectorized(f"predictions of type {prediction.dtype} and shape {prediction.shape}")
    return prediction


def _one_class(sub_key: metric_types.SubKey, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if sub_key.class_id is None or prediction.ndim == 1:
        raise NotVectorized(f"binarization by {sub_key}")
    if sub_key.class_id >= prediction.shape[1]:
        raise TaskError(
            f"eval_config binarizes by class {sub_key.class_id}, but the model answers {prediction.shape[1]} classes; correct class_ids"
        )
    label = label == sub_key.class_id if label.ndim == 1 else label[:, sub_key.class_id]
    return label.astype(np.int64), prediction[:, sub_key.class_id]


def _one_hot(label: np.ndarray, classes: int) -> np.ndarray:
    if label.ndim == 2 and label.shape[1] != classes:
        raise TaskError(
            f"the labels have {label.shape[1]} classes, but the model answers {classes}; correct label_key, or train it on these classes"
        )
    if label.ndim == 2:
        return label
    if label.min() < -1 or label.max() >= classes:
        raise TaskError(
            f"the labels are between {label.min()} and {label.max()}, but the model answers {classes} classes; give class ids from 0 on"
        )
    return (label[:, None] == np.arange(classes)).astype(np.int64)


def _fraction(columns: _Columns) -> np.ndarray:
    """Checks that labels are within [0, 1], where a label is the fraction of an Example that is positive."""
    if columns.label.min() < 0 or columns.label.max() > 1:
        raise TaskError(
            f"the labels are between {columns.label.min()} and {columns.label.max()}, but a binary metric needs them within 0 and 1; "
            "choose other metrics, or binarize by class_ids"
        )
    return columns.label


def _example_count(combiner: Combiner, rows: Rows) -> Terms:
    weight = rows.weight(combiner.model_name, combiner.output_name) if combiner.example_weighted else None
    return Terms((np.ones(rows.count) if weight is None else weight)[:, None], lambda sums: combiner.function.extract_output(sums[0]))


def _calibration(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, sub_key=combiner.key.sub_key)
    names = ("total_weighted_labels", "total_weighted_predictions", "total_weighted_examples")
    return Terms(c.stack(c.label * c.weight, c.prediction * c.weight, c.weight), _into(combiner, names))


def _squared_pearson(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key)
    names = tfma.SQUARED_PEARSON_SUMS
    x, y, w = c.label, c.prediction, c.weight
    return Terms(c.stack(w * x, w * y, w * x**2, w * y**2, w * x * y, w), _into(combiner, names))


def _tjur(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key)
    names = tfma.TJUR_SUMS
    negative, positive = (1.0 - c.label) * c.weight, c.label * c.weight
    return Terms(c.stack(negative * c.prediction, negative, positive * c.prediction, positive), _into(combiner, names))


def _into(combiner: Combiner, names: tuple[str, ...]) -> Callable[[np.ndarray], metric_types.MetricsDict]:
    """Returns what sets a combiner's accumulator to sums and extracts its output."""

    def extract(sums: np.ndarray) -> metric_types.MetricsDict:
        accumulator = combiner.function.create_accumulator()
        for name, value in zip(names, sums.tolist(), strict=True):
            setattr(accumulator, name, value)
        return combiner.function.extract_output(accumulator)

    return extract


def _regression_error(error: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Combiner, Rows], Terms]:
    def terms(combiner: Combiner, rows: Rows) -> Terms:
        c = _columns(combiner, rows, combiner.key, sub_key=combiner.key.sub_key)
        with np.errstate(all="ignore"):
            errors = error(c.label, c.prediction)
        known = ~np.isnan(errors)
        weight = np.where(known, c.weight, 0.0)
        values = c.stack(np.where(known, errors, 0.0) * weight, weight)
        return Terms(values, _into(combiner, ("total_regression_error", "total_example_weights")))

    return terms


def _percentage_error(label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return np.where(label == 0, np.nan, 100 * np.abs((label - prediction) / label))


def _log_error(label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return (np.log(label + 1) - np.log(prediction + 1)) ** 2


def _binary_cross_entropy(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, sub_key=combiner.key.sub_key, flatten=False)
    if c.prediction.ndim == 2:
        raise NotVectorized("binary cross entropy of several classes")
    smoothing, p = combiner.label_smoothing, c.prediction
    label = c.label * (1.0 - smoothing) + 0.5 * smoothing
    with np.errstate(all="ignore"):
        if combiner.from_logits:
            entropy = np.maximum(p, 0) - p * label + np.log(1 + np.exp(-np.abs(p)))
        else:
            entropy = -label * np.log(p) - (1 - label) * np.log(1 - p)
    return _cross_entropy(combiner, c, entropy)


def _categorical_cross_entropy(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, flatten=False)
    if c.prediction.ndim == 1 or c.label.ndim == 1 or combiner.key.sub_key:
        raise NotVectorized("categorical cross entropy of class ids")
    smoothing, p = combiner.label_smoothing, c.prediction
    label = c.label * (1.0 - smoothing) + smoothing / p.shape[1]
    p = np.exp(p) if combiner.from_logits else p
    p = p / p.sum(axis=1, keepdims=True)
    return _cross_entropy(combiner, c, -(label * np.ma.log(p)).filled(0.0).sum(axis=1))


def _cross_entropy(combiner: Combiner, c: _Columns, entropy: np.ndarray) -> Terms:
    return Terms(c.stack(entropy * c.weight, c.weight), _into(combiner, ("total_cross_entropy", "total_example_weights")))


def _calibration_histogram(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, sub_key=combiner.key.sub_key)
    label = _fraction(c) if combiner.fractional_labels else c.label
    by = c.prediction if combiner.prediction_based_bucketing else label
    buckets = combiner.num_buckets
    # As `_bucket_index` does it: truncated, with a bucket below and one above the range.
    position = (by - combiner.left) / combiner.range * buckets + 1
    bins = np.clip(position, 0, buckets + 1).astype(np.int64)
    values = c.stack(label * c.weight, c.prediction * c.weight, c.weight)
    return Terms(values, lambda sums: {combiner.key: Histogram(sums)}, bins, buckets + 2)


def _confusion_at_thresholds(combiner: Combiner, rows: Rows) -> Terms:
    if combiner.example_id_key or combiner.extract_label_prediction_and_weight is not metric_util.to_label_prediction_example_weight:
        raise NotVectorized("confusion matrices of other values than labels and predictions")
    c = _columns(combiner, rows, combiner.key, sub_key=combiner.key.sub_key)
    if not combiner.enable_fractional_labels:
        raise NotVectorized("confusion matrices of labels that are not fractions")
    thresholds = np.unique(combiner.thresholds)
    bins = np.searchsorted(thresholds, c.prediction, side="left")  # how many thresholds the prediction exceeds
    label = _fraction(c)
    at = {threshold: i for i, threshold in enumerate(thresholds.tolist())}

    def extract(sums: np.ndarray) -> metric_types.MetricsDict:
        not_above = np.cumsum(sums, axis=0)[:-1].tolist()
        above = np.cumsum(sums[::-1], axis=0)[-2::-1].tolist()
        entries = {}
        for threshold in combiner.thresholds:
            (fn, tn), (tp, fp) = not_above[at[threshold]], above[at[threshold]]
            entries[threshold] = tfma.ThresholdEntry(tfma.Matrix(tp, tn, fp, fn), [], [], [], [])
        return {combiner.key: entries}

    return Terms(c.stack(label * c.weight, (1 - label) * c.weight), extract, bins, len(thresholds) + 1)


def _multi_class_matrix(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, flatten=False)
    if c.prediction.ndim == 1 or c.prediction.shape[1] < 2:
        raise TaskError(
            "a multi-class confusion matrix needs a model that answers one value per class; this one answers one value: choose binary metrics"
        )
    if combiner.extract_label_prediction_and_weight is not metric_util.to_label_prediction_example_weight:
        raise NotVectorized("a multi-class confusion matrix of its own inputs")
    classes = c.prediction.shape[1]
    actual = c.label if c.label.ndim == 1 else c.label.argmax(axis=1)
    _one_hot(actual, classes)
    predicted = c.prediction.argmax(axis=1)
    top = c.prediction.max(axis=1)
    # A class is not predicted from the first threshold on that its probability does not exceed; column `classes` stands for that.
    missed = np.logical_or.accumulate(np.stack([top <= threshold for threshold in combiner.thresholds], axis=1), axis=1)
    width = classes + 1
    cell = (actual[:, None] + 1) * width + np.where(missed, classes, predicted[:, None])
    bins = cell + np.arange(len(combiner.thresholds)) * width * width
    weight = np.broadcast_to(c.weight[:, None], bins.shape)
    entry, absent = multi_class_confusion_matrix_metrics.MatrixEntryKey, multi_class_confusion_matrix_metrics.NO_PREDICTED_CLASS_ID

    def extract(sums: np.ndarray) -> metric_types.MetricsDict:
        matrices = multi_class_confusion_matrix_metrics.Matrices({threshold: {} for threshold in combiner.thresholds})
        for i in np.flatnonzero(sums[:, 1]):
            at, cell = divmod(int(i), width * width)
            label, guess = divmod(cell, width)
            matrices[combiner.thresholds[at]][entry(label - 1, absent if guess == classes else guess)] = float(sums[i, 0])
        return combiner.function.extract_output(matrices)

    return Terms(c.stack(weight, np.ones_like(weight)), extract, bins, width * width * len(combiner.thresholds))


def _class_weights(combiner: Combiner, rows: Rows) -> Terms:
    c = _columns(combiner, rows, combiner.key, flatten=False)
    if c.label.ndim == 1:
        shares = c.label[:, None] == np.array(combiner.class_ids)
    elif max(combiner.class_ids) < c.label.shape[1]:
        shares = c.label[:, combiner.class_ids]
    else:
        raise TaskError(
            f"eval_config weighs class {max(combiner.class_ids)}, but the labels have {c.label.shape[1]} classes; correct class_weights"
        )
    return Terms(
        shares * c.weight[:, None], lambda sums: combiner.function.extract_output(dict(zip(combiner.class_ids, sums.tolist(), strict=True)))
    )


def _keras_means(combiner: Combiner, rows: Rows) -> Terms:
    """Keras metrics that are weighted means over rows, by the function whose mean they are."""
    if combiner.sub_key_in_config:
        raise NotVectorized("Keras's own top_k")
    combiner.function.setup()
    micro = bool(combiner.aggregation_type and combiner.aggregation_type.micro_average)
    columns: list[np.ndarray] = []
    results: list[tuple[metric_types.MetricKey, bool]] = []
    for output, metrics in combiner.metrics.items():
        key = metric_types.MetricKey("", combiner.model_name, output_name=output)
        c = _columns(combiner, rows, key, flatten=micro, sub_key=combiner.sub_key)
        for metric in metrics:
            values = _keras_values(metric, c)
            columns += [values * c.weight, np.broadcast_to(c.weight, values.shape)]
            results.append(
                (
                    metric_types.MetricKey(
                        metric.name, combiner.model_name, output, combiner.sub_key, example_weighted=combiner.example_weighted
                    ),
                    isinstance(metric, tf_keras.metrics.RootMeanSquaredError),
                )
            )

    def extract(sums: np.ndarray) -> metric_types.MetricsDict:
        means = [total / count if count else 0.0 for total, count in sums.reshape(-1, 2).tolist()]
        return {key: np.sqrt(mean) if is_root else mean for (key, is_root), mean in zip(results, means, strict=True)}

    return Terms(np.stack(columns, axis=-1).astype(np.float64), extract)


def _keras_values(metric: Any, c: _Columns) -> np.ndarray:
    """Returns the values [rows], or [rows, classes] if flattened, whose mean the metric is."""
    flat = c.prediction.ndim == c.weight.ndim
    prediction = c.prediction.reshape(-1, 1) if flat else c.prediction
    label = c.label.reshape(len(prediction), -1)
    label, prediction = label.astype(np.float32), prediction.astype(np.float32)
    if type(metric) is tf_keras.metrics.RootMeanSquaredError and flat:
        values = (prediction - label) ** 2
    elif isinstance(metric, tf_keras.metrics.MeanMetricWrapper):
        values = np.asarray(tfma.keras_mean(metric, tf.constant(label), tf.constant(prediction)), np.float64)
    else:
        raise NotVectorized(type(metric).__name__)
    if values.size != c.weight.size:
        raise NotVectorized(f"{type(metric).__name__} of several values per Example")
    return values.reshape(c.weight.shape)


_TERMS: dict[type, Callable[[Combiner, Rows], Terms]] = {
    tfma.ExampleCount: _example_count,
    tfma.Calibration: _calibration,
    tfma.SquaredPearson: _squared_pearson,
    tfma.Tjur: _tjur,
    tfma.MeanAbsoluteError: _regression_error(lambda label, prediction: np.abs(label - prediction)),
    tfma.MeanSquaredError: _regression_error(lambda label, prediction: (label - prediction) ** 2),
    tfma.MeanAbsolutePercentageError: _regression_error(_percentage_error),
    tfma.MeanSquaredLogarithmicError: _regression_error(_log_error),
    tfma.BinaryCrossEntropy: _binary_cross_entropy,
    tfma.CategoricalCrossEntropy: _categorical_cross_entropy,
    tfma.CalibrationHistogram: _calibration_histogram,
    tfma.BinaryConfusionMatrix: _confusion_at_thresholds,
    tfma.MultiClassConfusionMatrix: _multi_class_matrix,
    tfma.ClassWeightsFromLabels: _class_weights,
    tfma.KerasMetrics: _keras_means,
}
