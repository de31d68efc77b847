"""Reading CSV, gzip or not: a column's type is what the whole file says, not its first rows."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from penstock.components.runtime import TaskError

_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_DELIMITERS = ",;\t|"
_INSTANTS = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
_CANDIDATES = (pa.int64(), pa.float64(), pa.bool_(), *_INSTANTS)


class CsvReader:
    """Reads CSV files with a header. Empty fields and the usual spellings of nothing (`NA`, `NaN`, `null`) are nulls, in text too.

    Args:
        delimiter: The one character between fields; `\\t` may be spelled out.

    Raises:
        TaskError: The delimiter is not one character.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter.replace("\\t", "\t")
        if len(self._delimiter) != 1:
            raise TaskError(f"delimiter is {delimiter!r}; give the one character that separates the columns")

    def schema(self, path: Path) -> pa.Schema:
        """Returns the narrowest type that every value of a column fits: int64, double, bool, timestamp, or string.

        Raises:
            TaskError: The file is empty, ragged, not UTF-8, or separated by something else.
        """
        with _explained(path):
            names = self._header(path)
            kinds: list[pa.DataType] = [pa.null()] * len(names)
            # One thread: only then does an error name its row.
            for batch in self._open(path, dict.fromkeys(names, pa.string()), use_threads=False):
                kinds = [_widen(column, kind) for column, kind in zip(batch.columns, kinds, strict=True)]
        return pa.schema(list(zip(names, kinds, strict=True)))

    def batches(self, path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Reads the wanted columns with the types that `schema` found."""
        with _explained(path):
            yield from self._open(path, {name: schema.field(name).type for name in wanted.names}, use_threads=True)

    def _header(self, path: Path) -> list[str]:
        names = self._open(path, {}, use_threads=False).schema.names
        others = [other for other in _DELIMITERS if other != self._delimiter and other in names[0]]
        if len(names) == 1 and others:
            raise TaskError(f"{path} has one column, {names[0][:60]!r}, which looks separated by {others[0]!r}; set delimiter")
        if "" in names:
            raise TaskError(f"column {names.index('') + 1} of {path} has no name; name it in the header")
        if len(set(names)) < len(names):
            raise TaskError(f"{path} has more than one column {next(n for n in names if names.count(n) > 1)!r}; rename one of them")
        return names

    def _open(self, path: Path, types: dict[str, pa.DataType], use_threads: bool) -> csv.CSVStreamingReader:
        with path.open("rb") as stream:
            mark = stream.read(2)
        if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise TaskError(f"{path} is not UTF-8 text but UTF-16; convert it, for example with iconv -t UTF-8")
        return csv.open_csv(
            pa.input_stream(str(path), compression="gzip" if mark == _GZIP else None),
            read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=use_threads),
            parse_options=csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True),
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what Arrow says of a file into what a person can do about it."""
    try:
        yield
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        said = str(error)
        if "Empty CSV" in said:
            raise TaskError(f"{path} is empty; write a header and rows, or leave it out of input_uri") from error
        if "UTF8" in said or isinstance(error, UnicodeDecodeError):
            raise TaskError(f"{path} is not UTF-8 text ({said}); convert it, for example with iconv -t UTF-8") from error
        if "Expected" in said:
            raise TaskError(f"{path} is ragged: {said[:200]}; correct the row, or set delimiter") from error
        raise TaskError(f"{path} cannot be read as CSV ({said[:200]}); correct it, or set input_format") from error


def _widen(column: pa.Array, kind: pa.DataType) -> pa.DataType:
    """Returns the narrowest type for a column that had `kind` so far and goes on with these texts."""
    if kind == pa.string() or column.null_count == len(column):
        return kind
    if kind == pa.null():
        candidates: tuple[pa.DataType, ...] = _CANDIDATES
    else:
        candidates = (kind, pa.float64()) if kind == pa.int64() else (kind,)
    return next((candidate for candidate in candidates if _fits(column, candidate)), pa.string())


def _fits(column: pa.Array, kind: pa.DataType) -> bool:
    if kind == pa.bool_():
        words = pc.utf8_lower(pc.utf8_trim_whitespace(column)).drop_null()
        return pc.all(pc.is_in(words, value_set=pa.array(["true", "false"]))).as_py()
    try:
        pc.cast(column, kind)
    except pa.ArrowInvalid:
        # The CSV converters allow blanks around numbers; casts do not.
        padded = pc.utf8_trim_whitespace(column)
        return kind not in _INSTANTS and not padded.equals(column) and _fits(padded, kind)
    return True
