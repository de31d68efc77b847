"""The types that Examples hold, int64, float32, string, binary and lists of these, and how other Arrow types become them."""

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from penstock.components.protocol.errors import TaskError

INSTEAD = "leave it out with exclude_columns, or write it as a number, a text, bytes or a list of these"


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are bytes, which may be text."""
    return pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind) or pt.is_fixed_size_binary(kind)


def values_of(kind: pa.DataType) -> pa.DataType:
    """Returns the type of the values in a column, which may be lists or a dictionary's."""
    while pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or pt.is_dictionary(kind):
        kind = kind.value_type
    return kind


def canonical(kind: pa.DataType) -> pa.DataType | None:
    """Returns the type in which Examples hold values of an Arrow type (null where only nulls are known), or None if there is none."""
    steps = _steps(kind)
    return steps[-1] if steps else None


def _steps(kind: pa.DataType) -> list[pa.DataType]:
    """Returns the casts that lead from an Arrow type to its canonical type; none if there is no way.

    Instants go through whole seconds: their integers would count in the column's own unit.
    """
    if pt.is_null(kind):
        return [kind]
    if pt.is_boolean(kind) or pt.is_integer(kind):
        return [pa.int64()]
    if pt.is_floating(kind) or pt.is_decimal(kind):
        return [pa.float32()]
    if pt.is_temporal(kind) and (pt.is_date(kind) or pt.is_timestamp(kind)):
        return [pa.timestamp("s"), pa.int64()]
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return [pa.string()]
    if is_bytes(kind):
        return [pa.binary()]
    if pt.is_dictionary(kind):
        return [kind.value_type, *_steps(kind.value_type)]
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        inner = _steps(kind.value_type)
        return [] if not inner or pt.is_nested(inner[-1]) else [pa.list_(step) for step in inner]
    return []


def conform(batch: pa.RecordBatch, schema: pa.Schema, file: str) -> pa.RecordBatch:
    """Gives a batch the columns and types of a schema that `unify` made.

    Raises:
        TaskError: A value does not fit: bytes that are not UTF-8, or an unsigned integer beyond int64.
    """
    return pa.RecordBatch.from_arrays([_convert(batch.column(field.name), field, file) for field in schema], schema=schema)


def _convert(column: pa.Array, field: pa.Field, file: str) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        if pt.is_list(field.type) and not pt.is_nested(column.type):
            column = _wrap(column)
        for kind in [*_steps_to(column.type, field.type), field.type]:
            inner = values_of(kind)
            # Rounding is what floats and whole seconds are for; anything else that does not fit is an error.
            column = column.cast(kind, safe=not (pt.is_floating(inner) or pt.is_temporal(inner)))
    except pa.ArrowInvalid as error:
        raise TaskError(f"column {field.name!r} of {file} cannot be stored as {field.type} ({error}); {INSTEAD}") from error
    return column


def _steps_to(kind: pa.DataType, wanted: pa.DataType) -> list[pa.DataType]:
    """Returns the casts to another canonical type than one's own; a text says what the value was, not what it would become."""
    steps = _steps(kind)
    return [] if steps[-1] != wanted and values_of(wanted) == pa.string() else steps


def _wrap(column: pa.Array) -> pa.Array:
    """Makes lists of one out of single values, and null lists out of nulls."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(column) + 1), pa.int32()), column, mask=column.is_null())
