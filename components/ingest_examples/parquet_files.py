"""Reading Parquet a row group at a time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.components.runtime import TaskError
from penstock.components.runtime.examples import PARQUET_ERRORS, ROW_GROUP_ROWS


class ParquetReader:
    """Reads Parquet files; the types are those that the files declare."""

    def schemas(self, paths: list[Path]) -> list[pa.Schema]:
        """Returns the files' Arrow schemas, from their footers.

        Raises:
            TaskError: One cannot be read as Parquet.
        """
        return [self._schema(path) for path in paths]

    def _schema(self, path: Path) -> pa.Schema:
        try:
            return pq.read_schema(path)
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error

    def batches(self, path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns."""
        try:
            # Without pre_buffer=False the whole file stays in memory until the last row group is read.
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=ROW_GROUP_ROWS, columns=wanted.names)
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TaskError:
    return TaskError(f"{path} cannot be read as Parquet ({str(error)[:200]}); write it again, or leave it out of input_uri")
