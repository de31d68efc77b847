"""Reads CSV files, compressed or not. The type of a column depends on all its rows in all files."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from penstock.components.protocol import TaskError

from .column_types import ColumnTypes, Seen
from .compression import WholeLineEnds, open_plain
from .texts import Texts

# A row must fit into a block; most fit into the first size.
_BLOCK_BYTES = (1 << 20, 16 << 20, 128 << 20)
_TOO_LONG = "straddling"
_DELIMITERS = ",;\t|"


class CsvReader:
    """Reads CSV files with a header. Empty fields and the usual spellings of nothing (`NA`, `NaN`, `null`) are nulls.

    They are in text too, but for the words in a column that `column_types` says is text: `NA` is Namibia's code.

    Args:
        delimiter: The one character between fields; `\\t` may be spelled out.
        types: The types that the user gives for columns.

    Raises:
        TaskError: The delimiter is not one character.
    """

    takes_uris = False

    def __init__(self, delimiter: str, types: ColumnTypes) -> None:
        self._delimiter = delimiter.replace("\\t", "\t")
        self._types = types
        if len(self._delimiter) != 1:
            raise TaskError(f"delimiter is {delimiter!r}; give the one character that separates the columns")

    def look(self, path: Path) -> dict[str, Any]:
        """Reads a file as texts, in blocks that are large enough for its rows.

        Raises:
            TaskError: The file is empty, ragged, not UTF-8 or separated by something else.
        """
        for size in _BLOCK_BYTES:
            try:
                with _explained(path):
                    seen = self._see_in_blocks(path, size)
            except TaskError as error:
                if size == _BLOCK_BYTES[-1] or _TOO_LONG not in str(error.__cause__):
                    raise
            else:
                columns = {name: [texts.to_object() for texts in found] for name, found in seen.items()}
                return {"columns": columns, "chunks": 1, "how": {"block_bytes": size, "is_single": len(columns) == 1}}
        raise AssertionError("the last size returns or raises")

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the narrowest type that every value of a column fits: int64, double, bool, timestamp, or string.

        Raises:
            TaskError: A value does not fit its type.
        """
        seen: dict[str, Seen] = {
            file: {name: [Texts.from_object(texts) for texts in found] for name, found in look["columns"].items()}
            for file, look in looks.items()
        }
        return [pa.schema(list(kinds.items())) for kinds in self._types.of_texts(seen)]

    def _see_in_blocks(self, path: Path, block_bytes: int) -> Seen:
        names = self._header(path, block_bytes)
        seen = {name: self._types.look_at(name) for name in names}
        # One thread: only then does an error name its row.
        texts_alone = dict.fromkeys(names, pa.string())
        for batch in self._open(path, texts_alone, block_bytes=block_bytes, use_threads=False, is_single=len(names) == 1):
            for name, column in zip(names, batch.columns, strict=True):
                for texts in seen[name]:
                    texts.add(column)
        return seen

    def batches(self, path: Path, how: dict[str, Any], schema: pa.Schema, wanted: pa.Schema, _: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns with the types that `schema` found."""
        types = {name: schema.field(name).type for name in wanted.names}
        texts = {name for name in types if self._types.given.get(name) == pa.string()}
        with _explained(path):
            for batch in self._open(path, **how, types=types, use_threads=True, words_are_null=not texts):
                yield _with_words(batch, texts) if texts else batch

    def _header(self, path: Path, block_bytes: int) -> list[str]:
        names = self._open(path, {}, block_bytes=block_bytes, use_threads=False).schema.names
        others = [other for other in _DELIMITERS if other != self._delimiter and other in names[0]]
        if len(names) == 1 and others:
            raise TaskError(f"{path} has one column, {names[0][:60]!r}, which seems to be separated by {others[0]!r}; set delimiter")
        if "" in names:
            raise TaskError(f"column {names.index('') + 1} of {path} has no name; name it in the header")
        if len(set(names)) < len(names):
            raise TaskError(f"{path} has more than one column {next(n for n in names if names.count(n) > 1)!r}; rename one of them")
        return names

    def _open(
        self,
        path: Path,
        types: dict[str, pa.DataType],
        *,
        block_bytes: int,
        use_threads: bool,
        is_single: bool = False,
        words_are_null: bool = True,
    ) -> csv.CSVStreamingReader:
        stream = open_plain(path)
        if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise TaskError(f"{path} is not UTF-8 text but UTF-16; convert it, for example with iconv -t UTF-8")
        return csv.open_csv(
            WholeLineEnds(open_plain(path)),
            read_options=csv.ReadOptions(block_size=block_bytes, use_threads=use_threads),
            # Where a row has one field, an empty line is a row whose field is empty.
            parse_options=csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=not is_single),
            convert_options=csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=words_are_null),
        )


def _with_words(batch: pa.RecordBatch, texts: set[str]) -> pa.RecordBatch:
    """Makes nulls of what says nothing in texts: an empty field, and in columns that are not set to text the words for nothing as well."""
    words = {True: pa.array([""]), False: pa.array(csv.ConvertOptions().null_values)}
    columns = [
        pc.if_else(pc.is_in(column, value_set=words[name in texts]), pa.scalar(None, pa.string()), column)
        if column.type == pa.string()
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what Arrow says of a file into what the user can do about it."""
    try:
        yield
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        reason = str(error)
        if "Empty CSV" in reason:
            raise TaskError(f"{path} is empty; write a header and rows, or exclude it from input_uri") from error
        if "UTF8" in reason or isinstance(error, UnicodeDecodeError):
            raise TaskError(f"{path} is not UTF-8 text ({reason}); convert it, for example with iconv -t UTF-8") from error
        if "Expected" in reason:
            raise TaskError(f"{path} is ragged: {reason[:200]}; correct the row, or set delimiter") from error
        raise TaskError(f"{path} cannot be read as CSV ({reason[:200]}); correct it, or set input_format") from error
