"""TFDV's Statistics: computed in one pass over Arrow batches, written and read as TFX lays them out."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import tensorflow_data_validation as tfdv
from google.protobuf.message import DecodeError
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics
from tensorflow_metadata.proto.v0.statistics_pb2 import FeatureNameStatistics as FeatureStatistics
from tensorflow_metadata.proto.v0.statistics_pb2 import Histogram
from tfx_bsl.arrow import table_util

from penstock.components.data.examples import read_batches
from penstock.components.data.filesystems import explaining, open_filesystem
from penstock.components.protocol import TaskError

_FILE = "FeatureStats.pb"


class Observer(Protocol):
    """Who counts something of its own in the pass that computes Statistics."""

    def add(self, rows: pa.RecordBatch) -> None:
        """Takes some rows."""


def compute(examples: Path, split: str, schema: schema_pb2.Schema | None, observers: Iterable[Observer] = ()) -> Statistics:
    """Computes a Split's Statistics through the generators behind `tfdv.generate_statistics_from_dataframe`.

    Memory is bounded by a batch, and Beam, whose fixed cost is many times this, is left out.

    Args:
        examples: The folder of the Examples.
        split: The Split's name.
        schema: Says which numbers are categories; None if nothing is known.
        observers: Who sees each batch as well.
    """
    # TFDV's generators without Beam, which TFDV itself uses for DataFrames; its API takes no batches one by one (test_generators_are_not_public).
    generators = stats_impl.get_generators(tfdv.StatsOptions(schema=schema), in_memory=True)
    accumulators = [generator.create_accumulator() for generator in generators]
    for batch in read_batches(examples, split):
        if batch.num_rows:
            columns = table_util.CanonicalizeRecordBatch(batch)
            accumulators = [
                generator.add_input(accumulator, columns) for generator, accumulator in zip(generators, accumulators, strict=True)
            ]
            for observer in observers:
                observer.add(batch)
    return stats_impl.extract_statistics_output(accumulators, generators)


def save(statistics: Statistics, folder: Path, split: str) -> None:
    """Writes `Split-<name>/FeatureStats.pb`."""
    path = folder / f"Split-{split}" / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(statistics.SerializeToString(deterministic=True))


def load(where: str, split: str, what: str) -> Statistics | None:
    """Reads Statistics to compare a Split with.

    Args:
        where: Path or URI of a Statistics artifact (its Split of the same name, or its only one), or of one `FeatureStats.pb`.
        split: The Split's name.
        what: The parameter's name, for errors.

    Returns:
        The Statistics, or None if the artifact has several Splits and none of that name.

    Raises:
        TaskError: Nothing can be read there, or it is not Statistics.
    """
    with explaining(f"{what}: cannot read {where!r}", "give the path or URI of Statistics, or leave it empty"):
        filesystem, path = open_filesystem(where)
        if filesystem.isdir(path):
            files = {str(name).split("/")[-2]: str(name) for name in filesystem.glob(f"{path}/Split-*/{_FILE}")}
            if not files:
                raise FileNotFoundError(f"no Split-*/{_FILE} in it")
            if f"Split-{split}" not in files and len(files) > 1:
                return None
            path = files.get(f"Split-{split}") or next(iter(files.values()))
        content = filesystem.cat_file(path)
    try:
        statistics = Statistics.FromString(content)
    except DecodeError as error:
        raise TaskError(f"{what}: {path} contains no Statistics ({error}); give Statistics that validate_examples or TFDV wrote") from error
    if len(statistics.datasets) != 1:
        raise TaskError(
            f"{what}: {path} contains {len(statistics.datasets)} datasets, not one; give the Statistics of one Split, without slices"
        )
    return statistics


def by_name(statistics: Statistics) -> dict[str, FeatureStatistics]:
    """Returns the Statistics of each feature under its path, steps joined by dots."""
    return {".".join(feature.path.step) or feature.name: feature for feature in statistics.datasets[0].features}


def is_numeric(feature: FeatureStatistics) -> bool:
    """Whether a feature was counted as numbers, not as categories."""
    return feature.WhichOneof("stats") == "num_stats"


def common(feature: FeatureStatistics) -> Any:
    """Returns the `CommonStatistics` of a feature of any kind."""
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def histogram(feature: FeatureStatistics) -> Any:
    """Returns a numeric feature's histogram of equal widths."""
    return next((found for found in feature.num_stats.histograms if found.type == Histogram.STANDARD), Histogram())


def count_nan(feature: FeatureStatistics) -> int:
    """Returns how many values of a numeric feature are not a number."""
    return histogram(feature).num_nan


def count_infinite(feature: FeatureStatistics) -> int:
    """Returns about how many values of a numeric feature are infinite: TFDV keeps them in buckets of their own."""
    return round(
        sum(bucket.sample_count for bucket in histogram(feature).buckets if math.isinf(bucket.low_value) or math.isinf(bucket.high_value))
    )
