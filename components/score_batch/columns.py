"""The columns of the output, and the rows of a scored batch in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from penstock.components.protocol import TaskError

from .blessed_model import BlessedModel
from .scorer import Scored

_MODEL = ("model_fingerprint", "model_version", "scored_at")
REASON = "reason"


@dataclass(frozen=True)
class Columns:
    """The columns of the two tables.

    Attributes:
        kept: The columns of the Examples that scored rows keep: keys first.
        keys: The key columns.
        partition_by: The column whose values become folders; may be empty.
        scored: The schema of scored rows.
        failed: The schema of errors.
        model: The model that every row names.
    """

    kept: list[str]
    keys: list[str]
    partition_by: str
    scored: pa.Schema
    failed: pa.Schema
    model: BlessedModel

    @classmethod
    def of(
        cls,
        examples: pa.Schema,
        keys: list[str],
        passthrough: list[str],
        partition_by: str,
        outputs: Mapping[str, Any],
        model: BlessedModel,
    ) -> "Columns":
        """Makes them.

        Raises:
            TaskError: Two columns have one name.
        """
        kept = list(dict.fromkeys([*keys, *passthrough, *([partition_by] if partition_by else [])]))
        for name in kept:
            if name in outputs or name in _MODEL:
                raise TaskError(
                    f"the output has a column {name!r} already, of the model; leave it out of key_columns, passthrough_columns and "
                    "partition_by"
                )
        about_model = [("model_fingerprint", pa.string()), ("model_version", pa.string()), ("scored_at", pa.timestamp("us", "UTC"))]
        answers = [(name, _arrow_type(spec)) for name, spec in sorted(outputs.items())]
        scored = pa.schema([*(examples.field(name).remove_metadata() for name in kept), *answers, *about_model])
        failed_keys = [examples.field(name).remove_metadata() for name in dict.fromkeys([*keys, *([partition_by] if partition_by else [])])]
        return cls(kept, keys, partition_by, scored, pa.schema([*failed_keys, (REASON, pa.string())]), model)

    def scored_rows(self, batch: pa.RecordBatch, scored: Scored, at: datetime) -> pa.Table:
        """Returns the scored rows of a batch."""
        rows = batch.select(self.kept)
        rows = rows if len(scored.rows) == batch.num_rows else rows.take(pa.array(scored.rows))
        about_model = {"model_fingerprint": self.model.fingerprint, "model_version": self.model.version, "scored_at": at}
        columns = []
        for field in self.scored:
            if field.name in about_model:
                columns.append(pa.repeat(pa.scalar(about_model[field.name], field.type), len(scored.rows)))
            elif field.name in self.kept:
                columns.append(rows.column(field.name))
            else:
                columns.append(_as_column(scored.answers[field.name], field))
        return pa.Table.from_arrays(columns, schema=self.scored)

    def failed_rows(self, batch: pa.RecordBatch, scored: Scored) -> pa.Table:
        """Returns the rows of a batch that could not be scored."""
        places = sorted(scored.reasons)
        names = [name for name in self.failed.names if name != REASON]
        rows = batch.select(names).take(pa.array(places, pa.int64()))
        return pa.Table.from_arrays([*rows.columns, pa.array([scored.reasons[place] for place in places], pa.string())], schema=self.failed)


def _arrow_type(spec: tf.TensorSpec) -> pa.DataType:
    kind = pa.string() if spec.dtype == tf.string else pa.from_numpy_dtype(spec.dtype.as_numpy_dtype)
    return kind if _is_single(spec.shape) else pa.list_(kind)


def _is_single(shape: tf.TensorShape) -> bool:
    """Whether a row has one value: [rows], [rows, 1]."""
    return shape.rank == 1 or (shape.rank is not None and all(size == 1 for size in shape[1:]))


def _as_column(answer: np.ndarray, field: pa.Field) -> pa.Array:
    is_list = pa.types.is_list(field.type)
    kind = field.type.value_type if is_list else field.type
    flat = answer.reshape(-1)
    try:
        values = pa.array(flat, pa.binary()).cast(kind) if pa.types.is_string(kind) else pa.array(flat, kind)
    except pa.ArrowInvalid as error:
        raise TaskError(f"the output {field.name} has text that is not UTF-8 ({str(error)[:100]}); export one that is") from error
    if not is_list:
        return values
    width = len(flat) // max(len(answer), 1)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(answer) + 1) * width, pa.int32()), values)
