"""A hash of values that stays the same from run to run and from machine to machine.

Numbers are hashed by their bits (64-bit finalizer), texts by SipHash-2-4 with a fixed key, both as pandas' `hash_array` has them.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_NULL = np.uint64(0x9AE16A3B2F90404F)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio


def hash_rows(batch: pa.RecordBatch) -> np.ndarray:
    """Hashes the rows of a batch.

    Returns:
        One uint64 a row. It depends on the values and on the order of the columns, and on nothing else.
    """
    total = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        total = total * _MULTIPLIER + _hash_column(column)
    return total


def _hash_column(column: pa.Array) -> np.ndarray:
    kind = column.type
    if pt.is_dictionary(kind):
        return _hash_column(column.dictionary_decode())
    if pt.is_list(kind) or pt.is_large_list(kind):
        hashes = _hash_lists(column)
    elif pt.is_struct(kind):
        hashes = hash_rows(pa.RecordBatch.from_arrays(column.flatten(), [field.name for field in kind]))
    elif pt.is_integer(kind) or pt.is_floating(kind):
        hashes = _hash_array(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))
    else:
        hashes = _hash_distinct(column)
    return np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, hashes)


def _hash_distinct(column: pa.Array) -> np.ndarray:
    # Each different text once: a batch of categories has few.
    encoded = column.dictionary_encode()
    hashes = np.append(_hash_array(encoded.dictionary.to_numpy(zero_copy_only=False)), _NULL)
    return hashes[pc.fill_null(encoded.indices, len(hashes) - 1).to_numpy(zero_copy_only=False)]


def _hash_lists(column: pa.Array) -> np.ndarray:
    """Sums the hashes of each list's values, each weighted by its place in the list."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    places = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    weighted = _hash_column(pc.list_flatten(column)) * (2 * places + 1).astype(np.uint64)
    sums = np.append(np.uint64(0), np.cumsum(weighted))
    return sums[ends] - sums[ends - lengths]


def _hash_array(values: np.ndarray) -> np.ndarray:
    import pandas as pd  # half a second, and only hashing needs it

    return pd.util.hash_array(values, categorize=False)
