"""The DataAccessor with which a `run_fn` reads Examples of either format, as TFX's `fn_args.data_accessor`."""

import glob
import itertools
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import tensorflow as tf
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx_bsl.public import tfxio
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter

from penstock.components.data.examples import ROW_GROUP_ROWS
from penstock.components.data.tensors import Tensors
from penstock.components.data.tfx_types import DataAccessor
from penstock.components.protocol import TaskError

# Rows are shuffled among at least this many: rows that lie together in a file often resemble each other.
POOL_ROWS = 16 * ROW_GROUP_ROWS
# Rows of images are shuffled among fewer.
POOL_BYTES = 1 << 30


def data_accessor(passes: list[int] | None = None) -> DataAccessor:
    """Returns a DataAccessor for Parquet files and for TFRecord files of tf.Example (gzip where they are named `.gz`).

    Args:
        passes: How often each dataset of Parquet files has been begun, in the order in which the datasets are made. The order of the rows
            follows from this and the seed alone, so that a later process can go on with it.
    """
    passes = [] if passes is None else passes
    return DataAccessor(partial(_tf_dataset, passes), partial(_record_batches, passes))


def _tf_dataset(
    passes: list[int], patterns: list[str], options: tfxio.TensorFlowDatasetOptions, schema: Schema | None = None
) -> tf.data.Dataset:
    files = _matching(patterns)
    dataset = _parquet(files, options, schema, passes) if _are_parquet(files) else _tfrecord(files, schema).TensorFlowDataset(options)
    # Workers that train together read the same batches, and each takes its rows of them. TensorFlow would divide files, of which there
    # may be one.
    sharding = tf.data.Options()
    sharding.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(sharding)


def _parquet(files: list[str], options: tfxio.TensorFlowDatasetOptions, schema: Schema | None, passes: list[int]) -> tf.data.Dataset:
    pools = _Pools(files, schema, options, passes)
    specs = TensorAdapter(pools.tensors.config).TypeSpecs()
    if options.label_key and options.label_key not in specs:
        raise TaskError(f"the Examples have no label {options.label_key!r} (they have: {', '.join(sorted(specs))}); correct label_key")
    sparse = [name for name, spec in specs.items() if isinstance(spec, tf.SparseTensorSpec)]

    def sliceable() -> Iterator[dict[str, Any]]:
        for pool in pools:
            tensors = pools.tensors.to_tensors(pool)
            yield tensors | {name: tf.RaggedTensor.from_sparse(tensors[name]) for name in sparse}

    def batches(pool: dict[str, Any]) -> tf.data.Dataset:
        rows = next(iter(pool.values())).shape[0] or tf.shape(next(iter(pool.values())), tf.int64)[0]
        return tf.data.Dataset.range(0, rows, options.batch_size).map(lambda start: batch(pool, start))

    def batch(pool: dict[str, Any], start: tf.Tensor) -> Any:
        rows = {name: values[start : start + options.batch_size] for name, values in pool.items()}
        rows |= {name: rows[name].to_sparse() for name in sparse}
        return (rows, rows.pop(options.label_key)) if options.label_key else rows

    ragged = {name: tf.RaggedTensorSpec([None, None], specs[name].dtype, ragged_rank=1) for name in sparse}
    # Whole pools cross from Python to TensorFlow, and are cut into batches there: a call per batch would cost more than a step.
    dataset = tf.data.Dataset.from_generator(sliceable, output_signature=specs | ragged).prefetch(1).flat_map(batches)
    return dataset.apply(tf.data.experimental.assert_cardinality(pools.batches)).prefetch(options.prefetch_buffer_size)


def _record_batches(
    passes: list[int], patterns: list[str], options: tfxio.RecordBatchesOptions, schema: Schema | None = None
) -> Iterator[pa.RecordBatch]:
    files = _matching(patterns)
    if not _are_parquet(files):
        yield from _tfrecord(files, schema).RecordBatches(options)
        return
    pools = _Pools(files, schema, options, passes)
    for pool in pools:
        lists = pools.tensors.to_lists(pool)
        yield from (lists.slice(start, options.batch_size) for start in range(0, lists.num_rows, options.batch_size))


