"""Rows that are there more than once: within a Split, and in another one too."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

_NULL = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(32)


@dataclass(frozen=True)
class Repeats:
    """How many rows of a Split are there more than once.

    Attributes:
        rows: All rows.
        repeated: The rows that equal an earlier one of the Split.
        elsewhere: The rows that equal one of another Split.
    """

    rows: int
    repeated: int
    elsewhere: int


class RowHashes:
    """Hashes each row, in the pass that computes the Statistics: eight bytes a row are kept."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, rows: pa.RecordBatch) -> None:
        """Hashes some rows."""
        hashes = np.zeros(rows.num_rows, np.uint64)
        for name in sorted(rows.schema.names):
            hashes = _mix(hashes ^ _hash(rows.column(rows.schema.get_field_index(name))))
        self._parts.append(hashes)

    def sorted(self) -> np.ndarray:
        """Returns all hashes in order."""
        return np.sort(np.concatenate(self._parts)) if self._parts else np.empty(0, np.uint64)


def count_repeats(hashes: dict[str, RowHashes]) -> dict[str, Repeats]:
    """Counts the rows of each Split that are there more than once."""
    found = {split: rows.sorted() for split, rows in hashes.items()}
    distinct = {split: np.unique(rows) for split, rows in found.items()}

    def elsewhere(split: str) -> int:
        others = [rows for other, rows in distinct.items() if other != split]
        return int(np.isin(found[split], np.concatenate(others)).sum()) if others else 0

    return {split: Repeats(len(rows), len(rows) - len(distinct[split]), elsewhere(split)) for split, rows in found.items()}


def _mix(hashes: np.ndarray) -> np.ndarray:
    hashes = hashes * _FACTOR
    return hashes ^ (hashes >> _SHIFT)


def _hash(column: pa.Array) -> np.ndarray:
    """Hashes each value of a column of any type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _hash(column.dictionary_decode())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        hashes = _hash_lists(column)
    elif pa.types.is_struct(kind):
        hashes = np.zeros(len(column), np.uint64)
        for field in column.flatten():
            hashes = _mix(hashes ^ _hash(field))
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind):
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        whole = numbers.astype(np.float64).view(np.uint64) if pa.types.is_floating(kind) else numbers.astype(np.int64).view(np.uint64)
        hashes = _mix(whole)
    else:
        hashes = _hash_distinct(column)
    return np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, hashes) if column.null_count else hashes


def _hash_distinct(column: pa.Array) -> np.ndarray:
    """Hashes each of a batch's distinct values once."""
    encoded = column.dictionary_encode()
    values = np.array([repr(value) for value in encoded.dictionary.to_pylist()], dtype=object)
    if not len(values):
        return np.full(len(column), _NULL)
    return pd.util.hash_array(values, categorize=False)[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)]


def _hash_lists(column: pa.Array) -> np.ndarray:
    """Hashes lists by their values, each with its place."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    sums = np.append(np.uint64(0), np.cumsum(_mix(_hash(column.flatten()) + places.astype(np.uint64))))
    return _mix(sums[ends] - sums[ends - lengths] + lengths.astype(np.uint64))
