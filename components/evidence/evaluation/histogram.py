"""TFMA's calibration histogram as arrays, and the confusion matrices that TFMA derives from it without a loop over its buckets."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from penstock.components.evidence import tfma
from penstock.components.evidence.tfma import calibration_histogram, metric_types


class Histogram:
    """A histogram of predictions; iterating over it gives TFMA's buckets.

    Attributes:
        sums: Weighted labels, predictions and Examples of each bucket, [buckets + 2, 3]: the first bucket lies below the range,
            the last above.
    """

    def __init__(self, sums: np.ndarray) -> None:
        self.sums = sums

    def __iter__(self) -> Iterator[calibration_histogram.Bucket]:
        filled = np.flatnonzero(self.sums.any(axis=1))
        return (calibration_histogram.Bucket(int(i), *self.sums[i].tolist()) for i in filled)


def vectorized(computation: metric_types.DerivedMetricComputation) -> Callable[[metric_types.MetricsDict], metric_types.MetricsDict]:
    """Returns a derived computation's function, in its vectorized form if it makes confusion matrices from a histogram."""
    if not computation.keys[-1].name.startswith(tfma.BINARY_CONFUSION_MATRICES):
        return computation.result
    settings = tfma.closure_of(computation)
    thresholds = settings["thresholds"]
    if not settings["use_histogram"] or (len(thresholds) == 1 and thresholds[0] < 0):
        return computation.result
    histogram_key, matrices_key = settings["input_metric_key"], settings["matrices_key"]
    return lambda metrics: {matrices_key: confusion_matrices(tuple(thresholds), metrics[histogram_key])}


def confusion_matrices(thresholds: tuple[float, ...], histogram: Histogram) -> tfma.Matrices:
    """Counts what lies above and below each threshold.

    The same as `calibration_histogram.rebin` and `binary_confusion_matrices._histogram_to_binary_confusion_matrices` of TFMA 0.52.
    """
    bins, offset, count, above = _bins(thresholds, len(histogram.sums))
    positive = np.bincount(bins, histogram.sums[:, 0], count)
    negative = np.bincount(bins, histogram.sums[:, 2] - histogram.sums[:, 0], count)
    kept = slice(offset, offset + len(thresholds))
    tp, fp = (np.cumsum(values[::-1])[::-1][kept] for values in (positive, negative))
    fn, tn = (np.concatenate([[0.0], np.cumsum(values)[:-1]])[kept] for values in (positive, negative))
    if above is not None:
        tp, fp = np.where(above, 0.0, tp), np.where(above, 0.0, fp)
        fn, tn = np.where(above, tp[0], fn), np.where(above, fp[0], tn)
    return tfma.Matrices(list(thresholds), tp, tn, fp, fn)


@lru_cache(maxsize=64)
def _bins(thresholds: tuple[float, ...], buckets: int) -> tuple[np.ndarray, int, int, np.ndarray | None]:
    """Returns the new bin of each bucket, how many bins come before the first threshold, the number of bins, and which thresholds nothing exceeds."""
    edges = [threshold + tfma.EPSILON if threshold != 0 else threshold for threshold in thresholds]
    edges = [-tfma.EPSILON, *edges] if thresholds[0] >= 0 else edges
    edges = [*edges, 1.0 + tfma.EPSILON] if thresholds[-1] < 1.0 else edges
    starts = np.arange(-1, buckets - 1) / (buckets - 2)
    starts[0], starts[-1] = -np.inf, np.inf
    offset = 1 if (thresholds[0] >= 0 or len(thresholds) == 1) and len(edges) > 1 else 0
    above = np.array(thresholds) >= 1.0 + tfma.EPSILON
    bins = np.maximum(np.searchsorted(edges, starts, side="right") - 1, 0)
    return bins, offset, len(edges), above if above.any() else None
