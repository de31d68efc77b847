"""Reads TFRecord files of tf.Example, compressed or not."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.data.canonical import is_bytes
from penstock.components.data.examples import rows_at_once
from penstock.components.protocol import TaskError
from penstock.components.protocol.disk_space import is_disk_full

from .columns import are_texts, schema_from_text, schema_to_text
from .compression import compression_of, open_plain
from .record_kinds import check_are_examples


class TfRecordReader:
    """Reads TFRecord files. A feature that never has more than one value in a file is a single value, not a list."""

    takes_uris = False

    def look(self, path: Path) -> dict[str, Any]:
        """Returns the types of a file's features, in the order of their names, from all of its rows.

        Raises:
            TaskError: The file cannot be read as TFRecord of tf.Example, or a feature changes its type.
        """
        return {"schema": schema_to_text(self._schema(path)), "chunks": 1, "how": {}}

    def schemas(self, looks: dict[str, dict[str, Any]]) -> list[pa.Schema]:
        """Returns the types of the files' features."""
        return [schema_from_text(look["schema"]) for look in looks.values()]

    def _schema(self, path: Path) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        lists: set[str] = set()
        opaque: set[str] = set()
        rows = 0
        for batch in _decode(path, is_checked=True):
            rows += batch.num_rows
            for field, column in zip(batch.schema, batch.columns, strict=True):
                if pt.is_null(field.type):
                    kinds.setdefault(field.name, field.type)
                    continue
                kind = field.type.value_type
                if kinds.get(field.name, kind) not in (kind, pa.null()):
                    raise TaskError(
                        f"feature {field.name!r} of {path} changes its type from {kinds[field.name]} to {kind}; use one type in all rows"
                    )
                kinds[field.name] = kind
                if (pc.max(pc.list_value_length(column)).as_py() or 0) > 1:
                    lists.add(field.name)
                if is_bytes(kind) and field.name not in opaque and not are_texts([column]):
                    opaque.add(field.name)
        if not kinds:
            problem = "has records without features, which are not tf.Examples" if rows else "is empty"
            raise TaskError(f"{path} {problem}; write rows, or exclude it from input_uri")
        kinds = {name: pa.string() if is_bytes(kind) and name not in opaque else kind for name, kind in sorted(kinds.items())}
        return pa.schema([(name, pa.list_(kind) if name in lists else kind) for name, kind in kinds.items()])

    def batches(self, path: Path, _: dict[str, Any], __: pa.Schema, wanted: pa.Schema, ___: int | None) -> Iterator[pa.RecordBatch]:
        """Reads the wanted features: as lists where `wanted` says so, otherwise as single values."""
        for batch in _decode(path):
            columns = [_feature(batch, field) for field in wanted]
            yield pa.RecordBatch.from_arrays(columns, wanted.names)


def _decode(path: Path, is_checked: bool = False) -> Iterator[pa.RecordBatch]:
    """Reads a file's records, a row group at a time; checked, a record that is not a tf.Example is an error."""
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    try:
        with _readable(path) as (file, compression):
            records = tf.data.TFRecordDataset(str(file), compression)
            first = next(records.take(1).as_numpy_iterator(), b"")
            for serialized in records.batch(rows_at_once(len(first))).as_numpy_iterator():
                if is_checked:
                    check_are_examples(serialized, path)
                yield decoder.DecodeBatch(list(serialized))
    except TaskError:
        raise
    except (tf.errors.OpError, RuntimeError, ValueError, pa.ArrowInvalid, OSError) as error:
        if is_disk_full(error):
            raise
        problem = str(error).splitlines()[0][:200]
        raise TaskError(f"{path} cannot be read as TFRecord of tf.Example ({problem}); write it again, or set input_format") from error


@contextmanager
def _readable(path: Path) -> Iterator[tuple[Path, str]]:
    """Gives a file that TensorFlow reads, and its word for the compression: it knows gzip alone."""
    compression = compression_of(path)
    if compression in (None, "gzip"):
        yield path, "GZIP" if compression else ""
        return
    with tempfile.NamedTemporaryFile(prefix="penstock-ingest-") as plain:
        with open_plain(path) as stream:
            shutil.copyfileobj(stream, plain)
        plain.flush()
        yield Path(plain.name), ""


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
