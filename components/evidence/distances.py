"""How far two samples of one feature lie from each other, and how far they would by chance.

Everything is computed from counts: of values between ordered ends, or of categories.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

# Of ten thousand comparisons of two samples of one distribution, one says that they differ.
CHANCE = 1e-4
_CRITICAL = math.sqrt(math.log(2 / CHANCE) / 2)
# What an empty bin counts as in the population stability index, whose logarithm has no zero.
EMPTY_BIN = 0.5


def sampling_limit(rows: int, other_rows: int) -> float:
    """Returns what two samples of one distribution differ by, at most, in all but one of ten thousand comparisons.

    The Kolmogorov-Smirnov statistic of samples of n and m rows exceeds sqrt(ln(2 / a) / 2) * sqrt(1 / n + 1 / m) with a
    probability of a (Smirnov 1948; Massart 1990 for the constant, Wei and Dudley 2012 for two samples). The greatest difference
    between the shares of one category stays below the same limit: it is largest for two equal categories, where it is that statistic.
    """
    return min(1.0, _CRITICAL * math.sqrt(1 / rows + 1 / other_rows)) if rows and other_rows else 1.0


@dataclass(frozen=True)
class Distribution:
    """A distribution function F at a few places.

    Counts of values tell it exactly. TFDV's QUANTILES histogram has the exact number of values up to each end of a bucket (to 0.0003 for a
    million rows), however many values are equal; below a value that many rows share, F is only known to lie between two numbers.

    Attributes:
        ends: The places, ascending.
        least: The least that F can be at each.
        most: The most that it can be.
    """

    ends: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def distance(self, shares: np.ndarray) -> float:
        """Returns the greatest distance between F and another distribution function at the same places.

        It is the Kolmogorov-Smirnov statistic, which is zero where what is known of F leaves room for the other to be the same.

        Args:
            shares: The other's values, at `ends`.
        """
        return float(np.max([shares - self.most, self.least - shares, np.zeros_like(shares)]))


def kolmogorov_smirnov(reference: np.ndarray, counts: np.ndarray) -> float:
    """Returns the greatest distance of two distribution functions, at the ends of the bins.

    Args:
        reference: The reference's counts, in bins in order.
        counts: The others', in the same bins.
    """
    theirs = np.cumsum(reference)[:-1] / reference.sum()
    return Distribution(theirs, theirs, theirs).distance(np.cumsum(counts)[:-1] / counts.sum()) if len(counts) > 1 else 0.0


def infinity_norm(reference: np.ndarray, counts: np.ndarray) -> float:
    """Returns the greatest difference of a bin's shares."""
    return float(np.max(np.abs(reference / reference.sum() - counts / counts.sum())))


def jensen_shannon(reference: np.ndarray, counts: np.ndarray) -> float:
    """Returns the Jensen-Shannon divergence, in bits: between 0 and 1."""
    p, q = reference / reference.sum(), counts / counts.sum()
    middle = (p + q) / 2
    return max(0.0, (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2)


def population_stability(reference: np.ndarray, counts: np.ndarray) -> float:
    """Returns the population stability index, less what it is expected to be without any drift.

    It is the sum of (p - q) ln(p / q). Two samples of n and N rows of one distribution have one of about (B - 1)(1 / n + 1 / N) in B bins
    (Yurdakul 2018), which says more of their sizes than of them. An empty bin counts as half a row.
    """
    p, q = np.maximum(reference, EMPTY_BIN), np.maximum(counts, EMPTY_BIN)
    p, q = p / p.sum(), q / q.sum()
    expected = (len(counts) - 1) * (1 / reference.sum() + 1 / counts.sum())
    return float(np.sum((p - q) * np.log(p / q)) - expected)


def wasserstein(reference: np.ndarray, counts: np.ndarray, places: np.ndarray) -> float:
    """Returns the area between two distribution functions, in the feature's own unit.

    Args:
        reference: The reference's counts, in bins in order.
        counts: The others'.
        places: Where each bin begins, and where the last one ends. Within a bin the values are taken to be spread evenly.
    """
    apart = np.concatenate([[0.0], np.cumsum(reference) / reference.sum() - np.cumsum(counts) / counts.sum()])
    left, right, widths = apart[:-1], apart[1:], np.diff(places)
    crossing = left * right < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = (left**2 + right**2) / (2 * (np.abs(left) + np.abs(right)))
    return float(np.sum(np.where(crossing, crossed, (np.abs(left) + np.abs(right)) / 2) * widths))


def divergence_limit(bins: int, rows: int, other_rows: int) -> float:
    """Returns what the population stability index of two samples of one distribution is, at most, in all but one of ten thousand comparisons.

    Before the expectation is taken off it is (1 / n + 1 / N) times a chi-squared variable of B - 1 degrees of freedom, whose quantile
    is Wilson and Hilferty's (1931).
    """
    degrees = bins - 1
    if degrees < 1 or not (rows and other_rows):
        return 0.0
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + NormalDist().inv_cdf(1 - CHANCE) * math.sqrt(spread)) ** 3
    return (quantile - degrees) * (1 / rows + 1 / other_rows)


def divergence_limit_in_bits(bins: int, rows: int, other_rows: int) -> float:
    """Returns the same for the Jensen-Shannon divergence, an eighth of the population stability index where both are small."""
    expected = (bins - 1) * (1 / rows + 1 / other_rows)
    return (divergence_limit(bins, rows, other_rows) + expected) / (8 * math.log(2))


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> float:
    has = p > 0
    return float(np.sum(p[has] * np.log2(p[has] / q[has])))
