"""Distributions of answers: counts that add up, in any order, over any range."""

import json

import numpy as np
import pytest

from penstock.components.evidence.scores import Distribution, Scores

NUMBERS = np.concatenate([np.random.default_rng(7).normal(0, 10.0**power, 1000) for power in (-30, -3, 0, 3, 30)])


def counted(*batches):
    found = Distribution()
    for batch in batches:
        found.add(batch)
    return found


def test_parts_add_up_to_the_whole_in_any_order():
    whole = counted(NUMBERS)
    parts = [Scores(output=counted(part)).as_json() for part in np.array_split(NUMBERS[::-1], 7)]
    found = Scores.sum(json.loads(json.dumps(parts)))["output"]
    assert (found.counts == whole.counts).all()
    assert found.rows == len(NUMBERS)
    assert found.mean == pytest.approx(NUMBERS.mean())


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.99])
def test_quantiles_are_close_whatever_the_range(share):
    assert counted(NUMBERS).quantile(share) == pytest.approx(np.quantile(NUMBERS, share, method="inverted_cdf"), rel=0.02, abs=1e-30)


def test_a_histogram_is_that_of_the_numbers():
    numbers = np.random.default_rng(7).beta(2, 5, 100_000).astype(np.float32)
    ends = np.linspace(0, 1, 21)
    exact = np.histogram(numbers, ends)[0]
    np.testing.assert_allclose(counted(numbers).histogram(ends), exact, atol=0.01 * len(numbers))
    assert counted(numbers, numbers + 5, numbers - 5).histogram(ends).sum() == 300_000


def test_what_is_no_number_is_not_counted():
    found = counted(np.array([np.nan, np.inf, -np.inf, 1e300, -0.0, 0.0, 1.0]))
    assert (found.rows, found.mean) == (3, 1 / 3)
    assert found.quantile(0.5) == 0.0
    assert counted(np.array([])).mean is None


def test_only_outputs_of_one_number_for_each_row_are_counted():
    scores = Scores()
    scores.add({"one": np.ones((3, 1), np.float32), "two": np.ones((3, 2)), "text": np.array([b"a"] * 3), "whole": np.ones(3, np.int64)})
    assert list(scores) == ["one"]