def _matching(patterns: list[str]) -> list[str]:
    files = sorted(file for pattern in patterns for file in glob.glob(pattern))  # noqa: PTH207 - patterns, as TFX gives them
    if not files:
        raise TaskError(f"no file matches {', '.join(patterns)}; pass fn_args.train_files or fn_args.eval_files")
    return files


def _are_parquet(files: list[str]) -> bool:
    return files[0].endswith(".parquet")


def _tfrecord(files: list[str], schema: Schema | None) -> tfxio.TFExampleRecord:
    return tfxio.TFExampleRecord(files, schema=schema, telemetry_descriptors=["Trainer"])


class _Pools:
    """The rows of Parquet files as pools: shuffled, as large as memory may be filled, each but the last a whole number of batches.

    Iterating again goes through the rows again, in another order: an epoch. The orders follow from the seed and the number of the iteration.
    """

    def __init__(
        self,
        files: list[str],
        schema: Schema | None,
        options: tfxio.TensorFlowDatasetOptions | tfxio.RecordBatchesOptions,
        passes: list[int],
    ) -> None:
        if schema is None:
            raise TaskError("Parquet Examples need a Schema; pass tf_transform_output.transformed_metadata.schema to the data_accessor")
        dataset = pyarrow.dataset.dataset(files, format="parquet")
        self.tensors = Tensors(schema)
        self.tensors.check(dataset.schema, str(Path(files[0]).parent))
        self._groups = [group for fragment in dataset.get_fragments() for group in fragment.split_by_row_group()]
        self._options = options
        # NumPy's global generator is what a run's seed seeds.
        self._seed = np.random.randint(2**31) if options.shuffle_seed is None else options.shuffle_seed
        self._passes, self._number = passes, len(passes)
        passes.append(0)
        rows = dataset.count_rows()
        if not rows:
            raise TaskError(f"there are no rows in {Path(files[0]).parent}; check the Split's source")
        self.batches = self._count(rows)

    def _count(self, rows: int) -> int:
        if self._options.num_epochs is None:
            return tf.data.INFINITE_CARDINALITY
        batches = rows * self._options.num_epochs / self._options.batch_size
        return math.floor(batches) if self._options.drop_final_batch else math.ceil(batches)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        random = np.random.default_rng([self._seed, self._passes[self._number]])
        self._passes[self._number] += 1
        left = None
        epochs = itertools.count() if self._options.num_epochs is None else range(self._options.num_epochs)
        for _ in epochs:
            for rows in self._epoch(random):
                rows = rows if left is None else pa.concat_tables([left, rows])
                left = rows.slice(rows.num_rows - rows.num_rows % self._options.batch_size)
                yield from self._shuffled(rows.slice(0, rows.num_rows - left.num_rows), random)
        if left is not None and not self._options.drop_final_batch:
            yield from self._shuffled(left, random)

    def _epoch(self, random: np.random.Generator) -> Iterator[pa.Table]:
        """Reads every row group once, as many together as make a pool."""
        order = random.permutation(len(self._groups)) if self._options.shuffle else range(len(self._groups))
        most = max(self._options.shuffle_buffer_size, POOL_ROWS) if self._options.shuffle else ROW_GROUP_ROWS
        held: list[pa.Table] = []
        for index in order:
            held.append(self._groups[index].to_table(columns=self.tensors.columns))
            if sum(table.num_rows for table in held) >= most or sum(table.nbytes for table in held) >= POOL_BYTES:
                yield pa.concat_tables(held)
                held = []
        if held:
            yield pa.concat_tables(held)

    def _shuffled(self, rows: pa.Table, random: np.random.Generator) -> Iterator[pa.RecordBatch]:
        if rows.num_rows and self._options.shuffle:
            rows = rows.take(random.permutation(rows.num_rows))
        yield from rows.combine_chunks().to_batches()
