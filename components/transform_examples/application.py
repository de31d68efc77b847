"""Applies a TransformGraph to Parquet files of Examples: the same function in this process and on Beam's workers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from penstock.components.data.beam import Engine, described, fetched, making
from penstock.components.data.examples import read_file, read_file_schema
from penstock.components.data.tensors import Tensors, without
from penstock.components.protocol import Output, TaskError

ENDINGS = {"parquet": ".parquet", "tfrecord": ".gz"}


@dataclass(frozen=True)
class Part:
    """One file to transform.

    Attributes:
        split: Its Split.
        source: The path or URI of the Parquet file.
        name: The file to write, relative to the output; its ending is one of `ENDINGS`.
    """

    split: str
    source: str
    name: str


def transform(parts: list[Part], transform_graph: Path, destination: Path) -> Iterator[tuple[str, int]]:
    """Transforms files in this process, one after the other.

    Yields:
        The Split and the number of rows of each file, as it is done.
    """
    graph = _Graph(str(transform_graph))
    yield from ((part.split, _transform_part(part, graph, destination / part.name)) for part in parts)


def transform_on(engine: Engine, parts: list[Part], transform_graph: Path, output: Output) -> Iterator[tuple[str, int]]:
    """Transforms files on Beam, each by any worker; as Parquet they are the same bytes.

    Yields:
        As `transform`, when all are done.
    """
    worker = _TransformPart(engine.share(transform_graph, "settled_graph"), engine.destination(output))
    with engine.pipeline() as pipeline:
        made = pipeline | "Parts" >> beam.Create(parts) | "Deal" >> beam.Reshuffle() | "Transform" >> beam.ParDo(worker)
        _ = made | engine.gather("parts")
    found = {part["name"]: part for part in engine.gathered("parts")}
    engine.record(output, {name: part["sha256"] for name, part in found.items()})
    yield from ((part.split, found[part.name]["rows"]) for part in parts)


class _TransformPart(beam.DoFn):
    def __init__(self, transform_graph: str, destination: str) -> None:
        self._folder, self._destination = transform_graph, destination

    def setup(self) -> None:
        self._graph = _Graph(fetched(self._folder))

    def process(self, part: Part) -> Iterator[dict[str, Any]]:
        with making(f"{self._destination}/{part.name}") as path:
            rows = _transform_part(part, self._graph, path)
            yield described(path, part.name) | {"rows": rows}


def _transform_part(part: Part, graph: "_Graph", path: Path) -> int:
    """Transforms one file, a row group at a time, and returns its number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = graph.for_columns(read_file_schema(part.source).names)
    batches = (graph.apply(batch) for batch in read_file(part.source, graph.inputs.columns))
    return (_write_parquet if part.name.endswith(ENDINGS["parquet"]) else _write_tfrecord)(path, batches, graph)


class _Graph:
    """A loaded TransformGraph.

    Attributes:
        inputs: What it reads.
        schema: The Schema of what comes out.
        flat_schema: The Arrow schema of what is written as Parquet: a column with exactly one value per row is not a list.
    """

    def __init__(self, folder: str, missing: list[str] | None = None) -> None:
        """Loads it.

        Args:
            folder: Where it is.
            missing: Columns that the rows lack: what is computed from them is left out.

        Raises:
            TaskError: Nothing is left.
        """
        self._folder = folder
        output = tft.TFTransformOutput(folder)
        self.inputs = Tensors(without(output.raw_metadata.schema, missing or []))
        self.schema = output.transformed_metadata.schema
        self._transform = tf.saved_model.load(output.transform_savedmodel_dir).transform_fn
        if missing:
            self._transform = output.transform_features_layer()
            left = self._transform(self.inputs.to_tensors(pa.RecordBatch.from_pylist([], schema=self.inputs.config.arrow_schema)))
            self.schema = without(self.schema, [feature.name for feature in self.schema.feature if feature.name not in left])
            if not left:
                raise TaskError(f"a Split lacks the columns {', '.join(missing)}, which every output needs; ingest them")
        self._to_arrow = impl_helper.make_tensor_to_arrow_converter(self.schema)
        specs = schema_utils.schema_as_feature_spec(self.schema).feature_spec
        self._single = {name for name, spec in specs.items() if isinstance(spec, tf.io.FixedLenFeature) and math.prod(spec.shape) == 1}
        lists = self._to_arrow.arrow_schema()
        self.flat_schema = pa.schema([(one.name, one.type.value_type if one.name in self._single else one.type) for one in lists])

    def for_columns(self, names: list[str]) -> "_Graph":
        """Returns the graph for rows that have these columns."""
        missing = self.inputs.missing(names)
        return _Graph(self._folder, missing) if missing else self

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the transformed rows, every column a list as tf.Example has it."""
        return self._to_arrow.convert(self._transform(self.inputs.to_tensors(batch)))

    def flat(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Returns rows of `flat_schema`: smaller, and what other tools expect."""
        arrays = [rows[name].flatten() if name in self._single else rows[name] for name in self.flat_schema.names]
        return pa.RecordBatch.from_arrays(arrays, schema=self.flat_schema)


def _write_parquet(path: Path, batches: Iterator[pa.RecordBatch], graph: _Graph) -> int:
    rows = 0
    with pq.ParquetWriter(path, graph.flat_schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(graph.flat(batch))
            rows += batch.num_rows
    return rows


def _write_tfrecord(path: Path, batches: Iterator[pa.RecordBatch], graph: _Graph) -> int:
    encoder, rows = RecordBatchToExamplesEncoder(graph.schema), 0
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for batch in batches:
            for example in encoder.encode(batch):
                writer.write(example)
            rows += batch.num_rows
    return rows
