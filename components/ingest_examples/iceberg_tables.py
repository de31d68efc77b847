"""Iceberg's tables, through pyiceberg: `iceberg://CATALOG/NAMESPACE.TABLE` or `iceberg://METADATA_FILE`, with `?snapshot_id=`, `?ref=` or `?timestamp=`."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache, reduce
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import expressions as ice
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import S3_ENDPOINT, S3_REGION, SCHEMA_TO_FILE_IO
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.manifest import FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, StaticTable
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.utils.config import Config

from penstock.components.data.filesystems import absolute, minio_as_s3, s3_endpoint
from penstock.components.protocol import TaskError, redact

from .parquet_files import batches_of
from .row_filter import RowFilter
from .table_options import ICEBERG_METADATA, instant, time_of

SCHEMA_TO_FILE_IO["gs"] = [f"{__package__}.iceberg_cloud_storage.CloudStorage"]
OPTIONS = ("snapshot_id", "ref", "timestamp")
_FIELD_ID = b"PARQUET:field_id"
_COMPARISONS: dict[str, Callable[[str, Any], ice.BooleanExpression]] = {
    "=": ice.EqualTo,
    "!=": ice.NotEqualTo,
    "<": ice.LessThan,
    "<=": ice.LessThanOrEqual,
    ">": ice.GreaterThan,
    ">=": ice.GreaterThanOrEqual,
    "in": ice.In,
    "not in": ice.NotIn,
}


class IcebergSnapshot:
    """An Iceberg table at one snapshot, with the columns that it had then.

    Args:
        uri: The URI that names the table and the snapshot.
        table: The table.
        snapshot: The snapshot.

    Attributes:
        uri, source, schema, bytes, files, is_ordered, if_unreadable, if_lost: As `VersionedTable` has them.

    Raises:
        TaskError: The table needs what pyiceberg cannot read.
    """

    is_ordered = True
    if_unreadable = "rewrite the table's files (rewrite_data_files), or give access"
    if_lost = "the snapshot has expired; give a later one, and keep snapshots for longer (history.expire.max-snapshot-age-ms)"

    def __init__(self, uri: str, table: IcebergTable, snapshot: Snapshot) -> None:
        self.uri = uri
        self.source = {
            "format": "iceberg",
            "uri": redact(uri),
            "table_id": str(table.metadata.table_uuid),
            "snapshot_id": str(snapshot.snapshot_id),  # more digits than JSON's readers keep
            "committed": instant(snapshot.timestamp_ms),
        }
        self._table, self._snapshot = table, snapshot
        self._fields: Schema = table.scan(snapshot_id=snapshot.snapshot_id).projection()
        self.schema = schema_to_pyarrow(self._fields, include_field_ids=False)
        self._tasks = sorted(self._plan(ice.AlwaysTrue()), key=lambda task: task.file.file_path)
        self.bytes = sum(task.file.file_size_in_bytes for task in self._tasks)
        self.files = [task.file.file_path for task in self._tasks]
        self._passing = lru_cache(maxsize=1)(self._find_passing)

    def batches(self, number: int, columns: list[str], row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
        """As `VersionedTable.batches`.

        pyiceberg would hold the file in memory as a whole. It reads only those that are more than a Parquet file without deleted rows.
        """
        task = self._tasks[number]
        if task.file.file_path not in self._passing(row_filter):
            return
        if task.file.file_format == FileFormat.PARQUET and not task.delete_files:
            with self._table.io.new_input(task.file.file_path).open() as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                if (names := self._names(file.schema_arrow, columns)) is not None:
                    for batch in batches_of(file, list(filter(None, names.values()))):
                        yield pa.RecordBatch.from_arrays([self._column(batch, name, names[name]) for name in columns], columns)
                    return
        wanted = self._fields.select(*columns)
        for batch in ArrowScan(self._table.metadata, self._table.io, wanted, ice.AlwaysTrue()).to_record_batches([task]):
            yield batch.select(columns)

    def _names(self, file: pa.Schema, columns: list[str]) -> dict[str, str] | None:
        """Returns the names that columns have in a file, which Iceberg knows by number; empty for one that is younger than the file.

        None, if only pyiceberg knows: the file has no numbers, or the values are elsewhere.
        """
        known = {int(field.metadata[_FIELD_ID]): field.name for field in file if field.metadata and _FIELD_ID in field.metadata}
        partitioned = {field.source_id for spec in self._table.metadata.partition_specs for field in spec.fields}
        names = {}
        for name in columns:
            field = self._fields.find_field(name)
            if field.field_id not in known and (not known or field.initial_default is not None or field.field_id in partitioned):
                return None
            names[name] = known.get(field.field_id, "")
        return names

    def _column(self, batch: pa.RecordBatch, name: str, name_there: str) -> pa.Array:
        return batch.column(name_there) if name_there else pa.nulls(batch.num_rows, self.schema.field(name).type)

    def _find_passing(self, row_filter: RowFilter) -> set[str]:
        """Returns the files that may have rows which pass the filter."""
        conditions = [] if self._is_of_other_columns() else row_filter.values(self.schema)
        if not conditions:
            return set(self.files)
        expressions = [
            _COMPARISONS[word](column, value.tolist() if isinstance(value, pa.Array) else value.as_py())
            for column, word, value in conditions
        ]
        return {task.file.file_path for task in self._plan(reduce(ice.And, expressions, ice.AlwaysTrue()))}

    def _is_of_other_columns(self) -> bool:
        """Whether the table has other columns today, by whose names pyiceberg understands filters."""
        return self._snapshot.schema_id not in (None, self._table.metadata.current_schema_id)

    def _plan(self, expression: ice.BooleanExpression) -> list[FileScanTask]:
        try:
            return list(self._table.scan(expression, snapshot_id=self._snapshot.snapshot_id).plan_files())
        except (ValueError, NotImplementedError) as error:
            raise TaskError(
                f"{redact(self.uri)} cannot be read ({error}); rewrite the table's files without delete files (rewrite_data_files)"
            ) from error


def open_version(place: str, option: str, value: str) -> IcebergSnapshot:
    """Opens a table at the snapshot that an option names, or the current one.

    Raises:
        TaskError: There is no such catalog, table or snapshot, or it cannot be read.
    """
    if place.endswith(ICEBERG_METADATA):
        place = absolute(place)
        table = _from_file(place)
    else:
        table = _from_catalog(place)
    snapshot = _snapshot(table, place, option, value)
    return IcebergSnapshot(f"iceberg://{place}?snapshot_id={snapshot.snapshot_id}", table, snapshot)


def _from_file(place: str) -> IcebergTable:
    if place.startswith("lakefs://"):
        raise TaskError(
            f"{place} is Iceberg's metadata, which names files elsewhere; give the table by its catalog, iceberg://CATALOG/NAMESPACE.TABLE"
        )
    try:
        return StaticTable.from_metadata(minio_as_s3(place), _store())
    except FileNotFoundError:
        raise TaskError(f"there is no Iceberg metadata file {place}; correct input_uri") from None


def _from_catalog(place: str) -> IcebergTable:
    catalog, _, name = place.partition("/")
    if not catalog or "." not in name:
        raise TaskError(
            f"input_uri iceberg://{place} names no table; give iceberg://CATALOG/NAMESPACE.TABLE, or the path or URI of a file {ICEBERG_METADATA}"
        )
    from pyiceberg.catalog import load_catalog  # with all of its databases and services, which a metadata file does not need

    known = Config().get_catalog_config(catalog)
    if not known:
        variable = f"PYICEBERG_CATALOG__{catalog.upper()}__URI"
        raise TaskError(f"the Iceberg catalog {catalog!r} is not known; set {variable}, or describe it in .pyiceberg.yaml")
    try:
        return load_catalog(catalog, **_store() | known).load_table(name)
    except (NoSuchTableError, NoSuchNamespaceError):
        raise TaskError(f"the Iceberg catalog {catalog!r} has no table {name}; correct input_uri") from None


def _store() -> dict[str, str]:
    """Returns pyiceberg's properties of the S3 server that the environment names; without a region it would ask Amazon for the bucket's."""
    endpoint = s3_endpoint()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {S3_ENDPOINT: endpoint, S3_REGION: region} if endpoint else {}


def _snapshot(table: IcebergTable, place: str, key: str, value: str) -> Snapshot:
    known = table.metadata.snapshots
    if not known:
        raise TaskError(f"the Iceberg table {place} has no snapshot yet; wait for the first commit")
    if key == "snapshot_id":
        found = table.metadata.snapshot_by_id(int(value)) if value.isdecimal() else None
        some = ", ".join(f"{each.snapshot_id} of {instant(each.timestamp_ms)}" for each in known[-3:])
        cure = f"its latest are {some}; give one of its {len(known)}, or keep snapshots for longer"
    elif key == "ref":
        found = table.snapshot_by_name(value)
        cure = f"it has the branches and tags {', '.join(table.metadata.refs)[:300]}; give one of them"
    elif key == "timestamp":
        found = table.snapshot_as_of_timestamp(int(time_of(value).timestamp() * 1000))
        cure = f"its oldest is of {instant(min(each.timestamp_ms for each in known))}; give a later time"
    else:
        found = table.current_snapshot()
        cure = "its main branch is empty; name a branch with ?ref="
    if found is None:
        raise TaskError(f"the Iceberg table {place} has no snapshot for {key or 'main'} {value!r}: {cure}")
    return found
