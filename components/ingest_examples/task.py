"""The work of ingest_examples."""

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from penstock.components.runtime import Output, TaskError, figure
from penstock.components.runtime.examples import SplitWriter

from . import sources as sources_
from .column_types import ColumnTypes
from .columns import canonical, conform, unify
from .csv_files import CsvReader
from .parquet_files import ParquetReader
from .sources import Source
from .splitting import Assign, make_assign
from .tfrecord_files import TfRecordReader

_SECONDS_BETWEEN_FIGURES = 5.0


class Outputs(NamedTuple):
    """The output parameters of ingest_examples."""

    rows: int
    span: int


class Reader(Protocol):
    """One file format."""

    def schemas(self, paths: list[Path]) -> list[pa.Schema]:
        """Returns the files' own types."""

    def batches(self, path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Reads the columns of `wanted` from a file whose own types are `schema`."""


def ingest_examples(
    examples: Output,
    input_uri: str,
    input_format: str = "auto",
    delimiter: str = ",",
    spans: str = "latest",
    version: str = "latest",
    split_by: str = "ratio",
    split_key: str = "",
    splits: dict = {"train": 2, "eval": 1},  # noqa: B006 - the interface's default
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    schema_file: str = "",
) -> Outputs:
    """Reads raw rows into Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The input or a parameter cannot be used, or a Split would be empty.
    """
    types = ColumnTypes(column_types, schema_file)
    selection = sources_.find(input_uri, spans, version)
    reader = _reader(input_format, selection.paths, delimiter, types)
    with tempfile.TemporaryDirectory(prefix="penstock-ingest-") as folder:
        sources = sources_.fetch(selection, Path(folder))
        own = dict(zip(sources, reader.schemas([source.path for source in sources]), strict=True))
        schema = _read_schema(own, types, exclude_columns, split_key, split_by)
        kept = pa.schema([field for field in schema if field.name not in exclude_columns])
        if not kept.names:
            raise TaskError("exclude_columns leaves no column; leave some")
        assign = make_assign(split_by, split_key, splits, schema)
        counts, dropped = _write(examples.path, _batches(reader, own, schema), kept, assign, sorted(splits))
    rows = sum(counts.values())
    _check_counts(counts, rows + dropped, split_by, split_key)
    examples.metadata |= {
        "format": "parquet",
        "splits": counts,
        "rows": rows,
        "dropped_rows": dropped,
        "bytes": sum(file.stat().st_size for file in examples.path.rglob("*.parquet")),
        "span": selection.span,
        "version": selection.version,
    } | sources_.lineage(sources)
    parts = ", ".join(f"{name} {counts[name]:,}" for name in splits)
    figure(f"{rows:,} rows: {parts}" + (f" ({dropped:,} left out)" if dropped else ""))
    return Outputs(rows, selection.span)


def _reader(input_format: str, paths: list[str], delimiter: str, types: ColumnTypes) -> Reader:
    formats = {_format_of(path) for path in paths} if input_format == "auto" else {input_format}
    if len(formats) > 1:
        raise TaskError(
            f"input_uri has files of several formats ({', '.join(sorted(formats))}); narrow it with a glob, or set input_format"
        )
    found = formats.pop()
    if found == "csv":
        return CsvReader(delimiter, types)
    if found in ("parquet", "tfrecord"):
        return ParquetReader() if found == "parquet" else TfRecordReader()
    raise TaskError(f"input_format is {input_format!r}; give csv, parquet, tfrecord or auto")


def _format_of(path: str) -> str:
    name = path.rpartition("/")[2].lower()
    if "tfrecord" in name:
        return "tfrecord"
    match = re.search(r"\.(?:(csv|tsv)(?:\.(?:gz|bz2|zst|zstd))?|(parquet|pq))$", name)
    found = match and ("csv" if match[1] else "parquet")
    if not found:
        raise TaskError(
            f"the name of {path} does not tell its format; set input_format to csv, parquet or tfrecord, or narrow input_uri with a glob"
        )
    return found


def _read_schema(own: dict[Source, pa.Schema], types: ColumnTypes, exclude_columns: list, split_key: str, split_by: str) -> pa.Schema:
    """Finds the columns to read: those to keep and, if they are left out only afterwards, those that decide the Splits."""
    first = next(iter(own.values()))
    if unknown := [name for name in exclude_columns if name not in first.names]:
        raise TaskError(f"exclude_columns names {unknown[0]!r}, which is no column of the data; it has: {', '.join(first.names)[:300]}")

    types.check_names(first.names)

    def is_needed(name: str) -> bool:
        if name not in exclude_columns:
            return True
        if split_by == "ratio":
            return all(name in schema.names and canonical(schema.field(name).type) is not None for schema in own.values())
        return name == split_key

    return unify({str(source.path): schema for source, schema in own.items()}, is_needed, types.given)


def _batches(reader: Reader, own: dict[Source, pa.Schema], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows, said = 0, time.monotonic()
    for source, found in own.items():
        for batch in reader.batches(source.path, found, schema):
            yield conform(batch, schema, str(source.path))
            rows += batch.num_rows
            if time.monotonic() - said > _SECONDS_BETWEEN_FIGURES:
                figure(f"{rows:,} rows read")
                said = time.monotonic()


def _write(
    folder: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema, assign: Assign, names: list[str]
) -> tuple[dict[str, int], int]:
    """Writes every row to its Split; returns the rows of each Split and the number of rows that fit none."""
    dropped = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(SplitWriter(folder, name, schema)) for name in names]
        for batch in batches:
            indices = assign(batch)
            table = pa.Table.from_batches([batch]).select(schema.names)
            dropped += int(np.count_nonzero(indices < 0))
            for index, writer in enumerate(writers):
                mine = indices == index
                if mine.any():
                    writer.write(table if mine.all() else table.filter(pa.array(mine)))
    return {name: writer.rows for name, writer in zip(names, writers, strict=True)}, dropped


def _check_counts(counts: dict[str, int], seen: int, split_by: str, split_key: str) -> None:
    if not seen:
        raise TaskError("input_uri has no rows, only headers; wait for the data, or correct the path")
    if empty := [name for name, count in counts.items() if not count]:
        by = f"split_by {split_by}" + (f" on {split_key!r}" if split_key else "")
        raise TaskError(f"Split {empty[0]!r} is empty: none of the {seen:,} rows belongs to it ({by}); change splits, or give it rows")
