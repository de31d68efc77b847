"""The served values of a feature, beside its point-in-time values."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.evidence.answers import is_close, to_json
from penstock.components.evidence.logs.logged_rows import LoggedRows

# A float64, as which the log's whole numbers are read, holds every one below it.
_EXACT = 2.0**53


class Served:
    """The values of a feature in one batch.

    Args:
        name: The feature.
        parts: The batch, in parts whose columns may differ in their types.
        known: The point-in-time values [rows].
        compared: Which rows are compared, bool [rows].
        tolerance: See `different`.

    Attributes:
        name: The feature.
        differs: Which rows are compared and differ, bool [rows].
    """

    def __init__(self, name: str, parts: list[LoggedRows], known: pa.Array, compared: np.ndarray, tolerance: float) -> None:
        self.name, self._known = name, known
        self._parts = [column_of(rows, name) for rows in parts]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        theirs = (known.slice(start, len(part)) for start, part in zip(self._starts, self._parts, strict=False))
        self.differs = compared & np.concatenate([different(*pair, tolerance) for pair in zip(self._parts, theirs, strict=True)])

    def plain(self) -> np.ndarray | None:
        """Returns the values as float64 or texts, with NaN and None for what is not one; None for other types."""
        if pt.is_string(self._known.type):
            return np.concatenate(
                [part.to_numpy(zero_copy_only=False) if pt.is_string(part.type) else _blank(part) for part in self._parts]
            )
        if pt.is_integer(self._known.type) or pt.is_floating(self._known.type):
            return np.concatenate([_numbers(part) if pt.is_floating(part.type) else _blank(part, float) for part in self._parts])
        return None

    def is_null(self) -> np.ndarray:
        """Tells which values are null, bool [rows]."""
        return np.concatenate([part.is_null().to_numpy(zero_copy_only=False) for part in self._parts])

    def pair(self, row: int) -> tuple[Any, Any]:
        """Returns the served value and the point-in-time value of a row."""
        part = int(np.searchsorted(self._starts, row, "right")) - 1
        return self._parts[part][row - self._starts[part]].as_py(), self._known[row].as_py()


def column_of(rows: LoggedRows, name: str) -> pa.Array:
    """Returns a column of the log; nulls where no row has it."""
    return rows.features.column(name) if name in rows.features.schema.names else pa.nulls(len(rows))


def as_key(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Returns a column of the log as the key of an entity; null where it is none, or no number that the log's form holds exactly."""
    if pt.is_integer(kind) and pt.is_floating(values.type):
        numbers = _numbers(values)
        is_exact = (numbers == np.round(numbers)) & (np.abs(numbers) < _EXACT)
        return pa.array(np.where(is_exact, numbers, 0).astype(np.int64), kind, mask=~is_exact)
    return values.cast(kind) if values.type == kind or pt.is_null(values.type) else pa.nulls(len(values), kind)


def different(served: pa.Array, known: pa.Array, tolerance: float) -> np.ndarray:
    """Tells which values differ. Null equals null, and a number that is not one, which JSON does not have.

    Args:
        served: The values in the log, as they were read [rows].
        known: The point-in-time values, of the feature's type [rows].
        tolerance: How far apart two numbers may be, as a share of the point-in-time value. Whole numbers must be equal.

    Returns:
        bool [rows].
    """
    if pt.is_null(served.type):
        return ~known.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
    if pt.is_floating(served.type) and (pt.is_integer(known.type) or pt.is_floating(known.type)):
        share = tolerance if pt.is_floating(known.type) else 0.0
        return ~np.isclose(_numbers(served), _numbers(known), rtol=share, atol=0.0, equal_nan=True)
    if pt.is_string(served.type) and pt.is_string(known.type):
        unequal = pc.fill_null(pc.not_equal(served, known), pc.xor(served.is_null(), known.is_null()))
        return unequal.to_numpy(zero_copy_only=False)
    pairs = zip(served.to_pylist(), known.to_pylist(), strict=True)
    return np.array([not is_close(left, _as_logged(right), tolerance) for left, right in pairs], bool)


def _numbers(values: pa.Array) -> np.ndarray:
    """Returns numbers as float64, with NaN for null."""
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _blank(values: pa.Array, kind: type = object) -> np.ndarray:
    return np.full(len(values), np.nan if kind is float else None, kind)


def _as_logged(value: Any) -> Any:
    """Returns a value as the log has it: whole numbers are floats there, and bytes that are not text their base64."""
    if isinstance(value, list):
        return [_as_logged(each) for each in value]
    if isinstance(value, int):
        return float(value)
    logged = to_json(value)
    return logged["b64"] if isinstance(logged, dict) else logged
