"""Rows that are there more than once: within a Split, and in another one too."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.components.data.hashing import hash_rows


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


def hashes_of(rows: pa.RecordBatch) -> np.ndarray:
    """Hashes each row; the order of the columns does not count."""
    names = sorted(rows.schema.names)
    return hash_rows(pa.RecordBatch.from_arrays([rows.column(rows.schema.get_field_index(name)) for name in names], names))


class RowHashes:
    """Hashes each row, in the pass that computes the Statistics: eight bytes a row are kept."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, rows: pa.RecordBatch) -> None:
        """Hashes some rows."""
        self.add_hashes(hashes_of(rows))

    def add_hashes(self, hashes: np.ndarray) -> None:
        """Takes the hashes of some rows."""
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
