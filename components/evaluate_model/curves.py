"""Curves for KFP's ClassificationMetrics and the page: ROC, calibration, confusion matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.components.evidence.evaluation.rows import Rows

ROC_POINTS = 100
_CALIBRATION_BINS = 10
_MOST_CLASSES = 50


@dataclass
class Curves:
    """What one classifier's answers look like on all rows.

    Attributes:
        roc: False positive rate, recall and threshold of at most 100 points, from the highest threshold down; empty unless binary.
        calibration: Mean prediction, mean label and share of rows for each tenth of the rows by prediction; empty unless binary.
        classes: The classes' names.
        matrix: Weighted counts, [actual class][predicted class]; a binary prediction is positive above 0.5.
    """

    roc: list[tuple[float, float, float]]
    calibration: list[tuple[float, float, float]]
    classes: list[str]
    matrix: list[list[float]]


def draw(rows: Rows, model: str) -> Curves | None:
    """Draws a model's curves; None if it is not a classifier of one output, or one of more than 50 classes."""
    outputs = rows.predictions[model]
    if set(outputs) != {""} or outputs[""].dtype.kind != "f":
        return None
    label, prediction = rows.label(model), outputs[""]
    weight = rows.weight(model)
    weight = np.ones(rows.count) if weight is None else weight
    if prediction.ndim == 2 and prediction.shape[1] <= _MOST_CLASSES:
        label = label.argmax(axis=1) if label.ndim == 2 else label
        return _classes(label.astype(np.int64), prediction, weight)
    if prediction.ndim == 1 and np.isin(label, (0, 1)).all() and prediction.min() >= 0 and prediction.max() <= 1:
        return _binary(label.astype(np.float64), prediction, weight)
    return None


def classification_metadata(curves: Curves) -> dict[str, Any]:
    """Returns the metadata of KFP's ClassificationMetrics, as `log_roc_curve` and `log_confusion_matrix` write it."""
    rows = [{"row": row} for row in curves.matrix]
    matrix = {"confusionMatrix": {"annotationSpecs": [{"displayName": name} for name in curves.classes], "rows": rows}}
    points = [
        {"confidenceThreshold": threshold, "recall": recall, "falsePositiveRate": false_positives}
        for false_positives, recall, threshold in curves.roc
    ]
    return matrix | ({"confidenceMetrics": points} if points else {})


def _classes(label: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> Curves:
    count = prediction.shape[1]
    known = (label >= 0) & (label < count)
    cells = label[known] * count + prediction[known].argmax(axis=1)
    matrix = np.bincount(cells, weight[known], count * count).reshape(count, count)
    return Curves([], [], [str(i) for i in range(count)], matrix.tolist())


def _binary(label: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> Curves:
    order = np.argsort(-prediction, kind="stable")
    scores = prediction[order].astype(np.float64)
    positive, negative = np.cumsum((label * weight)[order]), np.cumsum(((1 - label) * weight)[order])
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # ties share one point
    recall, false_positives = positive[last] / (positive[-1] or 1), negative[last] / (negative[-1] or 1)
    # Evenly along the curve's length, so that steep parts keep their points.
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(recall), np.diff(false_positives)))])
    wanted = np.linspace(0, length[-1], ROC_POINTS - 1)
    kept = np.unique(np.minimum(np.searchsorted(length, wanted), len(length) - 1))
    points = zip(false_positives[kept].tolist(), recall[kept].tolist(), scores[last][kept].tolist(), strict=True)
    guess = (prediction > 0.5).astype(np.int64)
    matrix = np.bincount(label.astype(np.int64) * 2 + guess, weight, 4).reshape(2, 2)
    return Curves([(0.0, 0.0, 1.0), *points], _calibration(label[order], scores, weight[order]), ["0", "1"], matrix.tolist())


def _calibration(label: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> list[tuple[float, float, float]]:
    total = np.cumsum(weight)
    if not total[-1]:
        return []
    bins = np.minimum((total - weight / 2) / total[-1] * _CALIBRATION_BINS, _CALIBRATION_BINS - 1).astype(np.int64)
    sums = [np.bincount(bins, values * weight, _CALIBRATION_BINS) for values in (scores, label, np.ones_like(label))]
    return [(s / w, y / w, w / total[-1]) for s, y, w in zip(*(values.tolist() for values in sums), strict=True) if w][::-1]
