"""The one form behind every kind of log: rows of requests with their answers, in Arrow batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TIME = pa.timestamp("us", tz="UTC")
# What is known of a row beside its values. Null is what the log does not tell.
ABOUT = pa.schema(
    [
        ("id", pa.string()),
        ("time", TIME),
        ("version", pa.string()),
        ("fingerprint", pa.string()),
        ("error", pa.string()),
        ("fetched", pa.list_(pa.string())),
        ("features_defaulted", pa.bool_()),
    ]
)
# What a prediction is called that has no name of its own.
PREDICTION = "prediction"
INSTANCE = "instance"


@dataclass(frozen=True)
class LoggedRows:
    """Some rows of a log.

    Attributes:
        about: What is known of each row: `ABOUT`.
        features: The rows' features by name.
        predictions: The rows' predictions by name; null where there was no answer.
    """

    about: pa.RecordBatch
    features: pa.RecordBatch
    predictions: pa.RecordBatch

    def __len__(self) -> int:
        """Returns the number of rows."""
        return self.about.num_rows

    def filter(self, mask: pa.BooleanArray) -> "LoggedRows":
        """Returns the rows for which a mask is true."""
        return LoggedRows(self.about.filter(mask), self.features.filter(mask), self.predictions.filter(mask))


@dataclass(frozen=True)
class Row:
    """One row, before it is part of a batch.

    Attributes:
        instance: The features by name, or one value.
        prediction: The predictions by name, or one value; None where there was no answer.
        id: What the row is called.
        time: When it was asked for.
        version: The version that answered.
        fingerprint: The fingerprint of the model that answered.
        error: Why there is no answer.
        fetched: The features that came from an online store, not with the request; None where none did, or the log does not tell.
        features_defaulted: Whether the model's defaults stand for features that could not be fetched.
    """

    instance: Any
    prediction: Any
    id: str | None = None
    time: datetime | None = None
    version: str | None = None
    fingerprint: str | None = None
    error: str | None = None
    fetched: list[str] | None = None
    features_defaulted: bool | None = None


def batch_of(rows: list[Row]) -> LoggedRows:
    """Makes one batch of rows, whose values may differ in their types."""
    about = {name: pa.array([getattr(row, name) for row in rows], ABOUT.field(name).type) for name in ABOUT.names}
    return LoggedRows(
        pa.RecordBatch.from_pydict(about, schema=ABOUT),
        _columns([_named(row.instance, INSTANCE) for row in rows]),
        _columns([_named(row.prediction, PREDICTION) for row in rows]),
    )


def columns_of(array: pa.Array, name: str) -> pa.RecordBatch:
    """Returns the columns of an array of objects, or of an array of values; a list of one value is that value."""
    if pa.types.is_struct(array.type):
        arrays, names = array.flatten(), [field.name for field in array.type]
    else:
        arrays, names = [array], [name]
    if not names:
        return _nothing(len(array))
    return pa.RecordBatch.from_arrays([_single(each) for each in arrays], names=names)


def _named(values: Any, name: str) -> dict[str, Any]:
    if isinstance(values, dict) and set(values) != {"b64"}:
        return values
    return {} if values is None else {name: values}


def _columns(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return _nothing(len(rows))
    return pa.RecordBatch.from_arrays([_column([_value(row.get(name)) for row in rows]) for name in names], names=names)


def _nothing(rows: int) -> pa.RecordBatch:
    """Returns rows without columns; Arrow counts the rows of a batch by its columns."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def _value(value: Any) -> Any:
    """Returns a value as a batch holds it: a number, a text, or a list of them."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict):
        return str(value.get("b64", value))
    if isinstance(value, list):
        return [_value(each) for each in _flat(value)]
    return float(value) if isinstance(value, (bool, int, float)) else value


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, list) else (value,)


def _column(values: list[Any]) -> pa.Array:
    """Makes an array of values; where some are text, all are, and where some are lists, all are."""
    kinds = {type(value) for value in values} - {type(None)}
    if list in kinds:
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        is_text = any(isinstance(each, str) for value in lists for each in value or ())
        return pa.array([value and [_as(each, is_text) for each in value] for value in lists])
    if kinds == {float, str}:
        values = [_as(value, True) for value in values]
    return pa.array(values, pa.string() if str in kinds else pa.float64())


def _as(value: Any, is_text: bool) -> Any:
    return f"{value:g}" if is_text and isinstance(value, float) else value


def _single(array: pa.Array) -> pa.Array:
    """Takes a list apart that holds one value in every row."""
    while pa.types.is_list(array.type):
        lengths = pc.unique(pc.list_value_length(array).drop_null()).to_pylist()
        if lengths == [1]:
            filled = array if not array.null_count else pc.if_else(array.is_valid(), array, pa.scalar([None], array.type))
            array = pc.list_flatten(filled)
        elif pa.types.is_list(array.type.value_type):
            array = _joined(array)
        else:
            break
    if pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        return array.cast(pa.float64(), safe=False)
    return array if not pa.types.is_timestamp(array.type) else array.cast(pa.string())


def _joined(array: pa.ListArray) -> pa.ListArray:
    """Makes a list of lists one list."""
    inner = pc.list_flatten(array)
    lengths = pc.list_value_length(inner).fill_null(0)
    ends = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast(pa.int64()))])
    outer = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(pc.list_value_length(array).fill_null(0).cast(pa.int64()))])
    return pa.ListArray.from_arrays(ends.take(outer).cast(pa.int32()), pc.list_flatten(inner))
