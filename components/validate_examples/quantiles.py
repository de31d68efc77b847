"""What Statistics know of a number's distribution, and how far the rows at hand lie from it."""

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0.statistics_pb2 import Histogram

from penstock.components.evidence.distances import Distribution, jensen_shannon

from .statistics import FeatureStatistics, Statistics, by_name, is_numeric


def distribution(histogram: Histogram) -> Distribution | None:
    """Reads a distribution from a QUANTILES histogram; None if it has no values."""
    counts = np.cumsum([bucket.sample_count for bucket in histogram.buckets])
    if not len(counts) or not counts[-1] > 0:
        return None
    highs = np.array([bucket.high_value for bucket in histogram.buckets])
    values, first = np.unique(np.append(histogram.buckets[0].low_value, highs), return_index=True)
    through = np.array([counts[highs <= value][-1] if (highs <= value).any() else 0.0 for value in values]) / counts[-1]
    levels = first / len(highs)  # the i-th of k ends is the least value that i/k of all values do not exceed
    below = np.nextafter(values, -np.inf)
    return Distribution(
        np.ravel([below, values], "F"),
        np.ravel([np.append(0.0, through[:-1]), through], "F"),
        np.ravel([np.maximum(levels, np.append(0.0, through[:-1])), np.where(through > 0, through, 1 / len(highs))], "F"),
    )


def quantiles(feature: FeatureStatistics) -> Histogram:
    """Returns a numeric feature's histogram of equal counts."""
    return next((found for found in feature.num_stats.histograms if found.type == Histogram.QUANTILES), Histogram())


class QuantileCounts:
    """Counts numbers between the quantiles of other Statistics, in the pass that computes their own."""

    def __init__(self, reference: Statistics) -> None:
        known = {name: distribution(quantiles(feature)) for name, feature in by_name(reference).items() if is_numeric(feature)}
        self._reference = {name: found for name, found in known.items() if found}
        self._counts = {name: np.zeros(len(found.ends) + 1) for name, found in self._reference.items()}

    def add(self, rows: pa.RecordBatch) -> None:
        """Counts the values of some rows."""
        for name in self._reference.keys() & set(rows.schema.names):
            values = rows.column(rows.schema.get_field_index(name))
            while pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
                values = values.flatten()
            if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
                numbers = values.drop_null().to_numpy()
                places = np.searchsorted(self._reference[name].ends, numbers[~np.isnan(numbers)])
                self._counts[name] += np.bincount(places, minlength=len(self._counts[name]))

    def counts(self) -> dict[str, list[float]]:
        """Returns the counts of each feature as a JSON value."""
        return {name: each.tolist() for name, each in self._counts.items()}

    def add_counts(self, counts: dict[str, list[float]]) -> None:
        """Adds what `counts` returned elsewhere for other rows."""
        for name, each in counts.items():
            self._counts[name] += each

    def distance(self, name: str) -> float | None:
        """Returns how far a feature's values lie from the other Statistics; None if that is unknown."""
        total = self._counts[name].sum() if name in self._counts else 0
        return self._reference[name].distance(np.cumsum(self._counts[name])[:-1] / total) if total else None

    def divergence(self, name: str) -> float | None:
        """Returns the Jensen-Shannon divergence between a feature's quantiles in the other Statistics, in bits; None if it is unknown.

        The bins end at the quantiles, where the other distribution is known exactly, so that no single value changes all of them.
        """
        if name not in self._counts or not self._counts[name].any():
            return None
        through = self._reference[name].least[1::2]
        ours = np.add.reduceat(self._counts[name], np.arange(0, len(self._counts[name]), 2))
        return jensen_shannon(np.diff(through, prepend=0.0, append=1.0), ours)
