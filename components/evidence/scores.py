"""How a model's answers are distributed: what evaluate_model keeps of its predictions, and what score_batch compares its own with."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penstock.components.data import stored

FILE = "scores.json"
# Of float32's bits: sign, exponent, and the first six of the fraction.
_BITS = 15
_BUCKETS, _REST, _SIGN = 1 << _BITS, np.uint32(32 - _BITS), np.uint32(1 << 31)


class Distribution:
    """Counts of numbers that begin with the same bits: 64 buckets between two powers of two, whatever the range.

    Nothing has to be known of the numbers before they are counted, and counts of parts add up to those of the whole exactly, in any
    order. A bucket has the numbers from `lows[i]` to below `lows[i + 1]`, and is at most 1.6 percent of them wide.

    Attributes:
        counts: int64 [buckets], in the order of the numbers. NaN and infinite numbers are not counted.
        total: The sum of the numbers.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(_BUCKETS, np.int64)
        self.total = 0.0

    def add(self, numbers: np.ndarray) -> None:
        """Counts numbers."""
        with np.errstate(over="ignore"):
            singles = numbers.astype(np.float32)
        finite = np.isfinite(singles)
        # Zero is added for the sake of -0.0. The bits of negative numbers are in the opposite order.
        bits = (singles[finite] + np.float32(0)).view(np.uint32)
        self.counts += np.bincount(np.where(bits & _SIGN, ~bits, bits | _SIGN) >> _REST, minlength=_BUCKETS)
        self.total += float(numbers[finite].sum(dtype=np.float64))

    def add_all(self, other: "Distribution") -> None:
        """Counts what another one has counted."""
        self.counts += other.counts
        self.total += other.total

    @property
    def rows(self) -> int:
        """How many numbers were counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        """The mean of the numbers; None if there are none."""
        return self.total / self.rows if self.rows else None

    def quantile(self, share: float) -> float:
        """Returns the low end of the bucket below which less than a share of the numbers is."""
        return float(_LOWS[np.searchsorted(np.cumsum(self.counts), share * self.rows)])

    def histogram(self, ends: np.ndarray) -> np.ndarray:
        """Counts in other bins, ascending; a bucket across an end is in the bin of its middle, what is beyond the ends in the outer bins."""
        filled = np.flatnonzero(self.counts)
        middles = np.clip((_LOWS[filled] + _LOWS[filled + 1]) / 2, ends[0], ends[-1])
        return np.histogram(middles, ends, weights=self.counts[filled])[0].astype(np.int64)

    def as_json(self) -> dict[str, Any]:
        """Describes it as a JSON value, in which empty buckets are left out."""
        filled = np.flatnonzero(self.counts)
        return {"buckets": filled.tolist(), "counts": self.counts[filled].tolist(), "total": self.total}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Distribution":
        """Returns what `as_json` described."""
        found = cls()
        found.counts[value["buckets"]] = value["counts"]
        found.total = value["total"]
        return found


def _lows() -> np.ndarray:
    keys = np.arange(_BUCKETS, dtype=np.uint32) << _REST
    with np.errstate(invalid="ignore"):  # the outer buckets are of NaN, and stay empty
        return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float32).astype(np.float64)


_LOWS = _lows()


class Scores(dict[str, Distribution]):
    """The distribution of each output of a model that is one number for each row, by the output's name."""

    def add(self, answers: Mapping[str, np.ndarray]) -> None:
        """Counts a batch's answers, [rows, ...]."""
        for name, answer in answers.items():
            if answer.dtype.kind == "f" and answer.size == len(answer):
                self.setdefault(name, Distribution()).add(answer.reshape(-1))

    def as_json(self) -> dict[str, Any]:
        """Describes them as a JSON value."""
        return {name: each.as_json() for name, each in sorted(self.items())}

    @classmethod
    def sum(cls, described: Iterable[dict[str, Any]]) -> "Scores":
        """Adds up what `as_json` described."""
        found = cls()
        for scores in described:
            for name, each in scores.items():
                found.setdefault(name, Distribution()).add_all(Distribution.from_json(each))
        return found


def write_scores(scores: Scores, evaluation: Path) -> None:
    """Writes the distribution of the candidate's predictions into an Evaluation."""
    (evaluation / FILE).write_text(stored.dump({"outputs": scores.as_json()}), encoding="utf-8")


def read_scores(evaluation: Path) -> Scores | None:
    """Returns the distribution of the candidate's predictions; None for an Evaluation of 0.1.0, which has none.

    Raises:
        TaskError: It cannot be read.
    """
    file = evaluation / FILE
    if not file.exists():
        return None
    what, remedy = f"the distribution of the predictions at {file}", "evaluate the model again"
    content = stored.load(file.read_bytes(), what, remedy)
    try:
        return Scores.sum([content["outputs"]])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise stored.Malformed(f"{what} is malformed ({type(error).__name__}: {error}); {remedy}") from error
