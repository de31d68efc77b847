"""The Examples artifact: `Split-<name>/part-*.parquet`, row groups of 16,384 rows, read as Arrow batches."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from penstock.components.protocol.errors import TaskError

ROW_GROUP_ROWS = 16_384
PART_ROWS = 64 * ROW_GROUP_ROWS
# Images and the like: fewer rows than that make a row group of bytes.
_GROUP_BYTES = 64 << 20
_PREFIX = "Split-"
# What damaged footers, schemas and pages make Arrow raise: names that are not UTF-8, counts that no memory holds, unknown codecs.
PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError)


def split_names(examples: Path) -> list[str]:
    """Returns the names of the Splits below an Examples folder, sorted."""
    return sorted(p.name.removeprefix(_PREFIX) for p in Path(examples).glob(f"{_PREFIX}*") if p.is_dir())


def split_folder(examples: Path, split: str) -> Path:
    """Returns a Split's folder.

    Raises:
        TaskError: There is no such Split.
    """
    folder = Path(examples) / f"{_PREFIX}{split}"
    if not folder.is_dir():
        known = ", ".join(split_names(examples)) or "none"
        raise TaskError(
            f"the Examples at {examples} have no Split {split!r} (they have: {known}); name one of these or change the splits of ingest_examples"
        )
    return folder


def split_files(examples: Path, split: str) -> list[Path]:
    """Returns a Split's files in order: all Parquet, or all gzip TFRecord."""
    return sorted(p for p in split_folder(examples, split).iterdir() if p.name.startswith("part-"))


