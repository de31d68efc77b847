"""Delta Lake's tables, through delta-rs (deltalake): `delta://TABLE?version=3` or `?timestamp=2026-11-01T06:00:00Z`."""

import datetime
import json
from collections.abc import Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from penstock.components.data.filesystems import absolute, minio_as_s3, s3_endpoint
from penstock.components.protocol import TaskError, redact

from .parquet_files import batches_of
from .row_filter import RowFilter
from .table_options import instant, time_of

OPTIONS = ("version", "timestamp")
_SCHEMES = {"gcs": "gs", "s3a": "s3"}
_CURE = (
    "turn the feature off and rewrite the table (deletion vectors: REORG TABLE ... APPLY (PURGE), then ALTER TABLE ... DROP FEATURE"
    " deletionVectors), or export the rows as Parquet"
)


class DeltaVersion:
    """A Delta table at one version.

    Args:
        uri: The URI that names the table and the version.
        table: The table, loaded at that version.

    Attributes:
        uri, source, schema, bytes, files, is_ordered, if_unreadable, if_lost: As `VersionedTable` has them.

    Raises:
        TaskError: The table needs what deltalake cannot read.
    """

    is_ordered = True
    if_unreadable = "write the table's files again, give another version, or give access"
    if_lost = (
        "VACUUM removed what this version had; give a later version, and let VACUUM keep files for longer"
        " (delta.deletedFileRetentionDuration)"
    )

    def __init__(self, uri: str, table: DeltaTable) -> None:
        self.uri = uri
        self.source = {
            "format": "delta",
            "uri": redact(uri),
            "table_id": str(table.metadata().id),
            "version": table.version(),
        }
        try:
            self._dataset = table.to_pyarrow_dataset()
        except DeltaProtocolError as error:
            raise TaskError(f"{redact(uri)} cannot be read ({error}); {_CURE}") from error
        self.source["committed"] = _committed(self._dataset.filesystem, table.version())
        self.schema = self._dataset.schema
        # The log's own order changes with each of its checkpoints.
        self.files = sorted(self._dataset.files)
        self.bytes = sum(pa.table(table.get_add_actions()).column("size_bytes").to_pylist())
        self._passing = lru_cache(maxsize=1)(self._find_passing)

    def batches(self, number: int, columns: list[str], row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
        """As `VersionedTable.batches`."""
        path = self.files[number]
        found = self._passing(row_filter).get(path)
        if found is None:
            return
        known = ds.get_partition_keys(found)
        with pq.ParquetFile(self._dataset.filesystem.open_input_file(path), pre_buffer=False) as file:
            for batch in batches_of(file, [name for name in columns if name in file.schema_arrow.names]):
                yield pa.RecordBatch.from_arrays([self._column(batch, name, known) for name in columns], columns)

    def _find_passing(self, row_filter: RowFilter) -> dict[str, ds.Expression]:
        """Returns the files that may have rows which pass the filter, each with what is known of all its rows."""
        fragments = self._dataset.get_fragments(row_filter.expression(self.schema))
        return {fragment.path: fragment.partition_expression for fragment in fragments}

    def _column(self, batch: pa.RecordBatch, name: str, known: dict) -> pa.Array:
        """Returns a column of a file, which its folders may tell, or which may be younger than the file."""
        if name in batch.schema.names:
            return batch.column(name).cast(self.schema.field(name).type)  # the table's type may have been widened since
        return pa.repeat(pa.scalar(known.get(name), self.schema.field(name).type), batch.num_rows)


def open_version(place: str, option: str, value: str) -> DeltaVersion:
    """Opens a table at the version that an option names, or the latest.

    Raises:
        TaskError: There is no such table or version, or it cannot be read.
    """
    place = absolute(place)
    try:
        table = DeltaTable(*_location(place))
    except TableNotFoundError:
        raise TaskError(f"there is no Delta table at {place}; correct input_uri, or wait for the first commit") from None
    time = time_of(value) if option == "timestamp" else None
    if time:
        table.load_as_version(time)
    elif option == "version":
        _load(table, place, value)
    opened = DeltaVersion(f"delta://{place}?version={table.version()}", table)
    if time:
        _check_age(opened, time)
    return opened


def _location(place: str) -> tuple:
    """Returns what deltalake opens a table with: its URI, the version (the latest), and the options of its store."""
    scheme, mark, rest = minio_as_s3(place).partition("://")
    scheme = _SCHEMES.get(scheme, scheme)
    if scheme == "lakefs":
        from penstock.components.data.lakefs import server

        endpoint, key_id, secret = server()
        options = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, "aws_region": "us-east-1"}
        return f"s3://{rest}", None, options | _endpoint(endpoint)
    endpoint = s3_endpoint()
    return f"{scheme}{mark}{rest}", None, _endpoint(endpoint) if scheme == "s3" and endpoint else {}


def _endpoint(url: str) -> dict[str, str]:
    return {"aws_endpoint": url, "aws_allow_http": str(url.startswith("http://")).lower()}


def _load(table: DeltaTable, place: str, version: str) -> None:
    latest = table.version()
    if not version.isdecimal() or int(version) > latest:
        raise TaskError(f"the Delta table {place} has no version {version!r}: its latest is {latest}; give a number up to that")
    try:
        table.load_as_version(int(version))
    except DeltaError as error:
        raise TaskError(
            f"version {version} of the Delta table {place} is no longer in its log ({error}); give a later version up to {latest}, and let"
            " the log last longer (delta.logRetentionDuration)"
        ) from error


def _check_age(opened: DeltaVersion, time: datetime.datetime) -> None:
    """Makes sure that a table's version was there at a time; deltalake gives the oldest one for any time before it."""
    committed = opened.source["committed"]
    if committed and datetime.datetime.fromisoformat(committed) > time:
        raise TaskError(f"{redact(opened.uri)} is the oldest version, of {committed}, after {time.isoformat()}; give a later timestamp")


def _committed(filesystem: pa.fs.FileSystem, version: int) -> str:
    """Returns when a version was committed, in UTC; empty if its commit is no longer in the log, or does not tell."""
    try:
        with filesystem.open_input_file(f"_delta_log/{version:020}.json") as file:
            actions = [json.loads(line) for line in file.read().splitlines()]
    except FileNotFoundError:
        return ""
    commit: dict = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    milliseconds = commit.get("inCommitTimestamp", commit.get("timestamp"))
    return "" if milliseconds is None else instant(milliseconds)
