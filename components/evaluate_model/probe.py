"""Requests with the candidate's answers, for whoever serves it: what a client sends, and what must come back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from penstock.components.runtime.examples import read_batches
from penstock.components.runtime.tensors import Tensors

from .predict import Batch, Predictor

PROBE_ROWS = 16
TOLERANCE = 1e-5


def write_probe(path: Path, predictor: Predictor, examples: Path, split: str, tensors: Tensors) -> int:
    """Writes `tolerance`, `instances` and `predictions` in the words of TensorFlow Serving's and KServe's V1 protocol.

    Args:
        path: The JSON file.
        predictor: The model; its signature `serving_default` answers.
        examples: Where the requests come from: complete rows of the first batch, spread over it.
        split: Their Split.
        tensors: The Schema's tensors.

    Returns:
        The number of requests: none if `serving_default` takes serialized tf.Examples, or no row is complete.
    """
    instances, predictions = _requests(predictor.through("serving_default"), next(read_batches(examples, split)), tensors)
    path.write_text(json.dumps({"tolerance": TOLERANCE, "instances": instances, "predictions": predictions}, indent=1), encoding="utf-8")
    return len(instances)


def _requests(predictor: Predictor | None, batch: pa.RecordBatch, tensors: Tensors) -> tuple[list[dict[str, Any]], list[Any]]:
    if predictor is None:
        return [], []
    predictor.check_columns(batch.schema)
    if predictor.takes_examples:
        return [], []
    table = _complete(pa.Table.from_batches([batch]).select(list(predictor.inputs)))
    if not table.num_rows:
        return [], []
    table = table.take(np.unique(np.linspace(0, table.num_rows - 1, PROBE_ROWS).astype(np.int64)))
    answers = predictor.predict(Batch(table.combine_chunks().to_batches()[0], tensors))
    columns = {name: answer.tolist() for name, answer in answers.items()}
    if len(columns) == 1:
        return table.to_pylist(), next(iter(columns.values()))
    return table.to_pylist(), [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _complete(table: pa.Table) -> pa.Table:
    """Keeps the rows that JSON can say: no missing, NaN or infinite values."""
    table = table.drop_null()
    for column in table.columns:
        if pa.types.is_floating(column.type):
            table = table.filter(pc.is_finite(column))
    return table
