"""Columns in the names of folders, as in Hive: `year=2024/country=DE/part-0.parquet`."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.protocol import TaskError

from .column_types import ColumnTypes
from .texts import Texts, parse

# Marks a field that stands in folders alone.
IN_FOLDERS = {b"penstock": b"in folders"}
_NULL = "__HIVE_DEFAULT_PARTITION__"

Partition = tuple[tuple[str, str | None], ...]
"""The keys and values of a file's folders."""


def partition_of(path: str, below: str, ignored: set[str]) -> Partition:
    """Returns what the folders of a file say.

    Args:
        path: The file.
        below: What its path begins with; folders in it say nothing.
        ignored: Keys that say something else.

    Raises:
        TaskError: A key is there twice.
    """
    found: dict[str, str | None] = {}
    for folder in PurePosixPath(path[len(below) :].lstrip("/")).parts[:-1]:
        name, equals, text = folder.partition("=")
        key, value = unquote(name), unquote(text)
        if not equals or not key or key in ignored:
            continue
        if key in found:
            raise TaskError(f"the folders of {path} contain {key}= twice; rename one of them")
        found[key] = None if value in (_NULL, "") else value
    return tuple(found.items())


def partition_types(partitions: list[Partition], types: ColumnTypes) -> dict[str, pa.DataType]:
    """Returns the types of the keys, from all of their values.

    Raises:
        TaskError: A value does not fit the type that `column_types` names.
    """
    values: dict[str, dict[str | None, None]] = {}
    for partition in partitions:
        for key, value in partition:
            values.setdefault(key, {})[value] = None
    return {key: types.of_values(key, pa.array(list(found), pa.string()), "the folders") for key, found in values.items()}


def add_partition(batch: pa.RecordBatch, partition: Partition, wanted: pa.Schema, file: str) -> pa.RecordBatch:
    """Gives a batch of canonical columns those of its folders.

    Args:
        batch: Rows of a file.
        partition: What its folders say.
        wanted: The canonical types; keys that are not columns of it are left out.
        file: The file, for errors.

    Raises:
        TaskError: The file has such a column, and it says something else.
    """
    for key, text in partition:
        if key not in wanted.names:
            continue
        value = None if text is None else canonical_value(text, wanted.field(key).type)
        if key not in batch.schema.names:
            batch = batch.append_column(wanted.field(key), pa.repeat(pa.scalar(value, wanted.field(key).type), batch.num_rows))
        elif not _says(batch.column(key), value):
            raise TaskError(f"column {key!r} of {file} differs from its folder {key}={text}; correct one of them")
    return batch


def native_partition(batch: pa.RecordBatch, partition: Partition, schema: pa.Schema) -> pa.RecordBatch:
    """Gives a batch as it was read the columns of its folders, in the types that the folders have."""
    for key, text in partition:
        field = schema.field(key)
        if field.metadata == IN_FOLDERS:
            batch = batch.append_column(field, pa.repeat(pa.scalar(text, pa.string()).cast(field.type), batch.num_rows))
    return batch


def canonical_value(text: str, kind: pa.DataType) -> Any:
    """Returns what a text says as a value of a canonical type; None if it says no such value."""
    if pt.is_nested(kind) or pt.is_binary(kind):
        return None
    texts = Texts(kind)
    texts.add(pa.array([text]))
    return None if texts.misfit else parse(text, texts.kind, kind)


def _says(column: pa.Array, value: Any) -> bool:
    if value is None:
        return column.null_count == len(column)
    return bool(pc.all(pc.fill_null(pc.equal(column, pa.scalar(value, column.type)), False)).as_py())
