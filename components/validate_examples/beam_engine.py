"""What validate_examples computes from the rows, on Beam: TFDV's Statistics, counts between quantiles, and repeated rows."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from apache_beam.transforms.window import GlobalWindows
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.arrow import table_util

from penstock.components.data.beam import Engine, as_bytes, as_text

from .quantiles import QuantileCounts
from .rows import Repeats, RowHashes, count_repeats
from .statistics import Statistics

# So many hashes fit into a worker's memory many times.
_HASHES_AT_ONCE = 1 << 22
_MOST_BUCKET_BITS = 16


def compute(
    engine: Engine, files: dict[str, list[str]], rows: int, schema: schema_pb2.Schema | None, counts: dict[str, list[QuantileCounts]]
) -> tuple[dict[str, Statistics], dict[str, Repeats]]:
    """Reads the rows of some Splits once.

    Args:
        engine: What runs it.
        files: The Parquet files of each Split, as workers find them.
        rows: The number of all rows.
        schema: Says which numbers are categories; None if nothing is known.
        counts: What counts each Split's numbers; it is added to.

    Returns:
        The Statistics of each Split, and its repeated rows.
    """
    bits = min(max(rows // _HASHES_AT_ONCE, 0).bit_length(), _MOST_BUCKET_BITS)
    with engine.pipeline() as pipeline:
        hashes = []
        for split in files:
            batches = pipeline | f"Rows of {split}" >> engine.row_groups(files[split])
            made = (
                batches
                | f"Columns of {split}" >> beam.Map(table_util.CanonicalizeRecordBatch).with_output_types(pa.RecordBatch)
                | f"Statistics of {split}" >> tfdv.GenerateStatistics(tfdv.StatsOptions(schema=schema))
            )
            _ = made | f"Text of {split}" >> beam.Map(_serialized) | f"Gather {split}" >> engine.gather(f"statistics-{split}")
            for place, each in enumerate(counts[split]):
                counted = batches | f"Counts {place} of {split}" >> beam.CombineGlobally(_Count(each))
                _ = counted | f"Gather counts {place} of {split}" >> engine.gather(f"counts-{place}-{split}")
            hashes.append(batches | f"Hash {split}" >> beam.ParDo(_Hash(split, bits)))
        repeats = hashes | beam.Flatten() | "Equal hashes" >> beam.GroupByKey() | "Repeats" >> beam.Map(_count_repeats)
        _ = repeats | "Gather repeats" >> engine.gather("repeats")
    for split in files:
        for place, each in enumerate(counts[split]):
            for found in engine.gathered(f"counts-{place}-{split}"):
                each.add_counts(found)
    statistics = {split: Statistics.FromString(as_bytes(engine.gathered(f"statistics-{split}")[0])) for split in files}
    return statistics, _summed(files, engine.gathered("repeats"))


def _serialized(statistics: Statistics) -> str:
    return as_text(statistics.SerializeToString(deterministic=True))


class _Count(beam.CombineFn):
    """Counts numbers between quantiles."""

    def __init__(self, empty: QuantileCounts) -> None:
        self._empty = empty

    def create_accumulator(self) -> QuantileCounts:
        return copy.deepcopy(self._empty)

    def add_input(self, counts: QuantileCounts, rows: pa.RecordBatch) -> QuantileCounts:
        counts.add(rows)
        return counts

    def merge_accumulators(self, accumulators: Iterable[QuantileCounts]) -> QuantileCounts:
        merged = self.create_accumulator()
        for each in accumulators:
            merged.add_counts(each.counts())
        return merged

    def extract_output(self, counts: QuantileCounts) -> dict[str, list[float]]:
        return counts.counts()


class _Hash(beam.DoFn):
    """Hashes the rows of a Split; equal hashes of all Splits have one key."""

    def __init__(self, split: str, bits: int) -> None:
        self._split, self._bits = split, bits

    def start_bundle(self) -> None:
        self._hashes, self._count = RowHashes(), 0

    def process(self, rows: pa.RecordBatch) -> Iterator[tuple[int, tuple[str, bytes]]]:
        self._hashes.add(rows)
        self._count += rows.num_rows
        if self._count >= _HASHES_AT_ONCE:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        for each in self._flush():
            yield GlobalWindows.windowed_value_at_end_of_window(each)

    def _flush(self) -> Iterator[tuple[int, tuple[str, bytes]]]:
        hashes = self._hashes.sorted()
        self.start_bundle()
        starts = np.arange(1, 1 << self._bits, dtype=np.uint64) << np.uint64(64 - self._bits)
        for bucket, each in enumerate(np.split(hashes, np.searchsorted(hashes, starts))):
            if len(each):
                yield bucket, (self._split, each.tobytes())


def _count_repeats(bucket: tuple[int, Iterable[tuple[str, bytes]]]) -> dict[str, list[int]]:
    hashes: dict[str, RowHashes] = {}
    for split, content in bucket[1]:
        hashes.setdefault(split, RowHashes()).add_hashes(np.frombuffer(content, np.uint64))
    return {split: [found.rows, found.repeated, found.elsewhere] for split, found in count_repeats(hashes).items()}


def _summed(splits: Iterable[str], buckets: list[dict[str, list[int]]]) -> dict[str, Repeats]:
    return {
        split: Repeats(*np.sum([bucket.get(split, [0, 0, 0]) for bucket in buckets] or [[0, 0, 0]], axis=0).tolist()) for split in splits
    }
