"""Whether keys are unique, in a pass over their columns alone, with eight bytes of memory for each row."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa

from penstock.components.data.examples import read_file
from penstock.components.protocol import TaskError, figure

from .parts import Part

_MOST_LOOKED_AT = 1000


def check_unique(parts: list[Part], keys: list[str]) -> None:
    """Checks that no two rows have the same key. Rows whose key is missing are left to the table of errors.

    Raises:
        TaskError: Two have.
    """
    figure("checking that the keys are unique")
    hashes = np.sort(np.concatenate([hashes_of(batch) for part in parts for batch in read_file(part.path, keys)]))
    require_unique(parts, keys, repeated(hashes))


def repeated(hashes: np.ndarray) -> np.ndarray:
    """Returns those of sorted hashes that are there more than once, each once, and not more than are worth looking at."""
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])[:_MOST_LOOKED_AT]


def require_unique(parts: list[Part], keys: list[str], again: np.ndarray) -> None:
    """Checks the rows whose keys have these hashes: equal hashes may be of different keys.

    Raises:
        TaskError: Two rows have the same key.
    """
    if not len(again):
        return
    found: Counter[tuple] = Counter()
    for part in parts:
        for batch in read_file(part.path, keys):
            table = _whole(batch)
            found.update(tuple(row[key] for key in keys) for row in table.filter(np.isin(_hashes(table), again)).to_pylist())
    (key, count), *_ = found.most_common(1)
    if count > 1:
        values = ", ".join(f"{name}={value!r:.60}" for name, value in zip(keys, key, strict=True))
        raise TaskError(f"the key is not unique: {count:,} rows have {values}; add a column to key_columns, or remove the rows")


def hashes_of(batch: pa.RecordBatch) -> np.ndarray:
    """Hashes the keys of the rows that have all of theirs."""
    return _hashes(_whole(batch))


def missing_keys(batch: pa.RecordBatch, keys: list[str]) -> np.ndarray:
    """Returns the rows whose key is missing, or a part of it: a bool per row."""
    return np.any([np.asarray(batch.column(key).is_null()) for key in keys], axis=0)


def _whole(batch: pa.RecordBatch) -> pa.Table:
    table = pa.Table.from_batches([batch])
    return table.filter(pa.array(~missing_keys(batch, batch.schema.names)))


def _hashes(table: pa.Table) -> np.ndarray:
    return pd.util.hash_pandas_object(table.to_pandas(), index=False).to_numpy()


def check_types(columns: pa.Schema, keys: list[str]) -> None:
    """Checks that keys are numbers or texts.

    Raises:
        TaskError: None is named, or one is a list.
    """
    if not keys:
        raise TaskError("key_columns is empty; name the columns that identify a row")
    for key in keys:
        if pa.types.is_nested(columns.field(key).type):
            raise TaskError(f"key_columns names {key!r}, which is a list; name columns of numbers or texts")