def read_batches(examples: Path, split: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads a Split of Parquet Examples, one row group's worth of rows at a time.

    Raises:
        TaskError: A file cannot be read as Parquet.
    """
    for path in split_files(examples, split):
        yield from read_file(path, columns)


def read_file(path: Path | str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads one file of a Split of Parquet Examples, at a path or a URI, as `read_batches` does."""
    with _open(path) as file:
        for group in range(file.num_row_groups):  # batches would go on into the next one, however large the rows
            yield from _read_group(file, group, columns, path)


def read_group(path: Path | str, group: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads one row group of such a file."""
    with _open(path) as file:
        yield from _read_group(file, group, columns, path)


def _read_group(file: pq.ParquetFile, group: int, columns: list[str] | None, path: Path | str) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=ROW_GROUP_ROWS, row_groups=[group], columns=columns)
    except PARQUET_ERRORS as error:  # pages are looked at only now
        raise _unreadable(path, error) from error


def read_schema(examples: Path, split: str) -> pa.Schema:
    """Returns the Arrow schema of a Split of Parquet Examples.

    Raises:
        TaskError: The Split has no files, or the first one cannot be read as Parquet.
    """
    files = split_files(examples, split)
    if not files:
        raise TaskError(f"Split {split!r} of the Examples at {examples} has no files; ingest the rows again")
    return read_file_schema(files[0])


def read_file_schema(path: Path | str) -> pa.Schema:
    """Returns the Arrow schema of one file of a Split of Parquet Examples, at a path or a URI."""
    with _open(path) as file:
        return file.schema_arrow


def difference(columns: pa.Schema, found: pa.Schema, first: Path | None, path: Path) -> str:
    """Describes how the columns of a file differ from those of the first one; empty if they do not."""
    if found.equals(columns):
        return ""
    mine, theirs = ({field.name: str(field.type) for field in schema} for schema in (columns, found))
    name = next((each for each in [*mine, *theirs] if mine.get(each) != theirs.get(each)), "")
    if not name:
        return f"another order in {path} than in {first}"
    return f"column {name!r} is {mine.get(name, 'missing')} in {first} and {theirs.get(name, 'missing')} in {path}"


def count_rows(examples: Path, split: str) -> int:
    """Returns a Split's number of rows from the Parquet footers, without reading the rows.

    Raises:
        TaskError: The files do not have the same columns, or one cannot be read as Parquet.
    """
    rows, columns = 0, None
    for path in (files := split_files(examples, split)):
        with _open(path) as file:
            columns = file.schema_arrow if columns is None else columns
            if how := difference(columns, file.schema_arrow, files[0], path):
                raise TaskError(f"the parts of Split {split!r} have different columns: {how}; ingest the rows again")
            rows += int(file.metadata.num_rows)
    return rows


def count_file_rows(path: Path | str) -> int:
    """Returns the number of rows of one file of a Split of Parquet Examples, from its footer."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def count_groups(path: Path | str) -> int:
    """Returns the number of row groups of such a file."""
    with _open(path) as file:
        return int(file.num_row_groups)


@contextmanager
def _open(path: Path | str) -> Iterator[pq.ParquetFile]:
    with ExitStack() as stack:
        try:
            # Without pre_buffer=False the whole file stays in memory until the last row group is read.
            file = stack.enter_context(pq.ParquetFile(stack.enter_context(open_bytes(path)), pre_buffer=False))
        except PARQUET_ERRORS as error:
            raise _unreadable(path, error) from error
        yield file


@contextmanager
def open_bytes(path: Path | str) -> Iterator[Any]:
    """Gives what Arrow opens: a path, or a file at a URI."""
    if "://" not in str(path):
        yield path
        return
    from .filesystems import open_store  # most tasks read no bucket themselves

    files, name = open_store(str(path))
    with files.open(name, "rb") as file:
        yield file


def _unreadable(path: Path | str, error: Exception) -> TaskError:
    return TaskError(f"{path} cannot be read as Parquet ({str(error)[:200]}); make the Examples again")


def rows_at_once(row_bytes: int) -> int:
    """Returns the number of rows of a given size to hold in memory."""
    return max(1, min(ROW_GROUP_ROWS, _GROUP_BYTES // max(row_bytes, 1)))


def _bytes_of_rows(table: pa.Table) -> np.ndarray:
    """Returns how many bytes each row has in columns of bytes."""
    total = np.zeros(table.num_rows)
    for column in table.columns:
        kind = column.type.value_type if pt.is_list(column.type) else column.type
        if pt.is_binary(kind):
            values = column.combine_chunks()
            lengths = pc.fill_null(pc.binary_length(pc.list_flatten(values) if pt.is_list(column.type) else values), 0)
            parents = pc.list_parent_indices(values) if pt.is_list(column.type) else np.arange(table.num_rows)
            total += np.bincount(parents, weights=lengths, minlength=table.num_rows)
    return total


class SplitWriter:
    """Writes one Split, holding at most a row group in memory. Use it as a context manager.

    A part has `PART_ROWS` rows, the last one fewer, so that a writer that knows how many rows come before writes the same parts.

    Args:
        examples: The Examples' folder.
        split: The Split.
        schema: The rows' schema.
        first_part: The number of the first part.
        making: Gives a path to write a part at, by its name below the Examples, and puts it there; None: it is written there.

    Attributes:
        rows: How many rows were written.
    """

    def __init__(
        self,
        examples: Path,
        split: str,
        schema: pa.Schema,
        first_part: int = 0,
        making: Callable[[str], AbstractContextManager[Path]] | None = None,
    ) -> None:
        self._folder = f"{_PREFIX}{split}"
        self._making = making or (lambda name: nullcontext(Path(examples) / name))
        if making is None:
            (Path(examples) / self._folder).mkdir(parents=True, exist_ok=True)
        self._schema = schema
        self._has_bytes = any(pt.is_binary(field.type.value_type if pt.is_list(field.type) else field.type) for field in schema)
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._part = ExitStack()
        self._part_rows = 0
        self._next_part = first_part
        self.rows = 0

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Adds rows that have the writer's schema."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        self.rows += table.num_rows
        self._pending.append(table)
        self._pending_rows += table.num_rows
        while rows_of_group := self._rows_of_group():
            merged = pa.concat_tables(self._pending)
            self._write_group(merged.slice(0, rows_of_group))
            self._pending = [merged.slice(rows_of_group)]
            self._pending_rows -= rows_of_group

    def _rows_of_group(self) -> int:
        """Returns how many of the pending rows make a row group; 0 if they are too few."""
        most = min(ROW_GROUP_ROWS, PART_ROWS - self._part_rows)
        if self._has_bytes and self._pending_rows:
            sizes = np.cumsum(np.concatenate([_bytes_of_rows(table) for table in self._pending]))
            if sizes[-1] >= _GROUP_BYTES:
                return min(int(np.searchsorted(sizes, _GROUP_BYTES)) + 1, most)
        return most if self._pending_rows >= most else 0

    def _write_group(self, table: pa.Table) -> None:
        if self._writer is None:
            path = self._part.enter_context(self._making(f"{self._folder}/part-{self._next_part:05d}.parquet"))
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
            self._next_part += 1
        # In one piece: where the pages break follows the chunks, and the same rows shall give the same bytes however they came.
        self._writer.write_table(table.combine_chunks(), row_group_size=ROW_GROUP_ROWS)
        self._part_rows += table.num_rows
        if self._part_rows >= PART_ROWS:
            self._close_part()

    def _close_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._part.close()
        self._writer, self._part_rows = None, 0

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, *failure: Any) -> None:
        if failure[0] is not None:
            if self._writer is not None:
                self._writer.close()
            self._part.__exit__(*failure)
            return
        if self._pending_rows or not self.rows:
            self._write_group(pa.concat_tables(self._pending) if self._pending else self._schema.empty_table())
        self._close_part()
