"""The work of retrieve_features."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data.entity_rows import entity_rows
from penstock.components.data.examples import SplitWriter, read_file, read_schema, split_files, split_names
from penstock.components.data.feature_repository import open_repository
from penstock.components.data.feature_service import Features
from penstock.components.protocol import Input, Output, TaskError, figure
from penstock.components.protocol.folders import folder_bytes

from .tables import unchanged

# The end of the year 9999. Milliseconds are beyond it, and would be after every event.
_LATEST = 253_402_300_799


class Outputs(NamedTuple):
    """The output parameters of retrieve_features."""

    rows: int


def retrieve_features(
    examples: Input,
    examples_with_features: Output,
    feature_repository: str,
    feature_service: str,
    timestamp_column: str,
    filter_by_created_timestamp: bool = True,
    full_feature_names: bool = False,
    exclude_columns: list = [],  # noqa: B006 - the interface's default
) -> Outputs:
    """Adds features to Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The repository, the Examples or a parameter cannot be used, a row was lost, or a table changed meanwhile.
    """
    examples.require_written()
    with open_repository(feature_repository) as repository:
        features = Features(repository, feature_service, full_feature_names, filter_by_created_timestamp)
        schemas = {split: read_schema(examples.path, split) for split in split_names(examples.path)}
        for split, schema in schemas.items():
            _check_columns(schema, f"Split {split!r} of the Examples", features, timestamp_column, exclude_columns)
        counts = {}
        with unchanged(features.tables) as versions:
            for split, schema in schemas.items():
                kept = pa.schema([field for field in [*schema, *features.schema] if field.name not in exclude_columns])
                with SplitWriter(examples_with_features.path, split, kept) as writer:
                    for file in split_files(examples.path, split):
                        _add(file, f"Split {split!r}", features, timestamp_column, writer, kept)
                counts[split] = writer.rows
        lineage = {"feature_repository": repository.files.sha256, "feature_service": feature_service, "feature_tables": versions}
    total = sum(counts.values())
    examples_with_features.metadata |= examples.metadata | {
        "splits": counts,
        "rows": total,
        "bytes": folder_bytes(examples_with_features.path),
        "source": examples.metadata.get("source", {}) | lineage,
    }
    figure(f"{total:,} rows with {len(features.schema)} features")
    return Outputs(total)


def _check_columns(schema: pa.Schema, what: str, features: Features, timestamp_column: str, exclude_columns: list) -> None:
    has = f"it has: {', '.join(schema.names)}"[:300]
    if missing := [name for name in features.keys.names if name not in schema.names]:
        raise TaskError(f"{what} has no column {missing[0]!r}, which the features need; ingest it under this name ({has})")
    if timestamp_column not in schema.names:
        raise TaskError(f"{what} has no timestamp_column {timestamp_column!r} ({has}); name the column with the times of the rows")
    if (kind := schema.field(timestamp_column).type) != pa.int64():
        raise TaskError(
            f"timestamp_column {timestamp_column!r} of {what} is {kind}, not int64 with Unix seconds; ingest it as a timestamp or date"
        )
    if twice := [name for name in features.schema.names if name in schema.names]:
        raise TaskError(f"{what} already has a column {twice[0]!r}; leave it out in ingest_examples, or set full_feature_names")
    if unknown := [name for name in exclude_columns if name not in (*schema.names, *features.schema.names)]:
        raise TaskError(f"exclude_columns names {unknown[0]!r}, which is neither a column of {what} nor a feature ({has})")


def _add(file: Path, what: str, features: Features, timestamp_column: str, writer: SplitWriter, kept: pa.Schema) -> None:
    """Writes the rows of one file with their features."""
    columns = list(dict.fromkeys([*features.keys.names, timestamp_column]))
    batches = read_file(file, columns)
    first = next(batches, None)
    if first is None:
        return
    needed = pa.Table.from_batches([first, *batches])
    found = features.at(entity_rows(needed.select(features.keys.names), _times(needed, timestamp_column, what)), what)
    start = 0
    for rows in read_file(file):
        added = found.slice(start, rows.num_rows)
        values = dict(zip([*rows.schema.names, *added.column_names], [*rows.columns, *added.columns], strict=True))
        writer.write(pa.Table.from_arrays([values[name] for name in kept.names], schema=kept))
        start += rows.num_rows
    figure(f"{writer.rows:,} rows of {what} with features")


def _times(rows: pa.Table, timestamp_column: str, what: str) -> pa.ChunkedArray:
    times = rows[timestamp_column]
    if times.null_count:
        raise TaskError(
            f"{times.null_count:,} rows of {what} have no {timestamp_column}; leave them out with the row_filter of ingest_examples"
        )
    if rows.num_rows and (latest := pc.max(times).as_py()) > _LATEST:
        raise TaskError(f"{timestamp_column} is {latest} in {what}, which is after the year 9999; give Unix seconds, not milliseconds")
    return times.cast(pa.timestamp("s")).cast(pa.timestamp("us", "UTC"))
