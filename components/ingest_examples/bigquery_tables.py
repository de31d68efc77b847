"""BigQuery's tables, through its Storage Read API: `bigquery://PROJECT.DATASET.TABLE` with `?timestamp=`, or `bigquery://PROJECT?query=SELECT ...`.

`bigquery://READER/PROJECT.DATASET.TABLE` is a table that is read in another project, which pays for reading.

The API: https://cloud.google.com/bigquery/docs/reference/storage
"""

import datetime
import json
import re
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any, TypeVar, cast

import google.auth
import pyarrow as pa
import pyarrow.types as pt
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from penstock.components.protocol import TaskError

from .row_filter import RowFilter
from .table_options import time_of

OPTIONS = ("timestamp", "query")
_TABLE = re.compile(r"([a-z0-9:.-]+)\.(\w+)\.([^.`$@]+)")
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
# Each holds one response, a few megabytes.
_STREAMS = 8
_WITH_TIME_TRAVEL = ("TABLE", "SNAPSHOT")

T = TypeVar("T")


class BigQuerySnapshot:
    """A table of BigQuery as it was at one time.

    Args:
        place: What names it in a URI.
        reader: The client of the Storage Read API.
        project: The project in which the table is read, and which pays for that.
        table: The table.
        time: The time; None for a table that does not change.
        source: What is known of the version besides.

    Attributes:
        uri, source, schema, bytes, files, is_ordered, if_unreadable, if_lost: As `VersionedTable` has them.

    Raises:
        TaskError: The table was not there then, or there is no access.
    """

    is_ordered = False
    if_unreadable = "run the task again"
    if_lost = ""

    def __init__(
        self,
        place: str,
        reader: BigQueryReadClient,
        project: str,
        table: bigquery.Table,
        time: datetime.datetime | None,
        source: dict[str, str],
    ) -> None:
        name = str(table.reference)
        at = (time or _made(table)).isoformat()
        self.uri = f"bigquery://{place}" + (f"?timestamp={at}" if time else "")
        self.source: dict[str, Any] = {"format": "bigquery", "uri": self.uri, "table_id": name, "snapshot_time": at} | source
        self.files = [name]
        self._reader, self._project, self._table, self._time = reader, project, table, time
        try:
            with self._reading():
                session = self._session([], "")
        except BadRequest as error:
            raise TaskError(
                f"BigQuery cannot read {name} as it was at {at} ({_said(error)}); give a later timestamp, or set this machine's clock if that"
                " is now: a table's past is kept for seven days at most (max_time_travel_hours), a table snapshot as long as you like"
            ) from error
        self.schema = _schema(session)
        self.bytes = session.estimated_total_bytes_scanned

    def batches(self, number: int, columns: list[str], row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
        """As `VersionedTable.batches`; the order of the rows is another one each time."""
        with self._reading():
            session = self._session(columns, _restriction(row_filter, self.schema))
            schema = _schema(session)
            for response in _side_by_side([iter(self._reader.read_rows(stream.name)) for stream in session.streams]):
                found = pa.py_buffer(response.arrow_record_batch.serialized_record_batch)
                yield pa.ipc.read_record_batch(found, schema).select(columns)

    def _reading(self) -> AbstractContextManager[None]:
        name = self._table.reference
        roles = f"roles/bigquery.readSessionUser in the project {self._project}, or name yours: bigquery://PROJECT/{name}"
        return _explaining(f"{name} cannot be read", roles)

    def _session(self, columns: list[str], restriction: str) -> ReadSession:
        wanted = ReadSession(
            table=self._table.reference.to_bqstorage(),
            data_format=DataFormat.ARROW,
            read_options=ReadSession.TableReadOptions(selected_fields=columns, row_restriction=restriction),
            table_modifiers=ReadSession.TableModifiers(snapshot_time=self._time),
        )
        return self._reader.create_read_session(parent=f"projects/{self._project}", read_session=wanted, max_stream_count=_STREAMS)


def open_version(place: str, option: str, value: str) -> BigQuerySnapshot:
    """Opens a table as it was at the time that an option names, or as it is now, or the result of a query.

    Raises:
        TaskError: There is no such table or time, it cannot be read, or the query fails.
    """
    if option == "query":
        return _result(place, value)
    return _table(place, time_of(value) if option == "timestamp" else None)


def _result(project: str, query: str) -> BigQuerySnapshot:
    """Runs a query, and opens its result."""
    credentials = _credentials()
    with bigquery.Client(project, credentials) as client:
        job = _run(client, query)
        table = _find(client, job.destination)
    known = {"job_id": f"{job.project}:{job.location}.{job.job_id}", "query": query}
    return BigQuerySnapshot(str(table.reference), BigQueryReadClient(credentials=credentials), project, table, None, known)


def _table(place: str, asked: datetime.datetime | None) -> BigQuerySnapshot:
    """Opens a table as it was at a time; None: as it is now."""
    reading, _, name = place.rpartition("/")
    if (parts := _TABLE.fullmatch(name)) is None:
        raise TaskError(
            f"input_uri bigquery://{place} names no table; give bigquery://PROJECT.DATASET.TABLE, or bigquery://PROJECT?query=SELECT ..."
        )
    project, credentials = reading or parts[1], _credentials()
    with bigquery.Client(project, credentials) as client:
        table = _find(client, bigquery.TableReference.from_string(name))
    # Neither do table snapshots change, nor what queries leave, which is in hidden datasets.
    is_constant = table.table_type == "SNAPSHOT" or table.dataset_id.startswith("_")
    latest = None if is_constant else datetime.datetime.now(datetime.timezone.utc)
    return BigQuerySnapshot(place, BigQueryReadClient(credentials=credentials), project, table, asked or latest, {})


def _credentials() -> Credentials:
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except GoogleAuthError as error:
        raise _no_credentials(error) from error
    return credentials


def _run(client: bigquery.Client, query: str) -> bigquery.QueryJob:
    with _explaining(
        "the query in input_uri cannot run",
        f"roles/bigquery.jobUser in the project {client.project}, and roles/bigquery.dataViewer on its tables",
    ):
        try:
            job = client.query(query)
            job.result()
        except (BadRequest, NotFound) as error:
            raise TaskError(f"the query in input_uri fails ({_said(error)}); correct it") from error
    if job.destination is None or job.statement_type != "SELECT":
        raise TaskError(f"the query in input_uri is a {job.statement_type}, which has no rows; give one SELECT")
    return job


def _find(client: bigquery.Client, reference: bigquery.TableReference) -> bigquery.Table:
    """Returns what BigQuery says of a table that the Storage Read API can read at a time.

    Raises:
        TaskError: There is none, or it is of another kind.
    """
    with _explaining(f"{reference} cannot be found", "roles/bigquery.dataViewer on its dataset"):
        try:
            table = client.get_table(reference)
        except NotFound:
            raise TaskError(
                f"there is no table {reference} in BigQuery; correct input_uri (the result of a query is kept for a day: run it again)"
            ) from None
    instead = f"give a query: bigquery://{client.project}?query=SELECT ... FROM `{reference}`"  # noqa: S608 - an example
    if table.table_type not in _WITH_TIME_TRAVEL:
        raise TaskError(f"{reference} is a {table.table_type}, which BigQuery's Storage Read API cannot read at a time; {instead}")
    if table.require_partition_filter:
        raise TaskError(f"{reference} is read only with a filter on its partitions (require_partition_filter); {instead} WHERE ...")
    return table


def _made(table: bigquery.Table) -> datetime.datetime:
    """Returns since when a table that does not change has been what it is."""
    copied = table.snapshot_definition
    return cast(datetime.datetime, copied.snapshot_time if copied else table.created)


def _schema(session: ReadSession) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))


