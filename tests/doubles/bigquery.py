"""BigQuery for its own clients: the Storage Read API over gRPC, and of the REST API what tables and queries need.

REST's client finds it through `BIGQUERY_EMULATOR_HOST`. That of the Storage Read API knows one address, `bigquerystorage.googleapis.com`: gRPC
asks for it through the proxy that `https_proxy` names, and trusts the certificates that `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH` names.

It understands no SQL but the conditions of `row_restriction`, of which SQLite makes sense. A test says what a query gives.
"""

import ast
import datetime
import random
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1 import types

from ..certificate import write_certificate
from .vertex.errors import ApiError
from .vertex.identity import Identity
from .vertex.web import Answer, Question, WebServer

PROJECT = "my-project"
_HOST = "bigquerystorage.googleapis.com"
_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
# https://cloud.google.com/bigquery/docs/time-travel: "any point within the last seven days"
_WINDOW = datetime.timedelta(days=7)
# https://cloud.google.com/bigquery/docs/cached-results#limitations: results stay in an anonymous dataset, whose name starts with an underscore
_ANONYMOUS = "_f00d"


def now() -> datetime.datetime:
    """Returns the time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


@dataclass
class Table:
    """A table.

    Attributes:
        versions: Its rows since each time, in order of time.
        kind: What the REST API calls `type`: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables.
        requires_filter: Whether it has `requirePartitionFilter`.
    """

    versions: dict[datetime.datetime, pa.Table]
    kind: str = "TABLE"
    requires_filter: bool = False

    def at(self, time: datetime.datetime) -> pa.Table:
        """Returns its rows at a time."""
        return [rows for since, rows in self.versions.items() if since <= time][-1]


@dataclass
class BigQuery:
    """One project. Use it as a context manager.

    Args:
        folder: Where the certificate and the credentials lie.

    Attributes:
        tables: The tables, by `PROJECT.DATASET.TABLE`.
        results: What queries give, by their SQL; any other is invalid.
        denied: The permissions that the caller lacks.
        interruptions: After how many responses streams break, once each: https://cloud.google.com/bigquery/docs/reference/storage/libraries,
            whose client asks again from the next row.
        sessions: The sessions that were asked for.
        queries: The queries that ran.
        variables: The environment that leads clients here.
    """

    folder: Path
    tables: dict[str, Table] = field(default_factory=dict)
    results: dict[str, pa.Table] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    interruptions: list[int] = field(default_factory=list)
    sessions: list[types.CreateReadSessionRequest] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "BigQuery":
        """Starts it."""
        self._identity = Identity(self.folder, PROJECT)
        self._streams: dict[str, pa.Table] = {}
        self._server = grpc.server(ThreadPoolExecutor(32))
        self._server.add_generic_rpc_handlers([self._methods()])
        certificate, key = write_certificate(self.folder, _HOST)
        port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
        self._server.start()
        self._rest = WebServer(0, self._answer)
        self._proxy = _Proxy(port)
        self.variables = {
            "BIGQUERY_EMULATOR_HOST": f"http://{self._rest.address}",
            "https_proxy": f"http://127.0.0.1:{self._proxy.server_address[1]}",
            "no_proxy": "localhost,127.0.0.1",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._identity.key_file),
        }
        return self

    def __exit__(self, *_: Any) -> None:
        """Stops it."""
        self._server.stop(0)
        self._proxy.shutdown()
        self._proxy.server_close()
        self._rest.close()
        self._identity.close()

    def reset(self) -> None:
        """Forgets tables, results, denials and what was asked."""
        for known in (self.tables, self.results, self.denied, self.interruptions, self.sessions, self.queries, self._streams):
            known.clear()

    # The Storage Read API: https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1

    def _methods(self) -> grpc.GenericRpcHandler:
        def checked(answer: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Any:
                try:
                    self._identity.check(str(dict(context.invocation_metadata()).get("authorization", "")))
                except ApiError as error:
                    context.abort(error.code, error.message)
                return answer(request, context)

            return call

        return grpc.method_handlers_generic_handler(
            _SERVICE,
            {
                "CreateReadSession": grpc.unary_unary_rpc_method_handler(
                    checked(self._create_session), types.CreateReadSessionRequest.deserialize, types.ReadSession.serialize
                ),
                "ReadRows": grpc.unary_stream_rpc_method_handler(
                    checked(self._read_rows), types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
                ),
            },
        )

    def _create_session(self, request: types.CreateReadSessionRequest, context: grpc.ServicerContext) -> types.ReadSession:
        """Divides a table among streams, another way each time: which row is in which is not promised, nor their order."""
        self.sessions.append(request)
        project = request.parent.removeprefix("projects/")
        # https://cloud.google.com/bigquery/docs/reference/storage#permissions
        if "bigquery.readsessions.create" in self.denied:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"request failed: the user does not have 'bigquery.readsessions.create' permission for 'projects/{project}'",
            )
        session = request.read_session
        _, table_project, _, dataset, _, name = session.table.split("/")
        table = self.tables.get(f"{table_project}.{dataset}.{name}")
        if table is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"request failed: Not found: Table {table_project}:{dataset}.{name}")
        # https://cloud.google.com/bigquery/docs/reference/storage#limitations
        if table.kind not in ("TABLE", "SNAPSHOT"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "request failed: non-table entities cannot be read with the storage API")
        rows = self._rows(session, table, f"{table_project}:{dataset}.{name}", context)
        number = len(self.sessions)
        path = f"{request.parent}/locations/us/sessions/{number}"
        chosen = random.Random(number)
        order = chosen.sample(range(rows.num_rows), rows.num_rows)
        # "The number of streams may be lower than the requested number"; a table without rows has none
        count = min(request.max_stream_count or 4, 3, rows.num_rows)
        streams = [f"{path}/streams/{stream}" for stream in range(count)]
        for stream, name in enumerate(streams):
            self._streams[name] = rows.take(order[stream::count]).combine_chunks()
        return types.ReadSession(
            name=path,
            data_format=types.DataFormat.ARROW,
            arrow_schema=types.ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes()),
            table=session.table,
            streams=[types.ReadStream(name=name) for name in streams],
            estimated_total_bytes_scanned=rows.nbytes,
        )

    def _rows(self, session: types.ReadSession, table: Table, name: str, context: grpc.ServicerContext) -> pa.Table:
        def refuse(message: str) -> None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"request failed: {message}")

        assert session.data_format == types.DataFormat.ARROW
        # "If not set, interpreted as now."
        time = session.table_modifiers.snapshot_time or now()
        oldest = max(next(iter(table.versions)), now() - _WINDOW)
        if not oldest <= time <= now():
            at, before = (int(each.timestamp() * 1000) for each in (time, oldest))
            refuse(f"Invalid snapshot time {at} for table {name}@{at}. Cannot read before {before}.")
        rows, options = table.at(time), session.read_options
        # https://cloud.google.com/bigquery/docs/querying-partitioned-tables#require_a_partition_filter_in_queries
        if table.requires_filter and not options.row_restriction:
            refuse(f"Cannot query over table '{name}' without a filter over column(s) 'day' that can be used for partition elimination")
        if options.row_restriction:
            try:
                rows = rows.take(pa.array(_passing(rows, options.row_restriction), pa.int64()))
            except sqlite3.Error as error:
                refuse(f"Failed to parse row restriction: {error}")
        if unknown := [field for field in options.selected_fields if field not in rows.column_names]:
            refuse(f"The following selected fields do not exist in the table schema: {', '.join(unknown)}")
        # "The order of the fields in the read session schema is derived from the table schema"
        return rows.select([column for column in rows.column_names if column in options.selected_fields] or rows.column_names)

    def _read_rows(self, request: types.ReadRowsRequest, context: grpc.ServicerContext) -> Iterator[types.ReadRowsResponse]:
        """Sends a stream's rows from an offset, which says how many rows of it the client has."""
        if "bigquery.readsessions.getData" in self.denied:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"there was an error operating on '{request.read_stream}': the user does not have 'bigquery.readsessions.getData' permission",
            )
        rows = self._streams[request.read_stream].slice(request.offset)
        breaks_after = self.interruptions.pop() if self.interruptions else None
        for number, batch in enumerate(rows.to_batches(max_chunksize=7)):
            if number == breaks_after:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is draining")
            yield types.ReadRowsResponse(
                row_count=batch.num_rows,
                arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
                # only the first message has it, and a stream without rows sends none
                arrow_schema=types.ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes()) if not number else None,
            )

    # The REST API: https://cloud.google.com/bigquery/docs/reference/rest

    def _answer(self, question: Question) -> Answer | None:
        if question.method == "POST" and re.fullmatch(r"/bigquery/v2/projects/[^/]+/jobs", question.path):
            return self._insert(question.path.split("/")[4], question.body)
        if table := re.fullmatch(r"/bigquery/v2/projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)", question.path):
            return self._get_table(*table.groups())
        if job := re.fullmatch(r"/bigquery/v2/projects/([^/]+)/(?:queries|jobs)/([^/]+)", question.path):
            return Answer(200, self._job(*job.groups()))
        return None

    def _get_table(self, project: str, dataset: str, name: str) -> Answer:
        """Describes a table; what it refuses is in https://cloud.google.com/bigquery/docs/error-messages."""
        table = self.tables.get(f"{project}.{dataset}.{name}")
        if "bigquery.tables.get" in self.denied:
            permission = f"Permission bigquery.tables.get denied on table {project}:{dataset}.{name} (or it may not exist)."
            return _refusal(403, "accessDenied", f"Access Denied: Table {project}:{dataset}.{name}: {permission}")
        if table is None:
            return _refusal(404, "notFound", f"Not found: Table {project}:{dataset}.{name}")
        made, *_ = (str(int(time.timestamp() * 1000)) for time in table.versions)
        # https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#SnapshotDefinition: the time of the rows, before that of the copy
        copied = (next(iter(table.versions)) - datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        base = {"projectId": project, "datasetId": dataset, "tableId": "base"}
        return Answer(
            200,
            {
                "kind": "bigquery#table",
                "id": f"{project}:{dataset}.{name}",
                "tableReference": {"projectId": project, "datasetId": dataset, "tableId": name},
                "type": table.kind,
                "requirePartitionFilter": table.requires_filter,
                "creationTime": made,
            }
            | ({"snapshotDefinition": {"baseTableReference": base, "snapshotTime": copied}} if table.kind == "SNAPSHOT" else {}),
        )

    def _insert(self, project: str, body: dict[str, Any]) -> Answer:
        if "bigquery.jobs.create" in self.denied:
            message = f"Access Denied: Project {project}: User does not have bigquery.jobs.create permission in project {project}."
            return _refusal(403, "accessDenied", message)
        query = body["configuration"]["query"]["query"]
        self.queries.append(query)
        if query in self.results:
            # https://cloud.google.com/bigquery/docs/cached-results: the same query has the same result for 24 hours
            name = f"{project}.{_ANONYMOUS}.anon{list(self.results).index(query)}"
            self.tables.setdefault(name, Table({now(): self.results[query]}))
        return Answer(200, self._job(project, body["jobReference"]["jobId"]))

    def _job(self, project: str, identity: str) -> dict[str, Any]:
        query = self.queries[-1]
        error = {"reason": "invalidQuery", "message": f"Syntax error: Unexpected {query.split()[0]}", "location": "query"}
        known = list(self.results).index(query) if query in self.results else None
        destination = {"projectId": project, "datasetId": _ANONYMOUS, "tableId": f"anon{known}"}
        return {
            "kind": "bigquery#job",
            "jobReference": {"projectId": project, "jobId": identity, "location": "US"},
            "status": {"state": "DONE"} | ({"errorResult": error, "errors": [error]} if known is None else {}),
            "configuration": {"jobType": "QUERY", "query": {"query": query, "destinationTable": destination}},
            "statistics": {"query": {"statementType": "SELECT"}},
            # of queries.get
            "jobComplete": True,
            "totalRows": "0",
            "schema": {"fields": []},
        }


def _refusal(code: int, reason: str, message: str) -> Answer:
    return Answer(
        code, {"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message, "domain": "global"}]}}
    )


def _passing(rows: pa.Table, restriction: str) -> list[int]:
    """Returns the numbers of the rows for which a condition in SQL holds.

    Raises:
        sqlite3.Error: It is no SQL, or names another column.
    """
    with sqlite3.connect(":memory:") as database:
        columns = ", ".join(f"`{name}`" for name in rows.column_names)
        database.execute(f"CREATE TABLE rows ({columns})")
        values = [[_plain(row[name]) for name in rows.column_names] for row in rows.to_pylist()]
        database.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * rows.num_columns)})", values)
        found = database.execute(f"SELECT rowid - 1 FROM rows WHERE {_for_sqlite(restriction)} ORDER BY rowid")
        return [number for (number,) in found]


