"""The work of ingest_examples."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from penstock.components.data.examples import SplitWriter
from penstock.components.data.runners import names_runner
from penstock.components.images import own_image
from penstock.components.protocol import Output, TaskError, figure

from . import sources as sources_
from .chunks import Chunk, Reader, Table, read
from .column_types import ColumnTypes
from .columns import agree, canonical, unify
from .csv_files import CsvReader
from .parquet_files import ParquetReader
from .partitions import IN_FOLDERS, partition_types
from .sources import Selection, Source
from .splitting import check_splits, make_assign
from .tfrecord_files import TfRecordReader

_SECONDS_BETWEEN_FIGURES = 5.0


class Outputs(NamedTuple):
    """The output parameters of ingest_examples."""

    rows: int
    span: int


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
    beam_pipeline_args: list = [],  # noqa: B006
) -> Outputs:
    """Reads raw rows into Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The input or a parameter cannot be used, or a Split would be empty.
    """
    check_splits(split_by, splits)
    types = ColumnTypes(column_types, schema_file)
    selections = sources_.find_all(input_uri, spans, version, splits if split_by == "pattern" else {"": ""})
    reader = _reader(input_format, [path for selection in selections.values() for path in selection.paths], delimiter, types)
    asked = partial(_tables, reader, types, exclude_columns, split_by, split_key, splits)
    ingest = partial(_ingest_on_beam, beam_pipeline_args) if names_runner(beam_pipeline_args) else _ingest
    sources, counts, dropped, size = ingest(reader, selections, asked, examples)
    _check_counts(counts, sum(counts.values()) + dropped, split_by, split_key)
    rows, span = sum(counts.values()), max(selection.span for selection in selections.values())
    examples.metadata |= {
        "format": "parquet",
        "splits": counts,
        "rows": rows,
        "dropped_rows": dropped,
        "bytes": size,
        "span": span,
        "version": max(selection.version for selection in selections.values()),
    } | sources_.lineage(sources)
    parts = ", ".join(f"{name} {counts[name]:,}" for name in sorted(splits))
    figure(f"{rows:,} rows: {parts}" + (f" ({dropped:,} left out)" if dropped else ""))
    return Outputs(rows, span)


Asked = Callable[[dict[str, list[Source]], dict[Source, dict]], list[Table]]


def _ingest(
    reader: Reader, selections: dict[str, Selection], asked: Asked, examples: Output
) -> tuple[list[Source], dict[str, int], int, int]:
    """Reads and writes in this process; returns the sources, the rows of each Split, the rows of none, and the bytes written."""
    counts: dict[str, int] = {}
    dropped = 0
    in_place = [selection for selection in selections.values() if selection.is_local]
    with sources_.unchanged(in_place), tempfile.TemporaryDirectory(prefix="penstock-ingest-") as folder:
        groups = {name: sources_.fetch(selection, Path(folder) / (name or "all")) for name, selection in selections.items()}
        sources = [source for group in groups.values() for source in group]
        for table in asked(groups, {source: reader.look(Path(source.path)) for source in sources}):
            written, left = _write(examples.path, _batches(reader, table), table)
            counts |= written
            dropped += left
    return sources, counts, dropped, sum(file.stat().st_size for file in examples.path.rglob("*.parquet"))


def _ingest_on_beam(
    beam_pipeline_args: list[str], reader: Reader, selections: dict[str, Selection], asked: Asked, examples: Output
) -> tuple[list[Source], dict[str, int], int, int]:
    """Does what `_ingest` does, on Beam."""
    from penstock.components.data.beam import Engine

    from . import beam_engine

    with Engine(beam_pipeline_args, own_image("tf"), examples) as engine, sources_.unchanged(list(selections.values())):
        looked = beam_engine.look(engine, reader, selections)
        groups = {name: list(found) for name, found in looked.items()}
        sources = [source for group in groups.values() for source in group]
        sources_.say_size(sources)
        tables = asked(groups, {source: look for found in looked.values() for source, look in found.items()})
        return sources, *beam_engine.write(engine, reader, tables, examples)


def _tables(
    reader: Reader,
    types: ColumnTypes,
    exclude_columns: list,
    split_by: str,
    split_key: str,
    splits: dict,
    groups: dict[str, list[Source]],
    looks: dict[Source, dict],
) -> list[Table]:
    """Decides with which columns and types the files are read, from what was seen of all of them."""
    sources = [source for group in groups.values() for source in group]
    schemas = _read_schemas(reader, looks, types)
    _check_columns(schemas, exclude_columns, types)
    needed = {
        name: _needed({source: schemas[source] for source in group}, exclude_columns, split_key, split_by, types)
        for name, group in groups.items()
    }
    chunks = {source: [Chunk(source.path, looks[source]["how"], schemas[source], source.partition)] for source in sources}
    tables = []
    for name, schema in agree(needed).items():
        kept = pa.schema([field for field in schema if field.name not in exclude_columns])
        if not kept.names:
            raise TaskError("exclude_columns excludes every column; keep at least one")
        files = [(chunk, looks[source]["chunks"]) for source in groups[name] for chunk in chunks[source]]
        deciding = {"ratio": schema.names, "pattern": schema.names[:1]}.get(split_by, [split_key])
        table = Table(
            [name] if name else sorted(splits), schema, kept, deciding, partial(make_assign, split_by, split_key, splits, schema), files
        )
        table.make_assign()  # refuses a rule that does not fit the columns
        tables.append(table)
    return tables


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
            f"the name of {path} does not show its format; set input_format to csv, parquet or tfrecord, or narrow input_uri with a glob"
        )
    return found


def _read_schemas(reader: Reader, looks: dict[Source, dict], types: ColumnTypes) -> dict[Source, pa.Schema]:
    """Returns the types of each file's columns: its own, and after them those that only its folders have."""
    own = reader.schemas({str(source.path): look for source, look in looks.items()})
    kinds = partition_types([source.partition for source in looks], types)
    return {
        source: pa.schema(
            [*schema, *(pa.field(key, kinds[key], metadata=IN_FOLDERS) for key, _ in source.partition if key not in schema.names)]
        )
        for source, schema in zip(looks, own, strict=True)
    }


