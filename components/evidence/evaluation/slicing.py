"""Assigns rows to slices: TFMA's SlicingSpecs over whole columns."""

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.evidence.tfma import slice_value

from .unsupported import NotVectorized

SliceKey = tuple[tuple[str, str | int | float], ...]
CrossSliceKey = tuple[SliceKey, SliceKey]  # what is compared with, and what is compared


def slice_rows(eval_config: config_pb2.EvalConfig, columns: dict[str, pa.Array], count: int) -> dict[SliceKey, np.ndarray]:
    """Finds the rows of every slice that has any.

    Args:
        eval_config: Its `slicing_specs`; none means the overall slice.
        columns: The slicing columns by name. A missing value is in no slice of its column.
        count: The number of rows.

    Returns:
        The row numbers of each slice, by TFMA's slice key; `()` is the overall slice.

    Raises:
        NotVectorized: A column holds lists, or a slice is written in SQL or across slices.
    """
    if eval_config.cross_slicing_specs:
        raise NotVectorized("cross_slicing_specs")
    slices: dict[SliceKey, np.ndarray] = {}
    for spec in eval_config.slicing_specs or [config_pb2.SlicingSpec()]:
        if spec.slice_keys_sql:
            raise NotVectorized("slice_keys_sql")
        for key, rows in _rows_by_key(spec, columns, count).items():
            slices.setdefault(key, rows)
    return slices


def _rows_by_key(spec: config_pb2.SlicingSpec, columns: dict[str, pa.Array], count: int) -> dict[SliceKey, np.ndarray]:
    kept = np.ones(count, bool)
    fixed = [(name, slice_value(value)) for name, value in spec.feature_values.items()]
    for name, value in fixed:
        codes, values = _codes(name, columns[name])
        kept &= np.isin(codes, [code for code, found in enumerate(values) if found in (value, str(value))])
    coded = {name: _codes(name, columns[name]) for name in spec.feature_keys}
    for codes, _ in coded.values():
        kept &= codes >= 0
    rows = np.flatnonzero(kept)
    if not coded:
        return {tuple(sorted(fixed)): rows} if len(rows) else {}
    combined = np.ravel_multi_index([codes[rows] for codes, _ in coded.values()], [max(1, len(values)) for _, values in coded.values()])
    order = np.argsort(combined, kind="stable")
    found, starts = np.unique(combined[order], return_index=True)
    slices: dict[SliceKey, np.ndarray] = {}
    for group in np.split(rows[order], starts[1:]) if len(found) else []:
        free = [(name, values[codes[group[0]]]) for name, (codes, values) in coded.items()]
        slices[tuple(sorted(fixed + free))] = np.sort(group)
    return slices


def _codes(name: str, column: pa.Array) -> tuple[np.ndarray, list]:
    """Numbers a column's values: the code of each row, -1 where it is missing, and the values as tf.Example would hold them."""
    if pa.types.is_nested(column.type):
        raise NotVectorized(f"slices by {name}, a column of lists")
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, [_as_feature(value) for value in column.dictionary.to_pylist()]


def _as_feature(value: bool | int | float | str | bytes) -> int | float | str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return (
        value
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
        else int(value)
        if isinstance(value, bool)
        else str(value)
    )


def slice_order(key: SliceKey) -> tuple:
    """Sorts slices for people: the overall one first, then by feature and value, numbers as numbers."""
    names = tuple(name for name, _ in key)
    numbers = tuple(float(value) if isinstance(value, (int, float)) else 0.0 for _, value in key)
    return len(key), names, numbers, tuple(str(value) for _, value in key)
