"""Reading and writing on Beam: the same files as in-process, byte by byte.

Workers read three times: for the types of the columns, for the number of rows of each Split in each chunk, and for the rows. From the
numbers follows which rows each part of the output has. A part is written by one worker, which reads the chunks that have its rows, so that
no row goes from one worker to another. Parts that begin in one chunk have the same worker: no chunk is read more than twice for a Split,
even if it is one large file that cannot be read in pieces.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from penstock.components.data.beam import Engine, described, making
from penstock.components.data.examples import PART_ROWS, SplitWriter
from penstock.components.data.filesystems import explaining, open_store
from penstock.components.protocol import Output, TaskError, file_sha256, redact

from .chunks import Chunk, Reader, Table, read
from .sources import Selection, Source, uri_of


def look(engine: Engine, reader: Reader, selections: dict[str, Selection]) -> dict[str, dict[Source, dict[str, Any]]]:
    """Hashes every file, and sees what it says of its columns.

    Returns:
        For each Split, or for all of them, the sources in order with what was seen.
    """
    places = {
        (name, number): engine.reachable(uri_of(each, number)) for name, each in selections.items() for number in range(len(each.paths))
    }
    with engine.pipeline() as pipeline:
        files = pipeline | "Files" >> beam.Create([(*key, uri) for key, uri in places.items()]) | "Deal" >> beam.Reshuffle()
        _ = files | "Look" >> beam.Map(_look, reader) | engine.gather("looks")
    found: dict[str, dict[Source, dict[str, Any]]] = {name: {} for name in selections}
    for seen in sorted(engine.gathered("looks"), key=lambda seen: (seen["split"], seen["number"])):
        name, number = seen["split"], seen["number"]
        uri = redact(selections[name].filesystem.unstrip_protocol(selections[name].paths[number]))
        source = Source(uri, places[name, number], seen["sha256"], seen["bytes"], selections[name].partitions[number])
        found[name][source] = seen["look"]
    return found


def _look(file: tuple[str, int, str], reader: Reader) -> dict[str, Any]:
    split, number, uri = file
    with _copied(uri) as path:
        return {"split": split, "number": number, "sha256": file_sha256(path), "bytes": path.stat().st_size, "look": reader.look(path)}


@contextmanager
def _copied(uri: str) -> Iterator[Path]:
    """Gives a worker a file as a path: itself, or a copy on the worker's own disk."""
    if "://" not in uri:
        yield Path(uri)
        return
    files, path = open_store(uri)
    with tempfile.TemporaryDirectory(prefix="penstock-ingest-") as folder:
        copy = Path(folder) / PurePosixPath(path).name
        with explaining(f"{redact(uri)} cannot be read", "give the workers access to it"):
            files.get_file(path, str(copy))
        yield copy


