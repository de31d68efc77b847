"""Reads Parquet files one row group at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.components.data.canonical import is_bytes, values_of
from penstock.components.data.examples import PARQUET_ERRORS, open_bytes, rows_at_once
from penstock.components.protocol import TaskError

from .columns import are_texts, as_texts, schema_from_text, schema_to_text

_VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


class ParquetReader:
    """Reads Parquet files; the types are those that the files declare, but for bytes that are all UTF-8, which are texts."""

    takes_uris = True

    def look(self, path: Path) -> dict[str, Any]:
        """Returns a file's Arrow schema and the number of its row groups.

        Raises:
            TaskError: It cannot be read as Parquet.
        """
        schema, groups = self._schema(path)
        return {"schema": schema_to_text(schema), "chunks": groups, "how": {}}

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the files' Arrow schemas."""
        return [schema_from_text(look["schema"]) for look in looks.values()]

    def _schema(self, path: Path) -> tuple[pa.Schema, int]:
        try:
            with pq.ParquetFile(path) as file:
                schema, groups = file.schema_arrow, file.num_row_groups
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error
        for place, field in enumerate(schema):
            if is_bytes(values_of(field.type)) and are_texts(batch.column(0) for batch in self._read(path, [field.name], None)):
                schema = schema.set(place, field.with_type(as_texts(field.type)))
        return schema, groups

    def batches(self, path: Path | str, _: dict[str, Any], __: pa.Schema, wanted: pa.Schema, chunk: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns of a file, or of one of its row groups."""
        return self._read(path, wanted.names, chunk)

    def _read(self, path: Path | str, columns: list[str], group: int | None) -> Iterator[pa.RecordBatch]:
        try:
            # Without pre_buffer=False the whole file stays in memory until the last row group is read.
            with open_bytes(path) as source, pq.ParquetFile(source, pre_buffer=False) as file:
                yield from batches_of(file, columns, group)
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error


def batches_of(file: pq.ParquetFile, columns: list[str], group: int | None = None) -> Iterator[pa.RecordBatch]:
    """Reads columns of an open file, or of one of its row groups, as many rows at a time as memory should hold."""
    groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    row_bytes = max((each.total_byte_size // max(each.num_rows, 1) for each in groups), default=0)
    chosen = None if group is None else [group]
    views = {field.name for field in file.schema_arrow if field.type in _VIEWS}
    for batch in file.iter_batches(batch_size=rows_at_once(row_bytes), columns=columns, row_groups=chosen):
        yield _without_views(batch) if views.intersection(columns) else batch


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Gives strings and bytes the types that Arrow's functions take; DataFusion, and so Delta's Rust writer, declares others."""
    kinds = [_VIEWS.get(field.type, field.type) for field in batch.schema]
    return batch.cast(pa.schema(zip(batch.schema.names, kinds, strict=True)))


def _unreadable(path: Path | str, error: Exception) -> TaskError:
    return TaskError(f"{path} cannot be read as Parquet ({str(error)[:200]}); write it again, or exclude it from input_uri")