@contextmanager
def _explaining(problem: str, roles: str) -> Iterator[None]:
    """Says which roles are missing, or that the credentials are no good."""
    try:
        yield
    except Forbidden as error:
        raise TaskError(f"{problem} ({_said(error)}); grant {roles}") from error
    except GoogleAuthError as error:
        raise _no_credentials(error) from error


def _no_credentials(error: GoogleAuthError) -> TaskError:
    return TaskError(
        f"there are no credentials for BigQuery ({_said(error)}); run with a service account, or set GOOGLE_APPLICATION_CREDENTIALS"
    )


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", error)).split())[:300]


def _restriction(row_filter: RowFilter, schema: pa.Schema) -> str:
    """Returns the conditions in SQL, without those on what is text in Arrow only: GEOGRAPHY and JSON."""
    conditions = row_filter.values(schema)
    return " AND ".join(
        f"`{column}` {word.upper()} {_literal(value.to_pylist() if isinstance(value, pa.Array) else value.as_py())}"
        for column, word, value in conditions
        if not (pt.is_string(schema.field(column).type) and schema.field(column).metadata)
    )


def _literal(value: Any) -> str:
    """Writes a value in SQL: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#literals."""
    if isinstance(value, list):
        return f"({', '.join(map(_literal, value))})"
    if isinstance(value, datetime.datetime):
        return f"{'TIMESTAMP' if value.tzinfo else 'DATETIME'} '{value.isoformat()}'"
    if isinstance(value, datetime.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, Decimal):
        return f"BIGNUMERIC '{value}'"
    return json.dumps(value, ensure_ascii=False)  # its escapes, numbers, true and false are SQL's as well


def _side_by_side(streams: list[Iterator[T]]) -> Iterator[T]:
    """Yields what several iterators have, each of which fetches one element ahead."""
    with ThreadPoolExecutor(max(1, len(streams))) as pool:
        fetching = {pool.submit(next, stream, None): stream for stream in streams}
        while fetching:
            for future in wait(fetching, return_when=FIRST_COMPLETED).done:
                stream = fetching.pop(future)
                if (element := future.result()) is not None:
                    fetching[pool.submit(next, stream, None)] = stream
                    yield element
