"""Reading TFRecord files of tf.Example, gzip or not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.runtime import TaskError
from penstock.components.runtime.examples import ROW_GROUP_ROWS


class TfRecordReader:
    """Reads TFRecord files. A feature that never has more than one value in a file is a single value, not a list."""

    def schemas(self, paths: list[Path]) -> list[pa.Schema]:
        """Returns the types of the files' features, in the order of their names, from all of their rows.

        Raises:
            TaskError: A file cannot be read as TFRecord of tf.Example, or a feature changes its type.
        """
        return [self._schema(path) for path in paths]

    def _schema(self, path: Path) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        lists: set[str] = set()
        for batch in _decode(path):
            for field, column in zip(batch.schema, batch.columns, strict=True):
                if pt.is_null(field.type):
                    kinds.setdefault(field.name, field.type)
                    continue
                kind = field.type.value_type
                if kinds.get(field.name, kind) not in (kind, pa.null()):
                    raise TaskError(
                        f"feature {field.name!r} of {path} changes its type from {kinds[field.name]} to {kind}; write it alike in all rows"
                    )
                kinds[field.name] = kind
                if (pc.max(pc.list_value_length(column)).as_py() or 0) > 1:
                    lists.add(field.name)
        if not kinds:
            raise TaskError(f"{path} is empty; write rows, or leave it out of input_uri")
        return pa.schema([(name, pa.list_(kind) if name in lists else kind) for name, kind in sorted(kinds.items())])

    def batches(self, path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Reads the wanted features: as lists where `wanted` says so, otherwise as single values."""
        for batch in _decode(path):
            columns = [_feature(batch, field) for field in wanted]
            yield pa.RecordBatch.from_arrays(columns, wanted.names)


def _decode(path: Path) -> Iterator[pa.RecordBatch]:
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    with path.open("rb") as stream:
        compression = "GZIP" if stream.read(3) == b"\x1f\x8b\x08" else ""
    decoder = ExamplesToRecordBatchDecoder()
    try:
        for serialized in tf.data.TFRecordDataset(str(path), compression).batch(ROW_GROUP_ROWS).as_numpy_iterator():
            yield decoder.DecodeBatch(list(serialized))
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        said = str(error).splitlines()[0][:200]
        raise TaskError(f"{path} cannot be read as TFRecord of tf.Example ({said}); write it again, or set input_format") from error


def _feature(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0 or pt.is_null(batch.column(index).type):
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(index)
    return column if pt.is_list(field.type) else _single(column)


def _single(column: pa.Array) -> pa.Array:
    """Takes lists of at most one value apart; an empty list is a null."""
    values = pc.list_flatten(column)
    where = np.full(len(column), -1)
    where[pc.list_parent_indices(column).to_numpy()] = np.arange(len(values))
    return values.take(pa.array(where, mask=where < 0))
