"""Assigns rows to Splits."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.data.hashing import hash_rows
from penstock.components.data.times import moment
from penstock.components.protocol import TaskError

Assign = Callable[[pa.RecordBatch], np.ndarray]
"""Takes a batch of canonical columns; returns, for each row, the index of its Split in the sorted names, or -1 for none."""


def make_assign(split_by: str, split_key: str, splits: dict[str, Any], schema: pa.Schema) -> Assign:
    """Prepares the assignment of rows to Splits.

    Args:
        split_by: `ratio`, `hash`, `column`, `time` or `pattern`.
        split_key: The column that decides, but for `ratio`.
        splits: By Split name: shares, lists of values, or `[start, end]`. The order of the names does not matter: backends sort
            them as they like.
        schema: The canonical schema of the batches.

    Raises:
        TaskError: These do not go together, or there is no such column.
    """
    if split_by == "pattern":
        return lambda batch: np.zeros(batch.num_rows, np.int64)  # its files say all
    if split_by == "ratio":
        return _by_share(splits, hash_rows)
    if not split_key:
        raise TaskError(f"split_by is {split_by} but split_key is empty; name the column that determines the Split")
    if split_key not in schema.names:
        raise TaskError(
            f"split_key {split_key!r} is not a column of the data, which has: {', '.join(schema.names)[:300]}; name one of them"
        )
    if split_by == "hash":
        return _by_share(splits, lambda batch: hash_rows(batch.select([split_key])))
    return (_by_value if split_by == "column" else _by_time)(splits, schema.field(split_key))


def check_splits(split_by: str, splits: dict[str, Any]) -> None:
    """Checks that there are Splits, and that folders can have their names.

    Raises:
        TaskError: Not so, or there is no such `split_by`.
    """
    if split_by not in ("ratio", "hash", "column", "time", "pattern"):
        raise TaskError(f"split_by is {split_by!r}; give ratio, hash, column, time or pattern")
    if not splits:
        raise TaskError('splits is empty; name at least one Split, such as {"train": 2, "eval": 1}')
    if bad := [name for name in splits if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)]:
        raise TaskError(f"splits has the name {bad[0]!r}; use letters, digits, _, - and .")
    if split_by == "pattern" and (
        bad := [pattern for pattern in splits.values() if not isinstance(pattern, str) or not pattern.strip("/")]
    ):
        raise TaskError(
            'splits must give each Split a pattern below input_uri if split_by is pattern, such as {"train": "train/*", "eval": "eval/*"},'
            f" not {bad[0]!r}"
        )


def _by_share(splits: dict[str, Any], hash_of: Callable[[pa.RecordBatch], np.ndarray]) -> Assign:
    shares = [splits[name] for name in sorted(splits)]
    if any(isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < float("inf") for share in shares):
        raise TaskError('splits must give each Split a share above 0 if split_by is ratio or hash, such as {"train": 2, "eval": 1}')
    bounds = np.cumsum(shares)[:-1] / sum(shares)

    def assign(batch: pa.RecordBatch) -> np.ndarray:
        places = (hash_of(batch) >> np.uint64(11)) * 2.0**-53
        return np.searchsorted(bounds, places, side="right")

    return assign


def _by_value(splits: dict[str, Any], key: pa.Field) -> Assign:
    names = sorted(splits)
    owners: dict[Any, int] = {}
    for index, name in enumerate(names):
        values = splits[name]
        if not isinstance(values, list) or not values or not all(isinstance(value, (str, int, float)) for value in values):
            raise TaskError(f"splits must give Split {name!r} a list of values of {key.name!r} if split_by is column, not {values!r}")
        for value in values:
            if owners.setdefault(value, index) != index:
                raise TaskError(
                    f"splits gives the value {value!r} of {key.name!r} to both {names[owners[value]]!r} and {name!r}; keep it in one of "
                    "them"
                )
    try:
        if pt.is_string(key.type) != all(isinstance(value, str) for value in owners):
            raise TypeError
        known = pa.array(list(owners)).cast(key.type)
    except (pa.ArrowException, TypeError):
        raise TaskError(f"splits has values that do not fit column {key.name!r} of type {key.type}; give values of that type") from None
    indices = np.append(list(owners.values()), -1)

    def assign(batch: pa.RecordBatch) -> np.ndarray:
        places = pc.fill_null(pc.index_in(batch.column(key.name), value_set=known), len(owners))
        return indices[places.to_numpy(zero_copy_only=False)]

    return assign


def _by_time(splits: dict[str, Any], key: pa.Field) -> Assign:
    names = sorted(splits)
    ranges = [(*_range(name, splits[name]), index) for index, name in enumerate(names)]
    for (_, end, one), (start, _, other) in zip(sorted(ranges), sorted(ranges)[1:], strict=False):
        if start < end:
            raise TaskError(f"the times of Splits {names[one]!r} and {names[other]!r} overlap; let one end where the other starts")
    if not (pt.is_int64(key.type) or pt.is_string(key.type)):
        raise TaskError(
            f"split_key {key.name!r} contains {key.type}, not times; name a column of dates, timestamps, Unix seconds or ISO 8601 text"
        )

    def assign(batch: pa.RecordBatch) -> np.ndarray:
        seconds = _seconds(batch.column(key.name), key.name)
        known, values = seconds.is_valid().to_numpy(zero_copy_only=False), pc.fill_null(seconds, 0).to_numpy()
        result = np.full(len(values), -1)
        for start, end, index in ranges:
            result[known & (values >= start) & (values < end)] = index
        return result

    return assign


def _range(name: str, given: Any) -> tuple[float, float]:
    """Reads `[start, end]` as Unix seconds; times without an offset are UTC."""
    try:
        start, end = (moment(text).timestamp() for text in given)
    except (ValueError, TypeError, AttributeError):
        raise TaskError(
            f'splits must give Split {name!r} [start, end] as ISO 8601, such as ["2013-01-01", "2013-10-01"], not {given!r}'
        ) from None
    if start >= end:
        raise TaskError(f"Split {name!r} ends at {given[1]}, not after its start at {given[0]}; correct splits")
    return start, end


def _seconds(column: pa.Array, what: str) -> pa.Array:
    if pt.is_int64(column.type):
        return column
    try:
        return column.cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise TaskError(
            f"split_key {what!r} contains a text that is not an ISO 8601 time ({error}); correct it, or split by something else"
        ) from error
