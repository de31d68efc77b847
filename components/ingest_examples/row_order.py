"""Gives rows an order that depends on their values alone: that of a hash of them.

An external merge sort: runs that fit in memory are sorted and written to this machine's disk, and then read side by side.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from penstock.components.data.examples import ROW_GROUP_ROWS
from penstock.components.data.hashing import hash_rows

_RUN_BYTES = 32 << 20
_RUNS_AT_ONCE = 256


def in_order_of_hash(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields the same rows in an order that does not depend on the one in which they come.

    Rows that are not equal have equal hashes, and then keep the order in which they come, in one of some 4,000 tables of 100 million rows:
    a hash has 64 bits.

    Args:
        batches: Canonical columns.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-ingest-") as folder:
        files = [_write([_sorted(run)], Path(folder) / f"{number}.arrow") for number, run in enumerate(_runs(batches))]
        while len(files) > _RUNS_AT_ONCE:
            merged = _write(_merged(files[:_RUNS_AT_ONCE]), files[0].with_name(f"{len(files)}-merged.arrow"))
            for file in files[:_RUNS_AT_ONCE]:
                file.unlink()
            files = [*files[_RUNS_AT_ONCE:], merged]
        for batch in _merged(files):
            rows = batch.remove_column(0)
            yield from (rows.slice(start, ROW_GROUP_ROWS) for start in range(0, rows.num_rows, ROW_GROUP_ROWS))


def _runs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Joins batches to as many rows as memory should hold, with their hashes as the first column."""
    pending, size = [], 0
    for batch in batches:
        pending.append(pa.RecordBatch.from_arrays([pa.array(hash_rows(batch)), *batch.columns], ["hash", *batch.schema.names]))
        size += batch.nbytes
        if size >= _RUN_BYTES:
            run, pending, size = pa.concat_batches(pending), [], 0
            yield run
    if pending:
        yield pa.concat_batches(pending)


def _hashes(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column(0).to_numpy()


def _sorted(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array(np.argsort(_hashes(batch), kind="stable")))


def _write(batches: Iterable[pa.RecordBatch], file: Path) -> Path:
    """Writes sorted rows in pieces, so many that as many runs as are read at once take the memory of one."""
    batches = iter(batches)
    first = next(batches)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
        for batch in (first, *batches):
            writer.write_table(pa.Table.from_batches([batch]), max(1, batch.num_rows * _RUN_BYTES // _RUNS_AT_ONCE // max(batch.nbytes, 1)))
    return file


def _pieces(file: Path, at_once: int) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
        for first in range(0, reader.num_record_batches, at_once):
            yield pa.concat_batches([reader.get_batch(number) for number in range(first, min(first + at_once, reader.num_record_batches))])


def _merged(files: list[Path]) -> Iterator[pa.RecordBatch]:
    """Yields the rows of sorted files in order, always as far as the piece that ends first."""
    runs = [_pieces(file, max(1, _RUNS_AT_ONCE // len(files))) for file in files]
    heads = [(run, next(run)) for run in runs]
    while heads:
        until = min(_hashes(head)[-1] for _, head in heads)
        ends = [int(np.searchsorted(_hashes(head), until, side="right")) for _, head in heads]
        yield _sorted(pa.concat_batches([head.slice(0, end) for (_, head), end in zip(heads, ends, strict=True)]))
        left = [(run, head.slice(end) if end < head.num_rows else next(run, None)) for (run, head), end in zip(heads, ends, strict=True)]
        heads = [(run, head) for run, head in left if head is not None]
