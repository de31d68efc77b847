"""Rows that are there more than once: within a Split, and in another one too."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.components.data.hashing import hash_rows

_AT_ONCE = 1 << 16


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
        """Returns all hashes in order, and keeps none."""
        hashes = np.concatenate([np.empty(0, np.uint64), *self._parts])
        self._parts.clear()
        hashes.sort()
        return hashes


def count_repeats(hashes: dict[str, RowHashes]) -> dict[str, Repeats]:
    """Counts the rows of each Split that are there more than once, in hardly more memory than their hashes take."""
    found = {split: rows.sorted() for split, rows in hashes.items()}

    def elsewhere(split: str) -> int:
        others = [rows for other, rows in found.items() if other != split and len(rows)]
        pieces = (found[split][start : start + _AT_ONCE] for start in range(0, len(found[split]), _AT_ONCE))
        return sum(int(np.any([_among(piece, rows) for rows in others], axis=0).sum()) for piece in pieces) if others else 0

    return {split: Repeats(len(rows), int((rows[1:] == rows[:-1]).sum()), elsewhere(split)) for split, rows in found.items()}


def _among(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tells which hashes are among others, which are in order."""
    return others[np.searchsorted(others[:-1], hashes)] == hashes