def _check_columns(schemas: dict[Source, pa.Schema], exclude_columns: list, types: ColumnTypes) -> None:
    known = list(dict.fromkeys(name for schema in schemas.values() for name in schema.names))
    if unknown := [name for name in exclude_columns if name not in known]:
        raise TaskError(f"exclude_columns names {unknown[0]!r}, which is not a column of the data; it has: {', '.join(known)[:300]}")
    types.check_names(known)


def _needed(schemas: dict[Source, pa.Schema], exclude_columns: list, split_key: str, split_by: str, types: ColumnTypes) -> pa.Schema:
    """Finds the columns to read: those to keep and, if they are left out only afterwards, those that decide the Splits."""

    def is_needed(name: str) -> bool:
        if name not in exclude_columns:
            return True
        if split_by == "ratio":
            return all(name in schema.names and canonical(schema.field(name).type) is not None for schema in schemas.values())
        return name == split_key

    return unify({str(source.path): schema for source, schema in schemas.items()}, is_needed, types.given)


def _batches(reader: Reader, table: Table) -> Iterator[pa.RecordBatch]:
    rows, reported_at = 0, time.monotonic()
    for chunk, _ in table.files:
        for batch in read(reader, chunk, chunk.path, table.schema):
            yield batch
            rows += batch.num_rows
            if time.monotonic() - reported_at > _SECONDS_BETWEEN_FIGURES:
                figure(f"{rows:,} rows read")
                reported_at = time.monotonic()


def _write(folder: Path, batches: Iterator[pa.RecordBatch], table: Table) -> tuple[dict[str, int], int]:
    """Writes every row to its Split; returns the rows of each Split and the number of rows that fit none."""
    dropped, assign = 0, table.make_assign()
    with ExitStack() as stack:
        writers = [stack.enter_context(SplitWriter(folder, name, table.kept)) for name in table.splits]
        for batch in batches:
            indices = assign(batch)
            dropped += int(np.count_nonzero(indices < 0))
            for index, writer in enumerate(writers):
                if (rows := table.of_split(batch, indices == index)).num_rows:
                    writer.write(rows)
    return {name: writer.rows for name, writer in zip(table.splits, writers, strict=True)}, dropped


def _check_counts(counts: dict[str, int], seen: int, split_by: str, split_key: str) -> None:
    if not seen:
        raise TaskError("input_uri has only headers and no rows; wait for the data, or correct the path")
    if empty := [name for name, count in counts.items() if not count]:
        by = f"split_by {split_by}" + (f" on {split_key!r}" if split_key else "")
        raise TaskError(f"Split {empty[0]!r} is empty: none of the {seen:,} rows belongs to it ({by}); change splits, or add rows")
