"""Reads Parquet files one row group at a time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.components.data.examples import PARQUET_ERRORS, rows_at_once
from penstock.components.protocol import TaskError

from .columns import are_texts, as_texts, is_bytes, values_of


class ParquetReader:
    """Reads Parquet files; the types are those that the files declare, but for bytes that are all UTF-8, which are texts."""

    def schemas(self, paths: list[Path]) -> list[pa.Schema]:
        """Returns the files' Arrow schemas.

        Raises:
            TaskError: One cannot be read as Parquet.
        """
        return [self._schema(path) for path in paths]

    def _schema(self, path: Path) -> pa.Schema:
        try:
            schema = pq.read_schema(path)
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error
        for place, field in enumerate(schema):
            if is_bytes(values_of(field.type)) and are_texts(batch.column(0) for batch in self._read(path, [field.name])):
                schema = schema.set(place, field.with_type(as_texts(field.type)))
        return schema

    def batches(self, path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns."""
        return self._read(path, wanted.names)

    def _read(self, path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            # Without pre_buffer=False the whole file stays in memory until the last row group is read.
            with pq.ParquetFile(path, pre_buffer=False) as file:
                groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
                row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
                yield from file.iter_batches(batch_size=rows_at_once(row_bytes), columns=columns)
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TaskError:
    return TaskError(f"{path} cannot be read as Parquet ({str(error)[:200]}); write it again, or exclude it from input_uri")
