"""What validate_examples computes from the rows, on Beam: TFDV's Statistics, counts between quantiles, and repeated rows."""

import copy
from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.arrow import table_util

from penstock.components.data.beam import Engine, HashRows, as_bytes, as_text

from .quantiles import QuantileCounts
from .rows import Repeats, RowHashes, count_repeats, hashes_of
from .statistics import Statistics


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
            hashes.append(batches | f"Hash {split}" >> beam.ParDo(HashRows(split, hashes_of, rows)))
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


def _count_repeats(bucket: tuple[int, Iterable[tuple[str, bytes]]]) -> dict[str, list[int]]:
    hashes: dict[str, RowHashes] = {}
    for split, content in bucket[1]:
        hashes.setdefault(split, RowHashes()).add_hashes(np.frombuffer(content, np.uint64))
    return {split: [found.rows, found.repeated, found.elsewhere] for split, found in count_repeats(hashes).items()}


def _summed(splits: Iterable[str], buckets: list[dict[str, list[int]]]) -> dict[str, Repeats]:
    return {
        split: Repeats(*np.sum([bucket.get(split, [0, 0, 0]) for bucket in buckets] or [[0, 0, 0]], axis=0).tolist()) for split in splits
    }
