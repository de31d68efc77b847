"""Tables with versions: what ingest_examples reads of Delta Lake and Iceberg, each at one version, as Arrow batches.

A URI names a table and its version: `SCHEME://TABLE?version=3`, in each format's own words. The latest version is looked up once; from
then on the task, its workers and its metadata speak of that number, and a table that moves on while it is read changes nothing.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import pyarrow as pa

from penstock.components.protocol import TaskError, redact

from .columns import schema_from_text, schema_to_text
from .row_filter import RowFilter

# The module of each scheme, which imports its library: only what is read is loaded.
FORMATS = {"delta": ".delta_tables", "iceberg": ".iceberg_tables"}


class VersionedTable(Protocol):
    """A table at one version.

    Attributes:
        uri: What names it, and exactly this version.
        source: What the metadata says of the version, as JSON values.
        schema: The types of its columns.
        bytes: How large its files are; 0 if unknown.
        pieces: Into how many pieces it can be read apart; they have an order.
    """

    uri: str
    source: dict[str, Any]
    schema: pa.Schema
    bytes: int
    pieces: int

    def batches(self, piece: int, columns: list[str], row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
        """Reads a piece, always in the same order; rows that do not pass the filter may be among them."""


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
    place, _, query = rest.partition("?")
    options = {key: unquote(value) for key, _, value in (part.partition("=") for part in query.split("&") if part)}
    module = importlib.import_module(FORMATS[scheme], __package__)
    if unknown := [key for key in options if key not in module.OPTIONS]:
        raise TaskError(f"{redact(uri)} has the option {unknown[0]!r}; {scheme}:// has: {', '.join(module.OPTIONS)}")
    table: VersionedTable = module.open_version(place, options)
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
        """Returns a table's own types, and the number of pieces that can be read apart."""
        table = opened(str(path))
        return {"schema": schema_to_text(table.schema), "chunks": table.pieces, "how": {}}

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the table's types."""
        return [schema_from_text(look["schema"]) for look in looks.values()]

    def batches(self, path: Path | str, _: dict[str, Any], __: pa.Schema, wanted: pa.Schema, chunk: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns of a table, or of one of its pieces."""
        table = opened(str(path))
        for piece in range(table.pieces) if chunk is None else [chunk]:
            yield from table.batches(piece, wanted.names, self._row_filter)