def _plain(value: Any) -> Any:
    """Returns a value as one that SQLite compares as BigQuery does."""
    if isinstance(value, datetime.datetime):
        return (
            value.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")
            if value.tzinfo
            else value.isoformat(timespec="microseconds")
        )
    if isinstance(value, datetime.date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else repr(value) if isinstance(value, (list, dict)) else value


def _for_sqlite(restriction: str) -> str:
    """Rewrites literals: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#literals."""
    readers: dict[str, Callable[[str], Any]] = {
        "": str,
        "DATE": datetime.date.fromisoformat,
        "DATETIME": datetime.datetime.fromisoformat,
        "TIMESTAMP": datetime.datetime.fromisoformat,
        "NUMERIC": Decimal,
        "BIGNUMERIC": Decimal,
    }

    def literal(match: re.Match[str]) -> str:
        value = _plain(readers[match[1] or ""](ast.literal_eval(match[2])))
        return repr(value) if isinstance(value, float) else "'" + value.replace("'", "''") + "'"

    return re.sub(rf"(?:\b({'|'.join(filter(None, readers))}) )?(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", literal, restriction)


class _Proxy(ThreadingTCPServer):
    """An HTTP proxy whose every connection leads to one port."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.port = port
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Tunnel(StreamRequestHandler):
    rbufsize = 0
    server: _Proxy

    def handle(self) -> None:
        """RFC 9110, 9.3.6: CONNECT."""
        asked = self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        if asked.split()[:2] != [b"CONNECT", f"{_HOST}:443".encode()]:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.port)) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # either has gone
