"""Chooses rows by the values of their columns, in the form that pyarrow, pandas and deltalake call `filters`: `[[column, operator, value], ...]`."""

import datetime
import operator
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.data.times import moment
from penstock.components.protocol import TaskError

_EQUAL = "="
_COMPARISONS: dict[str, Callable[..., Any]] = {
    _EQUAL: pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_MEMBERSHIPS = ("in", "not in")
_FORM = 'give [column, operator, value] lists, such as [["day", ">=", "2026-01-01"]]'


class RowFilter:
    """Keeps the rows for which all conditions hold. As in SQL, none holds for a null.

    Args:
        conditions: Each `[column, operator, value]`, with the operator `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`. Dates and
            times are ISO 8601 texts, in UTC if they have no offset.

    Attributes:
        conditions: The same.

    Raises:
        TaskError: A condition has another form.
    """

    def __init__(self, conditions: list) -> None:
        for condition in conditions:
            if not isinstance(condition, list) or len(condition) != 3 or not all(isinstance(part, str) for part in condition[:2]):
                raise TaskError(f"row_filter has {condition!r:.100}; {_FORM}")
            _, comparison, value = condition
            if comparison not in (*_COMPARISONS, "==", *_MEMBERSHIPS):
                raise TaskError(f"row_filter has the operator {comparison!r:.20}; give one of {', '.join((*_COMPARISONS, *_MEMBERSHIPS))}")
            if (comparison in _MEMBERSHIPS) != isinstance(value, list) or value in (None, []):
                raise TaskError(f"row_filter has the value {value!r:.60} for {comparison}; give a list for in and not in, else one value")
        self.conditions = [(column, _EQUAL if word == "==" else word, value) for column, word, value in conditions]

    @property
    def columns(self) -> list[str]:
        """The columns that decide."""
        return list(dict.fromkeys(column for column, _, _ in self.conditions))

    def values(self, schema: pa.Schema) -> list[tuple[str, str, pa.Scalar | pa.Array]]:
        """Returns the conditions with their values in the types of the columns, those of `in` as an array.

        Args:
            schema: The types of the columns that decide, as their source has them.

        Raises:
            TaskError: A value does not fit its column.
        """
        return [(column, word, _typed(column, value, schema.field(column).type)) for column, word, value in self.conditions]

    def expression(self, schema: pa.Schema) -> pc.Expression | None:
        """Returns the conditions for Arrow's datasets; None if there are none."""
        holding = [_holds(pc.field(column), word, value) for column, word, value in self.values(schema)]
        return reduce(operator.and_, holding) if holding else None

    def keep(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the rows of a batch for which all conditions hold."""
        for column, word, value in self.values(batch.schema):
            found = batch.column(column)
            batch = batch.filter(_holds(found.dictionary_decode() if pt.is_dictionary(found.type) else found, word, value))
        return batch


def _holds(column: Any, word: str, value: pa.Scalar | pa.Array) -> Any:
    """Returns whether a condition holds, for a column as for Arrow's name of one."""
    if word == "in":
        return pc.is_in(column, value_set=value)
    if word == "not in":  # beside a null, SQL says neither yes nor no
        return pc.if_else(pc.is_valid(column), pc.invert(pc.is_in(column, value_set=value)), False)
    return _COMPARISONS[word](column, value)


def _typed(column: str, value: Any, kind: pa.DataType) -> pa.Scalar | pa.Array:
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    try:
        if isinstance(value, list):
            return pa.array([_native(item, kind) for item in value]).cast(kind)
        return pa.scalar(_native(value, kind)).cast(kind)
    except (pa.ArrowException, ValueError, TypeError, InvalidOperation):
        raise TaskError(f"row_filter compares column {column!r} of type {kind} with {value!r:.60}; give a value of that type") from None


def _native(value: Any, kind: pa.DataType) -> Any:
    """Returns a JSON value as what Python has for a type.

    Raises:
        TypeError, ValueError: It is another's.
    """
    if isinstance(value, bool) != pt.is_boolean(kind):
        raise TypeError
    if pt.is_decimal(kind):
        return Decimal(str(value))
    if isinstance(value, str) == (pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind)):
        raise TypeError
    if pt.is_date(kind):
        return datetime.date.fromisoformat(value)
    if pt.is_timestamp(kind):
        return moment(value).astimezone(datetime.timezone.utc).replace(tzinfo=datetime.timezone.utc if kind.tz else None)
    if isinstance(value, str) and not (pt.is_string(kind) or pt.is_large_string(kind)):
        raise TypeError
    return value
