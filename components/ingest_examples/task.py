"""The work of ingest_examples."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from penstock.components.data.canonical import canonical
from penstock.components.data.examples import SplitWriter
from penstock.components.data.runners import names_runner
from penstock.components.data.without_pandas import leave_out_pandas
from penstock.components.images import own_image
from penstock.components.protocol import Output, TaskError, figure
from penstock.components.protocol.folders import folder_bytes

from .chunks import Chunk, Reader, Table, read
from .column_types import ColumnTypes
from .columns import agree, unify
from .inputs import Input, Looked, find_input
from .partitions import IN_FOLDERS, partition_types
from .row_filter import RowFilter
from .row_order import in_order_of_hash
from .sources import Source
from .splitting import check_splits, make_assign

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
    columns: list = [],  # noqa: B006
    row_filter: list = [],  # noqa: B006
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    schema_file: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
) -> Outputs:
    """Reads raw rows into Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The input or a parameter cannot be used, or a Split would be empty.
    """
    leave_out_pandas()
    check_splits(split_by, splits)
    types, rows_wanted = ColumnTypes(column_types, schema_file), RowFilter(row_filter)
    patterns = splits if split_by == "pattern" else {"": ""}
    found = find_input(input_uri, input_format, delimiter, spans, version, patterns, types, rows_wanted)
    asked = partial(_tables, found.reader, types, columns, rows_wanted, exclude_columns, split_by, split_key, splits)
    ingest = partial(_ingest_on_beam, beam_pipeline_args) if names_runner(beam_pipeline_args) else _ingest
    sources, counts, dropped, size = ingest(found, asked, examples)
    _check_counts(counts, sum(counts.values()) + dropped, split_by, split_key, row_filter)
    rows = sum(counts.values())
    examples.metadata |= {
        "format": "parquet",
        "splits": counts,
        "rows": rows,
        "dropped_rows": dropped,
        "bytes": size,
        "span": found.span,
        "version": found.version,
    } | found.lineage(sources)
    if chosen := {name: given for name, given in (("columns", columns), ("row_filter", row_filter)) if given}:
        examples.metadata["source"] = examples.metadata.get("source", {}) | chosen
    parts = ", ".join(f"{name} {counts[name]:,}" for name in sorted(splits))
    figure(f"{rows:,} rows: {parts}" + (f" ({dropped:,} left out)" if dropped else ""))
    return Outputs(rows, found.span)


Asked = Callable[[Looked], list[Table]]


def _ingest(found: Input, asked: Asked, examples: Output) -> tuple[list[Source], dict[str, int], int, int]:
    """Reads and writes in this process; returns the sources, the rows of each Split, the rows of none, and the bytes written."""
    counts: dict[str, int] = {}
    dropped = 0
    with found.looked(None) as looked:
        for table in asked(looked):
            batches = _batches(found.reader, table)
            written, left = _write(examples.path, batches if found.is_ordered else in_order_of_hash(batches), table)
            counts |= written
            dropped += left
    return _all(looked), counts, dropped, folder_bytes(examples.path)


def _ingest_on_beam(
    beam_pipeline_args: list[str], found: Input, asked: Asked, examples: Output
) -> tuple[list[Source], dict[str, int], int, int]:
    """Does what `_ingest` does, on Beam.

    Raises:
        TaskError: Workers would not get the rows in one order.
    """
    if not found.is_ordered:
        raise TaskError(
            "beam_pipeline_args has a runner, but input_uri is a table of BigQuery, whose rows one task puts in order; leave out the runner,"
            " or EXPORT DATA as Parquet files and ingest these"
        )
    from penstock.components.data.beam import Engine

    from . import beam_engine

    with Engine(beam_pipeline_args, own_image("tf"), examples) as engine, found.looked(engine) as looked:
        return _all(looked), *beam_engine.write(engine, found.reader, asked(looked), examples)


def _all(looked: Looked) -> list[Source]:
    return [source for found in looked.values() for source in found]


def _tables(
    reader: Reader,
    types: ColumnTypes,
    columns: list,
    row_filter: RowFilter,
    exclude_columns: list,
    split_by: str,
    split_key: str,
    splits: dict,
    looked: Looked,
) -> list[Table]:
    """Decides with which columns and types the sources are read, from what was seen of all of them."""
    looks = {source: look for found in looked.values() for source, look in found.items()}
    schemas = _read_schemas(reader, looks, types)
    _check_columns(schemas, {"columns": columns, "row_filter": row_filter.columns, "exclude_columns": exclude_columns}, types)
    if columns and split_key and split_key not in columns:
        exclude_columns = [*exclude_columns, split_key]
    needed = {
        name: _needed({source: _only(columns, split_key, schemas[source]) for source in group}, exclude_columns, split_key, split_by, types)
        for name, group in looked.items()
    }
    chunks = {source: Chunk(source.path, looks[source]["how"], schemas[source], source.partition) for source in looks}
    tables = []
    for name, schema in agree(needed).items():
        kept = pa.schema([field for field in schema if field.name not in exclude_columns])
        if not kept.names:
            raise TaskError("exclude_columns excludes every column; keep at least one")
        files = [(chunks[source], looks[source]["chunks"]) for source in looked[name]]
        deciding = {"ratio": schema.names, "pattern": schema.names[:1]}.get(split_by, [split_key])
        assign = partial(make_assign, split_by, split_key, splits, schema)
        table = Table([name] if name else sorted(splits), schema, kept, deciding, assign, files, row_filter)
        table.make_assign()  # refuses a rule that does not fit the columns
        tables.append(table)
    return tables


def _only(columns: list, split_key: str, schema: pa.Schema) -> pa.Schema:
    """Returns the columns to read of a source, in its own order: those that are wanted, if any are named, and the one that decides the Splits."""
    return pa.schema([field for field in schema if field.name in (*columns, split_key)]) if columns else schema


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


def _check_columns(schemas: dict[Source, pa.Schema], given: dict[str, list], types: ColumnTypes) -> None:
    known = list(dict.fromkeys(name for schema in schemas.values() for name in schema.names))
    for parameter, names in given.items():
        if unknown := [name for name in names if name not in known]:
            raise TaskError(f"{parameter} names {unknown[0]!r}, which is not a column of the data; it has: {', '.join(known)[:300]}")
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
        for batch in read(reader, chunk, chunk.path, table.schema, table.row_filter):
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


def _check_counts(counts: dict[str, int], seen: int, split_by: str, split_key: str, row_filter: list) -> None:
    if not seen and row_filter:
        raise TaskError(f"no row passes row_filter {row_filter!r:.200}; change it, or wait for the data")
    if not seen:
        raise TaskError("input_uri has only headers and no rows; wait for the data, or correct the path")
    if empty := [name for name, count in counts.items() if not count]:
        by = f"split_by {split_by}" + (f" on {split_key!r}" if split_key else "")
        raise TaskError(f"Split {empty[0]!r} is empty: none of the {seen:,} rows belongs to it ({by}); change splits, or add rows")
