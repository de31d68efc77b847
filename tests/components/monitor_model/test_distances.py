"""Distances whose values are known in closed form, and what chance gives."""

import tracemalloc
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest

from penstock.components.evidence import distances
from penstock.components.monitor_model.bins import CategoryBins, NumberBins, Sample
from penstock.components.monitor_model.config import KOLMOGOROV_SMIRNOV, POPULATION_STABILITY, WASSERSTEIN, Limit, MonitoringConfig
from penstock.components.monitor_model.drift import DRIFTED, SAME, compare

NORMAL = NormalDist()


def compared(reference, window, limit=None, name="x"):
    bins = NumberBins.of_sample(reference)
    config = MonitoringConfig(features={name: limit} if limit else {})
    return compare(name, bins, *(bins.count(pa.array(values)) for values in (reference, window)), config)


def even(rows, shift=0.0, scale=1.0):
    """Returns a normal distribution's quantiles: a sample without chance."""
    return shift + scale * np.array([NORMAL.inv_cdf((row + 0.5) / rows) for row in range(rows)])


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0])
def test_a_shifted_normal_distribution(shift):
    measures = compared(even(40_000), even(40_000, shift))["measures"]
    assert measures[KOLMOGOROV_SMIRNOV]["value"] == pytest.approx(2 * NORMAL.cdf(shift / 2) - 1, abs=2e-3)
    assert measures[WASSERSTEIN]["value"] == pytest.approx(shift, rel=0.02)
    ends = [-np.inf, *(NORMAL.inv_cdf(k / 10) for k in range(1, 10)), np.inf]
    p = np.full(10, 0.1)
    q = np.diff([NORMAL.cdf(end - shift) for end in ends])
    expected = float(np.sum((q - p) * np.log(q / p))) - 9 * 2 / 40_000
    assert measures[POPULATION_STABILITY]["value"] == pytest.approx(expected, rel=0.05)


def test_a_scaled_uniform_distribution():
    """Of U(0, 1) and U(0, 2) the distance of the distribution functions is a half, and their area a half."""
    low, high = np.linspace(0, 1, 20_001), np.linspace(0, 2, 20_001)
    measures = compared(low, high)["measures"]
    assert measures[KOLMOGOROV_SMIRNOV]["value"] == pytest.approx(0.5, abs=2e-3)
    assert measures[WASSERSTEIN]["value"] == pytest.approx(0.5 * np.sqrt(12), rel=0.01)


def test_two_coins():
    """For shares p and q of one value everything is known."""
    p, q = 0.5, 0.8
    reference, counts = np.array([500_000.0, 500_000.0]), np.array([800_000.0, 200_000.0])
    assert distances.infinity_norm(reference, counts) == pytest.approx(q - p)
    assert distances.kolmogorov_smirnov(reference, counts) == pytest.approx(q - p)
    psi = (q - p) * np.log(q / p) + (p - q) * np.log((1 - q) / (1 - p)) - 2e-6
    assert distances.population_stability(reference, counts) == pytest.approx(psi, rel=1e-9)

    def entropy(x):
        return -(x * np.log2(x) + (1 - x) * np.log2(1 - x))

    assert distances.jensen_shannon(reference, counts) == pytest.approx(entropy(0.65) - (entropy(p) + entropy(q)) / 2, rel=1e-9)
    assert distances.jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_an_empty_bin_counts_as_half_a_row():
    p, q = np.array([99.5, 0.5]) / 100, np.array([50.0, 50.0]) / 100
    expected = float(np.sum((q - p) * np.log(q / p))) - (1 / 99.5 + 1 / 100)
    assert distances.population_stability(np.array([99.5, 0.0]), np.array([50.0, 50.0])) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rows", [100, 1_000, 100_000])
def test_no_drift_gives_no_alarm(rows):
    """In 99 of 100 seeds, over features of every kind and by every measure."""
    kinds = [
        lambda random, n: random.normal(size=n),
        lambda random, n: random.exponential(size=n),
        lambda random, n: np.where(random.random(n) < 0.6, 0.0, random.lognormal(size=n)),
        lambda random, n: random.integers(1, 13, n).astype(float),
    ]
    random = np.random.default_rng(7)
    bins = [NumberBins.of_sample(kind(random, 50_000)) for kind in kinds]
    references = [each.count(pa.array(kind(random, 50_000))) for each, kind in zip(bins, kinds, strict=True)]
    names = random.choice(list("abcdefghij"), 50_000, p=np.arange(10, 0, -1) / 55)
    categories = CategoryBins.of_counts(dict(zip(*np.unique(names, return_counts=True), strict=True)), None)
    texts = categories.count(pa.array(names))
    alarms = set()
    for seed in range(100):
        random = np.random.default_rng(seed)
        for each, reference, kind in zip(bins, references, kinds, strict=True):
            window = each.count(pa.array(kind(random, rows)))
            for measure in (KOLMOGOROV_SMIRNOV, POPULATION_STABILITY, WASSERSTEIN):
                config = MonitoringConfig(numbers=Limit(measure, 0.0))
                alarms |= {seed} if compare("x", each, reference, window, config)["status"] == DRIFTED else set()
        window = categories.count(pa.array(random.choice(list("abcdefghij"), rows, p=np.arange(10, 0, -1) / 55)))
        for measure in ("infinity_norm", "jensen_shannon_divergence", POPULATION_STABILITY):
            config = MonitoringConfig(categories=Limit(measure, 0.0))
            alarms |= {seed} if compare("x", categories, texts, window, config)["status"] == DRIFTED else set()
    assert len(alarms) <= 1


def test_a_tenth_of_a_standard_deviation_in_one_of_twenty_features_is_found():
    found = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        reference, window = random.normal(size=(20, 100_000)), random.normal(size=(20, 10_000))
        window[7] += 0.1
        statuses = [compared(ours, theirs)["status"] for ours, theirs in zip(reference, window, strict=True)]
        found.append([place for place, status in enumerate(statuses) if status == DRIFTED])
    assert sum(places == [7] for places in found) >= 19


def test_a_value_that_most_rows_share():
    """A quantile that many rows have is a bin of its own; were it one with its neighbors, a move to just below it would not be seen."""
    random = np.random.default_rng(1)
    zeros = np.where(random.random(20_000) < 0.6, 0.0, random.normal(size=20_000))
    assert compared(zeros, zeros[::-1])["status"] == SAME
    assert compared(zeros, np.where(zeros == 0, -1e-9, zeros))["value"] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("values", [np.full(5_000, 7.0), np.array([0.0, 1.0] * 2_500)])
def test_constants_and_labels(values):
    assert compared(values, values)["status"] == SAME
    assert compared(values, values + 1)["status"] == DRIFTED


def test_infinite_and_missing_values():
    numbers = np.random.default_rng(1).normal(size=5_000)
    assert compared(numbers, np.where(np.arange(5_000) % 10 == 0, np.inf, numbers))["status"] == DRIFTED
    missing = compared(numbers, np.where(np.arange(5_000) % 10 == 0, np.nan, numbers))
    assert missing["status"] == DRIFTED
    assert missing["missing"] == pytest.approx(0.1)
    assert compared(numbers, np.full(5_000, np.nan))["status"] == DRIFTED


def test_a_sample_of_a_long_reference_takes_no_more_memory_than_its_numbers():
    sample = Sample()
    tracemalloc.start()
    for start in range(0, 4_000_000, 16_384):
        sample.add(np.arange(start, start + 16_384, dtype=float))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 131_072 <= len(sample.values) <= 262_144
    assert taken < 1.1 * sample.values.nbytes
