"""What an input URI names, files or a table, as both engines read it."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.components.protocol import TaskError, figure, redact

from . import sources as sources_
from .chunks import Reader
from .column_types import ColumnTypes
from .csv_files import CsvReader
from .parquet_files import ParquetReader
from .row_filter import RowFilter
from .sources import Selection, Source
from .tables import TableReader, open_table
from .tfrecord_files import TfRecordReader
from .versions import pinned

if TYPE_CHECKING:
    from penstock.components.data.beam import Engine

Looked = dict[str, dict[Source, dict[str, Any]]]
"""For each Split, or for all of them as one, the sources in order, each with what its reader saw of it."""


class Input(Protocol):
    """What is read.

    Attributes:
        reader: The reader of its format.
        span: The latest Span in it; 0 if nothing numbers Spans.
        version: The latest version among its Spans; 0 if nothing numbers them.
        is_ordered: Whether its rows always come in the same order.
    """

    reader: Reader
    span: int
    version: int
    is_ordered: bool

    def looked(self, engine: "Engine | None") -> AbstractContextManager[Looked]:
        """Has every source looked at, here or by Beam's workers; it can be read while the block lasts."""

    def lineage(self, sources: list[Source]) -> dict[str, Any]:
        """Describes what was read for the metadata."""


class Files:
    """Files, which patterns below a URI may assign to Splits.

    Args:
        selections: For each Split, or for all of them, its files.
        reader: The reader of their format.
        source: Which version of them it is, if they have versions.

    Attributes:
        reader, span, version, is_ordered: As `Input` has them.
    """

    is_ordered = True

    def __init__(self, selections: dict[str, Selection], reader: Reader, source: dict[str, Any]) -> None:
        self.reader = reader
        self._source = source
        self.span = max(selection.span for selection in selections.values())
        self.version = max(selection.version for selection in selections.values())
        self._selections = selections

    @contextmanager
    def looked(self, engine: "Engine | None") -> Iterator[Looked]:
        """As `Input.looked`; files must not change meanwhile.

        Raises:
            TaskError: One did, or cannot be read.
        """
        if engine:
            from . import beam_engine

            with sources_.unchanged(list(self._selections.values())):
                looked = beam_engine.look(engine, self.reader, self._selections)
                sources_.say_size([source for found in looked.values() for source in found])
                yield looked
            return
        in_place = [selection for selection in self._selections.values() if selection.is_local]
        with sources_.unchanged(in_place), tempfile.TemporaryDirectory(prefix="penstock-ingest-") as folder:
            fetched = {name: sources_.fetch(each, Path(folder) / (name or "all")) for name, each in self._selections.items()}
            yield {name: {source: self.reader.look(source.path) for source in found} for name, found in fetched.items()}

    def lineage(self, sources: list[Source]) -> dict[str, Any]:
        """As `Input.lineage`: the files with their hashes, and their version."""
        return sources_.lineage(sources) | ({"source": self._source} if self._source else {})


class Table:
    """A table at one version, which has neither Spans nor files of its own for each Split.

    Args:
        uri: The table's URI.
        reader: What reads it.
        source: Which version of the files it is that the table lies among, if they have versions.

    Attributes:
        reader, span, version, is_ordered: As `Input` has them.

    Raises:
        TaskError: It cannot be opened.
    """

    span = version = 0

    def __init__(self, uri: str, reader: TableReader, source: dict[str, Any]) -> None:
        self.reader: Reader = reader
        self._source = source
        self._table = open_table(uri)
        self.is_ordered = self._table.is_ordered

    @contextmanager
    def looked(self, _: "Engine | None") -> Iterator[Looked]:
        """As `Input.looked`; what the table says of its columns needs no worker."""
        source = Source(self._table.uri, self._table.uri, "", self._table.bytes)
        figure(f"{redact(self._table.uri)}, {self._table.bytes / 1e6:,.1f} MB")
        yield {"": {source: self.reader.look(source.path)}}

    def lineage(self, _: list[Source]) -> dict[str, Any]:
        """As `Input.lineage`: the version."""
        return {"source": self._source | self._table.source}


def find_input(
    input_uri: str,
    input_format: str,
    delimiter: str,
    spans: str,
    version: str,
    patterns: dict[str, str],
    types: ColumnTypes,
    rows: RowFilter,
) -> Input:
    """Finds what an input URI names.

    Args:
        input_uri, input_format, delimiter, spans, version: The component's parameters.
        patterns: For each Split, the pattern of its files below the URI; one empty pattern if Splits do not depend on files.
        types: The types that the user gives for columns.
        rows: What the rows must be.

    Raises:
        TaskError: Nothing is there that can be read, or the parameters do not fit what is there.
    """
    input_uri, source = pinned(input_uri)
    if uri := sources_.table_uri(input_uri):
        for name, value, default in (("input_format", input_format, "auto"), ("spans", spans, "latest"), ("version", version, "latest")):
            if value != default:
                raise TaskError(f"{name} is {value!r}, but input_uri is a table; leave out {name}, and name a version in input_uri")
        if "" not in patterns:
            raise TaskError("split_by is pattern, but input_uri is a table, which has no files for each Split; split by a column or time")
        return Table(uri, TableReader(rows), source)
    selections = sources_.find_all(input_uri, spans, version, patterns)
    reader = _reader(input_format, [path for each in selections.values() for path in each.paths], delimiter, types)
    return Files(selections, reader, source)


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