def _read(reader: Reader, table: Table, chunk: Chunk, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    if reader.takes_uris:
        yield from read(reader, chunk, chunk.path, wanted, table.row_filter)
        return
    with _copied(str(chunk.path)) as path:
        yield from read(reader, chunk, path, wanted, table.row_filter)


def write(engine: Engine, reader: Reader, tables: list[Table], examples: Output) -> tuple[dict[str, int], int, int]:
    """Writes the rows of every Split.

    Returns:
        The rows of each Split, the number of rows that are in none, and the bytes written.
    """
    chunks = [[chunk for file, count in table.files for chunk in _chunks(file, count)] for table in tables]
    plain = [replace(table, files=[]) for table in tables]  # each worker gets the chunks that it reads
    numbered = [(place, number, chunk) for place, found in enumerate(chunks) for number, chunk in enumerate(found)]
    with engine.pipeline() as pipeline:
        dealt = pipeline | "Chunks" >> beam.Create(numbered) | "Deal" >> beam.Reshuffle()
        _ = dealt | "Count" >> beam.Map(_count, reader, plain) | engine.gather("counts")
    counts = [np.zeros((len(found), len(table.splits) + 1), np.int64) for table, found in zip(tables, chunks, strict=True)]
    for found in engine.gathered("counts"):
        counts[found["table"]][found["chunk"]] = found["rows"]
    rows = {
        split: int(each[:, index].sum()) for table, each in zip(tables, counts, strict=True) for index, split in enumerate(table.splits)
    }
    dropped = sum(int(each[:, -1].sum()) for each in counts)
    pieces = [
        piece
        for place, (table, each) in enumerate(zip(tables, counts, strict=True))
        for index in range(len(table.splits))
        for piece in _pieces(place, index, chunks[place], each[:, index])
    ]
    destination = engine.destination(examples)
    with engine.pipeline() as pipeline:
        dealt = pipeline | "Parts" >> beam.Create(pieces) | "Deal" >> beam.Reshuffle()
        _ = dealt | "Write" >> beam.FlatMap(_write, reader, plain, destination) | engine.gather("parts")
    parts = engine.gathered("parts")
    engine.record(examples, {part["name"]: part["sha256"] for part in parts})
    return rows, dropped, sum(part["bytes"] for part in parts)


def _chunks(file: Chunk, count: int) -> list[Chunk]:
    return [replace(file, number=number) for number in range(count)] if count > 1 else [file]


def _count(numbered: tuple[int, int, Chunk], reader: Reader, tables: list[Table]) -> dict[str, Any]:
    place, number, chunk = numbered
    table = tables[place]
    deciding = pa.schema([table.schema.field(name) for name in table.deciding])
    assign, rows = table.make_assign(), np.zeros(len(table.splits) + 1, np.int64)
    for batch in _read(reader, table, chunk, deciding):
        rows += np.bincount(assign(batch) % len(rows), minlength=len(rows))  # -1, of no Split, is the last one
    return {"table": place, "chunk": number, "rows": rows.tolist()}


@dataclass(frozen=True)
class _Piece:
    """Consecutive parts of a Split, which begin in one chunk.

    Attributes:
        table: The number of the table.
        index: The number of the Split.
        first_part: The number of the first part.
        skip: The rows of the Split in the first chunk that are in parts before.
        rows: The number of rows.
        chunks: The chunks that have them.
    """

    table: int
    index: int
    first_part: int
    skip: int
    rows: int
    chunks: list[Chunk]


def _pieces(table: int, index: int, chunks: list[Chunk], counts: np.ndarray) -> Iterator[_Piece]:
    """Cuts a Split into parts, by the number of its rows in each chunk."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    total = int(starts[-1])
    firsts = range(0, total, PART_ROWS)

    def chunk_of(row: int) -> int:
        return int(np.searchsorted(starts, row, side="right")) - 1

    for chunk, found in groupby(firsts, chunk_of):
        begins = list(found)
        end = min(begins[-1] + PART_ROWS, total)
        skip = begins[0] - int(starts[chunk])
        yield _Piece(table, index, begins[0] // PART_ROWS, skip, end - begins[0], chunks[chunk : chunk_of(end - 1) + 1])


def _write(piece: _Piece, reader: Reader, tables: list[Table], destination: str) -> list[dict[str, Any]]:
    table, made = tables[piece.table], []

    @contextmanager
    def part(name: str) -> Iterator[Path]:
        with making(f"{destination}/{name}") as path:
            yield path
            made.append(described(path, name))

    with SplitWriter(Path(), table.splits[piece.index], table.kept, piece.first_part, part) as writer:
        for rows in _rows(piece, reader, table):
            writer.write(rows)
        if writer.rows != piece.rows:
            raise TaskError(f"{piece.chunks[-1].path} changed while it was read; run the task again, and let nothing write there")
    return made


def _rows(piece: _Piece, reader: Reader, table: Table) -> Iterator[pa.Table]:
    assign, skip, left = table.make_assign(), piece.skip, piece.rows
    for chunk in piece.chunks:
        for batch in _read(reader, table, chunk, table.schema):
            rows = table.of_split(batch, assign(batch) == piece.index)
            taken = rows.slice(skip, left)
            skip, left = max(0, skip - rows.num_rows), left - taken.num_rows
            if taken.num_rows:
                yield taken
            if not left:
                return
