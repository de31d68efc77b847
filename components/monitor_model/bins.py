"""Counting a feature's values: in bins that the reference gives, the same for every sample that is compared with it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Numbers are counted between so many quantiles of the reference, which are taken from a sample of it.
_QUANTILES = 500
# The sample has at least so many of the numbers: enough for quantiles to 0.003, and little for any memory.
_SAMPLED = 1 << 17
# Categories beyond these, the rarest, are counted as one.
_MOST_CATEGORIES = 10_000


@dataclass
class Counts:
    """What one sample of a feature has.

    Attributes:
        bins: The values in each bin.
        rows: The rows.
        missing: The rows without a value.
        invalid: The values that the Schema does not allow.
        total: The sum of the numbers.
        squares: The sum of their squares.
        least: The least number.
        most: The greatest one.
    """

    bins: np.ndarray
    rows: int = 0
    missing: int = 0
    invalid: int = 0
    total: float = 0.0
    squares: float = 0.0
    least: float = np.inf
    most: float = -np.inf

    @property
    def values(self) -> int:
        """The number of values."""
        return int(self.bins.sum())

    @property
    def mean(self) -> float | None:
        """The numbers' mean."""
        return self.total / self.values if self.values else None

    @property
    def deviation(self) -> float:
        """The numbers' standard deviation."""
        return float(np.sqrt(max(0.0, self.squares / self.values - (self.total / self.values) ** 2))) if self.values else 0.0

    def add(self, other: "Counts") -> None:
        """Adds another sample of the same feature."""
        self.bins = self.bins + other.bins
        self.rows, self.missing, self.invalid = self.rows + other.rows, self.missing + other.missing, self.invalid + other.invalid
        self.total, self.squares = self.total + other.total, self.squares + other.squares
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)


class Sample:
    """Some of the numbers that it is given, evenly: every one, or every second, or every fourth."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._stride, self._size = 1, 0

    def add(self, numbers: np.ndarray) -> None:
        """Takes some of these."""
        self._parts.append(numbers[:: self._stride].copy())  # a view would keep all of them
        self._size += len(self._parts[-1])
        if self._size > 2 * _SAMPLED:
            self._parts = [self.values[::2].copy()]
            self._stride, self._size = 2 * self._stride, len(self._parts[0])

    @property
    def values(self) -> np.ndarray:
        """The numbers that were taken."""
        return np.concatenate(self._parts) if self._parts else np.empty(0)


@dataclass(frozen=True)
class NumberBins:
    """Bins of numbers: up to each end, and beyond the last one.

    Attributes:
        ends: The ends, ascending. Each quantile has a bin of its own, for many rows may share it.
        low: The least number that the Schema allows.
        high: The greatest one.
    """

    ends: np.ndarray
    low: float = -np.inf
    high: float = np.inf
    is_number: bool = field(default=True, init=False)

    @classmethod
    def of_sample(cls, sample: np.ndarray, low: float = -np.inf, high: float = np.inf) -> "NumberBins":
        """Makes the bins of a sample of the reference."""
        if not len(sample):
            return cls(np.array([0.0]), low, high)
        places = np.ceil(np.linspace(0, 1, _QUANTILES + 1) * len(sample) - 1).clip(min=0).astype(int)
        quantiles = np.unique(np.sort(sample)[places])
        return cls(np.unique(np.concatenate([np.nextafter(quantiles, -np.inf), quantiles])), low, high)

    def empty(self) -> Counts:
        """Returns the counts of no rows."""
        return Counts(np.zeros(len(self.ends) + 1))

    def count(self, column: pa.Array) -> Counts:
        """Counts a column. What is not a number is missing; text that is a number counts as one."""
        numbers = np.sort(numbers_of(column))
        places = np.searchsorted(numbers, self.ends, side="right")
        bins = np.diff(np.concatenate([[0], places, [len(numbers)]])).astype(float)
        counts = Counts(bins, len(column), rows_without(column), self._invalid(column, numbers))
        if len(numbers):
            finite = numbers[np.isfinite(numbers)]
            counts.total, counts.squares = float(finite.sum()), float(np.square(finite).sum())
            counts.least, counts.most = (float(finite[0]), float(finite[-1])) if len(finite) else (np.inf, -np.inf)
        return counts

    def _invalid(self, column: pa.Array, numbers: np.ndarray) -> int:
        outside = int(np.searchsorted(numbers, self.low, side="left") + len(numbers) - np.searchsorted(numbers, self.high, side="right"))
        return outside + (_not_numbers(column) if pa.types.is_string(_values(column).type) else 0)


@dataclass(frozen=True)
class CategoryBins:
    """A bin for each category of the reference, the most frequent first, and one for all others.

    Attributes:
        categories: The categories.
        is_complete: Whether the reference has no others.
        domain: The categories that the Schema allows; None: all.
    """

    categories: pa.Array
    is_complete: bool = True
    domain: pa.Array | None = None
    is_number: bool = field(default=False, init=False)

    @classmethod
    def of_counts(cls, counted: Counter, domain: list[str] | None) -> "CategoryBins":
        """Makes the bins of the reference's categories."""
        names = [name for name, _ in sorted(counted.items(), key=lambda found: (-found[1], found[0]))]
        kept = pa.array(names[:_MOST_CATEGORIES], pa.string())
        return cls(kept, len(names) <= _MOST_CATEGORIES, None if domain is None else pa.array(domain, pa.string()))

    def empty(self) -> Counts:
        """Returns the counts of no rows."""
        return Counts(np.zeros(len(self.categories) + 1))

    def count(self, column: pa.Array) -> Counts:
        """Counts a column."""
        values = texts_of(column)
        places = pc.fill_null(pc.index_in(values, self.categories), len(self.categories)).to_numpy(zero_copy_only=False)
        bins = np.bincount(places, minlength=len(self.categories) + 1).astype(float)
        invalid = 0 if self.domain is None else len(values) - int(pc.sum(pc.is_in(values, self.domain)).as_py() or 0)
        return Counts(bins, len(column), rows_without(column), invalid)


Bins = NumberBins | CategoryBins


def numbers_of(column: pa.Array) -> np.ndarray:
    """Returns a column's numbers, without NaN."""
    values = _values(column)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pa.array([_number(text) for text in values.to_pylist()], pa.float64()).drop_null()
    elif pa.types.is_null(values.type):
        return np.empty(0)
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers[~np.isnan(numbers)]


def texts_of(column: pa.Array) -> pa.Array:
    """Returns a column's values as text: whole numbers as people write them."""
    values = _values(column)
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        is_whole = bool(len(numbers)) and bool(np.all(np.isfinite(numbers))) and bool(np.all(numbers == np.floor(numbers)))
        values = pa.array(numbers.astype(np.int64)) if is_whole else values
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return pa.array([value.decode(errors="replace") for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def rows_without(column: pa.Array) -> int:
    """Returns how many rows have no value: nothing, an empty list, or NaN."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return len(column) - int(pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)
    missing = int(column.null_count)
    if pa.types.is_floating(column.type):
        missing += int(pc.sum(pc.is_nan(column)).as_py() or 0)
    return missing


def _values(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    return column.drop_null()


def _not_numbers(column: pa.Array) -> int:
    return sum(_number(text) is None for text in _values(column).to_pylist())


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
