"""Tables with versions: what ingest_examples reads of Delta Lake, Iceberg and BigQuery, each at one version, as Arrow batches.

A URI names a table and its version: `SCHEME://TABLE?version=3`, in each format's own words. The latest version is looked up once; from
then on the task, its workers and its metadata speak of that number, and a table that moves on while it is read changes nothing.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from penstock.components.data.filesystems import explaining
from penstock.components.protocol import TaskError, redact
from penstock.components.protocol.executor import importing

from .columns import schema_from_text, schema_to_text
from .row_filter import RowFilter
from .table_options import option_of

# The module of each scheme, which imports its library: only what is read is loaded.
FORMATS = {"delta": ".delta_tables", "iceberg": ".iceberg_tables", "bigquery": ".bigquery_tables"}


class VersionedTable(Protocol):
    """A table at one version.

    Attributes:
        uri: What names it, and exactly this version.
        source: What the metadata says of the version, as JSON values.
        schema: The types of its columns.
        bytes: How large its files are.
        files: Its files, which can be read apart, always in the same order.
        is_ordered: Whether a file's rows always come in the same order.
        if_unreadable: What to do if a file cannot be read.
        if_lost: Why a file may be gone, and what to do then.
    """

    uri: str
    source: dict[str, Any]
    schema: pa.Schema
    bytes: int
    files: list[str]
    is_ordered: bool
    if_unreadable: str
    if_lost: str

    def batches(self, number: int, columns: list[str], row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
        """Reads a file, unless its statistics say that no row of it passes the filter; rows that do not may be among them.

        Raises:
            FileNotFoundError: The file is gone.
        """


_opened: dict[str, VersionedTable] = {}


def opened(uri: str) -> VersionedTable:
    """Returns the table that a URI with a version names, which this process opens once."""
    return _opened.get(uri) or open_table(uri)


def open_table(uri: str) -> VersionedTable:
    """Opens the table that a URI names, at the version that it names, or the latest.

    Raises:
        TaskError: There is no such table or version, it needs what its library does not support, or there is no access.
    """
    scheme, _, rest = uri.partition("://")
    with importing():
        module = importlib.import_module(FORMATS[scheme], __package__)
    option, value = option_of(uri, module.OPTIONS)
    with explaining(f"the table {redact(uri)} cannot be opened", "correct input_uri or give access"):
        table: VersionedTable = module.open_version(rest.partition("?")[0], option, value)
    _opened.clear()  # a task reads one
    _opened[table.uri] = table
    return table


class TableReader:
    """Reads a table through its format's library. As a `Reader`, it takes the table's URI for a path.

    Args:
        row_filter: What the rows must be, which is pushed down as far as the format can.

    Attributes:
        takes_uris: As `Reader` has it.
    """

    takes_uris = True

    def __init__(self, row_filter: RowFilter) -> None:
        self._row_filter = row_filter

    def look(self, path: Path | str) -> dict[str, Any]:
        """Returns a table's own types, and the number of its files."""
        table = opened(str(path))
        return {"schema": schema_to_text(table.schema), "chunks": len(table.files), "how": {}}

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the table's types."""
        return [schema_from_text(look["schema"]) for look in looks.values()]

    def batches(self, path: Path | str, _: dict[str, Any], __: pa.Schema, wanted: pa.Schema, chunk: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns of a table, or of one of its files.

        Raises:
            TaskError: A file is gone, or cannot be read.
        """
        table = opened(str(path))
        for number in range(len(table.files)) if chunk is None else [chunk]:
            with _reading(table, number):
                yield from table.batches(number, wanted.names, self._row_filter)


@contextmanager
def _reading(table: VersionedTable, number: int) -> Iterator[None]:
    try:
        with explaining(f"{redact(table.uri)} cannot be read", table.if_unreadable, FileNotFoundError):
            yield
    except FileNotFoundError as error:
        raise TaskError(f"{redact(table.uri)} has lost its file {table.files[number]}: {table.if_lost}") from error
