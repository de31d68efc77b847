"""tf.Transform's analysis on Beam: from the rows of some Splits to a TransformGraph."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import TFTransformOutput
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from penstock.components.data.examples import read_file
from penstock.components.data.saved_models import settle_transform
from penstock.components.data.tensors import Tensors

from .analyzer_cache import AnalyzerCache

# Beam's default runner tries to download Prism first. Checking the types of tf.Transform's own pipeline costs half a second.
_IN_MEMORY = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--no_pipeline_type_check"]


def names_runner(beam_pipeline_args: list[str]) -> bool:
    """Says whether Beam's options name a runner."""
    return any(argument.split("=")[0] == "--runner" for argument in beam_pipeline_args)


def pipeline_options(beam_pipeline_args: list[str]) -> PipelineOptions:
    """Returns Beam's options: the given ones, on the in-memory runner unless they name another."""
    return PipelineOptions(beam_pipeline_args if names_runner(beam_pipeline_args) else [*_IN_MEMORY, *beam_pipeline_args])


def analyze(
    files: dict[str, list[Path]],
    schema: schema_pb2.Schema,
    preprocessing_fn: Callable,
    transform_graph: Path,
    cache: AnalyzerCache | None,
    beam_pipeline_args: list[str],
) -> list[str]:
    """Analyzes Splits and writes the TransformGraph.

    Args:
        files: The Parquet files of each Split to analyze.
        schema: The Schema of the rows.
        preprocessing_fn: The user's function of one argument.
        transform_graph: The folder to write: `transform_fn`, `transformed_metadata`, `metadata`.
        cache: What is known of these and of earlier Splits, to be used and extended. None: everything is analyzed.
        beam_pipeline_args: Beam's options.

    Returns:
        The Splits whose rows were read, sorted.

    Raises:
        TaskError: The cache does not hold what this preprocessing_fn asks of an earlier Span.
    """
    tensors = Tensors(schema)
    transform_graph.mkdir(parents=True, exist_ok=True)
    made = transform_graph / TFTransformOutput.TRANSFORM_FN_DIR
    scratch = transform_graph.parent if names_runner(beam_pipeline_args) else None  # where other workers can write, too
    with (
        tempfile.TemporaryDirectory(prefix=".penstock-transform-", dir=scratch) as folder,
        beam.Pipeline(options=pipeline_options(beam_pipeline_args)) as pipeline,
        # A second phase reads the files again instead of keeping all rows in memory.
        tft_beam.Context(temp_dir=folder, use_deep_copy_optimization=True),
    ):
        needed = sorted(files)
        if cache is None:
            every = [file for split in files.values() for file in split]
            transform_fn = (_read(pipeline, every, tensors, "Rows"), tensors.config) | tft_beam.AnalyzeDataset(preprocessing_fn)
        else:
            needed = sorted(cache.splits_to_read(pipeline, preprocessing_fn, tensors.config))
            rows = {split: _read(pipeline, files[split], tensors, f"Rows of {split}") for split in needed}
            transform_fn = cache.analyze(pipeline, rows, preprocessing_fn, tensors.config)
        _ = transform_fn | tft_beam.WriteTransformFn(str(transform_graph))
    settle_transform(made, folder)
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), str(transform_graph / "metadata"))
    return needed


def _read(pipeline: beam.Pipeline, files: list[Path], tensors: Tensors, label: str) -> beam.PCollection:
    def batches(file: Path) -> Iterator[pa.RecordBatch]:
        for batch in read_file(file, tensors.columns):
            yield tensors.to_lists(batch)

    return pipeline | label >> beam.Create(files) | f"Read {label}" >> beam.FlatMap(batches).with_output_types(pa.RecordBatch)
