"""What of the input is read in one go, by whichever engine: a file, or a row group of one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from penstock.components.data.canonical import conform

from .partitions import IN_FOLDERS, Partition, add_partition, native_partition
from .row_filter import RowFilter
from .splitting import Assign


class Reader(Protocol):
    """One format.

    Attributes:
        takes_uris: Whether it reads what is elsewhere itself; else it needs a path on this machine.
    """

    takes_uris: bool

    def look(self, path: Any) -> dict[str, Any]:
        """Returns what a file says of its columns, a JSON value: `chunks`, the number of pieces that can be read apart, `how`, and more for `schemas`."""

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the files' own types from what was seen of all of them."""

    def batches(self, path: Any, how: dict[str, Any], schema: pa.Schema, wanted: pa.Schema, chunk: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the columns of `wanted` from a file whose own types are `schema`, or from one chunk of it."""


@dataclass(frozen=True)
class Chunk:
    """A file, or a row group of one.

    Attributes:
        path: The file, as its reader finds it.
        how: What its reader knows of it.
        schema: The types of its columns, those of its folders included.
        partition: What its folders say.
        number: Which of its row groups; None: all of the file.
    """

    path: Path | str
    how: dict[str, Any]
    schema: pa.Schema
    partition: Partition
    number: int | None = None


@dataclass(frozen=True)
class Table:
    """The files of some Splits, and which row belongs to which.

    Attributes:
        splits: The names of the Splits, sorted.
        schema: The canonical columns that are read.
        kept: Those of them that Examples have.
        deciding: The columns that decide to which Split a row belongs.
        make_assign: Makes what assigns rows to Splits.
        files: The files, whole, in order, each with the number of chunks that can be read apart.
        row_filter: What the rows must be.
    """

    splits: list[str]
    schema: pa.Schema
    kept: pa.Schema
    deciding: list[str]
    make_assign: Callable[[], Assign]
    files: list[tuple[Chunk, int]]
    row_filter: RowFilter

    def of_split(self, batch: pa.RecordBatch, is_in_it: np.ndarray) -> pa.Table:
        """Returns the rows of a batch that are in a Split, as its Examples have them."""
        rows = pa.Table.from_batches([batch]).select(self.kept.names)
        return rows if is_in_it.all() else rows.filter(pa.array(is_in_it))


def read(reader: Reader, chunk: Chunk, path: Path | str, wanted: pa.Schema, row_filter: RowFilter) -> Iterator[pa.RecordBatch]:
    """Reads the rows of a chunk that pass the filter, with the canonical columns of `wanted`.

    Args:
        reader: The reader of its format.
        chunk: The chunk.
        path: Where its file is now.
        wanted: The columns and their types.
        row_filter: What the rows must be, in the file's own types.
    """

    def is_own(name: str) -> bool:
        return chunk.schema.field(name).metadata != IN_FOLDERS

    own = pa.schema([field for field in wanted if is_own(field.name)])
    deciding = [name for name in row_filter.columns if name not in own.names and is_own(name)]
    asked = pa.schema([*own, *map(chunk.schema.field, deciding)])
    file = str(chunk.path)
    for batch in reader.batches(path, chunk.how, chunk.schema, asked, chunk.number):
        if row_filter.columns:
            batch = row_filter.keep(native_partition(batch, chunk.partition, chunk.schema))
        yield add_partition(conform(batch, own, file), chunk.partition, wanted, file).select(wanted.names)
