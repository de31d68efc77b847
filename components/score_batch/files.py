"""The files of a part: Parquet, CSV or JSON lines, partitioned by a column or not. They are made in a scratch folder."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from penstock.components.protocol import TaskError

FORMATS = ("parquet", "csv", "jsonl")
_NULL = "__HIVE_DEFAULT_PARTITION__"
# At most this many files are open at the same time.
_MOST_PARTITIONS = 1000


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write_table(self, table: pa.Table) -> None:
        self._file.writelines(json.dumps(row, default=_text, ensure_ascii=False) + "\n" for row in table.to_pylist())

    def close(self) -> None:
        self._file.close()


class _Csv:
    """CSV has no lists: they become JSON."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._lists = [field.name for field in schema if pa.types.is_nested(field.type)]
        self._schema = pa.schema([(field.name, pa.string() if field.name in self._lists else field.type) for field in schema])
        self._writer = csv.CSVWriter(path, self._schema)

    def write_table(self, table: pa.Table) -> None:
        for name in self._lists:
            values = [None if value is None else json.dumps(value, default=_text) for value in table.column(name).to_pylist()]
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._writer.close()


class PartFiles:
    """Writes the rows of one part to files below a folder. Use it as a context manager.

    Args:
        scratch: The scratch folder.
        table: The table's name, which is a folder in it.
        name: The part's name.
        kind: `parquet`, `csv` or `jsonl`.
        schema: The rows' columns.
        partition_by: The column whose values become folders, and which the files do not have; may be empty.

    Attributes:
        rows: The rows in each file, by its path below the scratch folder.
    """

    def __init__(self, scratch: Path, table: str, name: str, kind: str, schema: pa.Schema, partition_by: str) -> None:
        self._scratch, self._table, self._name, self._kind, self._partition_by = scratch, table, name, kind, partition_by
        self._schema = pa.schema([field for field in schema if field.name != partition_by])
        self._writers: dict[str, _Writer] = {}
        self.rows: dict[str, int] = {}

    def write(self, table: pa.Table) -> None:
        """Adds rows.

        Raises:
            TaskError: The column has more values than can be folders.
        """
        for folder, rows in _partitions(table, self._partition_by):
            name = f"{self._table}/{folder}{self._name}.{self._kind}"
            if name not in self._writers:
                if len(self._writers) == _MOST_PARTITIONS:
                    raise TaskError(
                        f"partition_by {self._partition_by!r} has more than {_MOST_PARTITIONS:,} values in one part; "
                        "name a column with fewer"
                    )
                self._writers[name] = self._open(self._scratch / name)
            self._writers[name].write_table(rows.select(self._schema.names))
            self.rows[name] = self.rows.get(name, 0) + rows.num_rows

    def _open(self, path: Path) -> _Writer:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._kind == "parquet":
            return pq.ParquetWriter(path, self._schema, compression="zstd")
        return _Csv(path, self._schema) if self._kind == "csv" else _JsonLines(path)

    def __enter__(self) -> "PartFiles":
        return self

    def __exit__(self, *_: Any) -> None:
        for writer in self._writers.values():
            writer.close()


def count_rows(path: Path) -> int:
    """Returns the rows that a written file has."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if path.suffix == ".csv":
        options = csv.ParseOptions(newlines_in_values=True)
        return sum(batch.num_rows for batch in csv.open_csv(path, parse_options=options))
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _partitions(table: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    """Parts rows by the folder that they belong to."""
    if not column:
        yield "", table
        return
    for value in pc.unique(table.column(column)):
        same = pc.is_null(table.column(column)) if not value.is_valid else pc.equal(table.column(column), value)
        text = quote(str(value.as_py()), safe="") if value.is_valid and value.as_py() != "" else _NULL
        yield f"{quote(column, safe='')}={text}/", table.filter(same)


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
