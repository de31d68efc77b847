"""tf.Transform's analysis on Beam: from the rows of some Splits to a TransformGraph."""

from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import TFTransformOutput
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from penstock.components.data.beam import Engine
from penstock.components.data.saved_models import settle_transform
from penstock.components.data.tensors import Tensors

from .analyzer_cache import AnalyzerCache

_MADE = "transform_graph"


def analyze(
    engine: Engine,
    files: dict[str, list[str]],
    schema: schema_pb2.Schema,
    preprocessing_fn: Callable,
    transform_graph: Path,
    cache: AnalyzerCache | None,
) -> list[str]:
    """Analyzes Splits and writes the TransformGraph.

    Args:
        engine: What runs it.
        files: The Parquet files of each Split to analyze, as workers find them.
        schema: The Schema of the rows.
        preprocessing_fn: The user's function of one argument.
        transform_graph: The folder to write: `transform_fn`, `transformed_metadata`, `metadata`.
        cache: What is known of these and of earlier Splits, to be used and extended. None: everything is analyzed.

    Returns:
        The Splits whose rows were read, sorted.

    Raises:
        TaskError: The cache does not hold what this preprocessing_fn asks of an earlier Span.
    """
    tensors = Tensors(schema)
    scratch = engine.scratch_for_tensorflow()
    with (
        engine.pipeline() as pipeline,
        # A second phase reads the files again instead of keeping all rows in memory.
        tft_beam.Context(temp_dir=f"{scratch}/tft", use_deep_copy_optimization=True),
    ):
        needed = sorted(files)
        if cache is None:
            every = [file for split in files.values() for file in split]
            transform_fn = (_read(engine, pipeline, every, tensors, "Rows"), tensors.config) | tft_beam.AnalyzeDataset(preprocessing_fn)
        else:
            needed = sorted(cache.splits_to_read(engine, pipeline, preprocessing_fn, tensors.config))
            rows = {split: _read(engine, pipeline, files[split], tensors, f"Rows of {split}") for split in needed}
            transform_fn = cache.analyze(pipeline, rows, preprocessing_fn, tensors.config)
        _ = transform_fn | tft_beam.WriteTransformFn(f"{scratch}/{_MADE}")
    engine.fetch(_MADE, transform_graph)
    if cache is not None:
        cache.fetch(engine)
    settle_transform(transform_graph / TFTransformOutput.TRANSFORM_FN_DIR, f"{scratch}/tft")
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), str(transform_graph / "metadata"))
    return needed


def _read(engine: Engine, pipeline: beam.Pipeline, files: list[str], tensors: Tensors, label: str) -> beam.PCollection:
    batches = pipeline | label >> engine.row_groups(files, tensors.columns)
    return batches | f"Tensors of {label}" >> beam.Map(tensors.to_lists).with_output_types(pa.RecordBatch)
