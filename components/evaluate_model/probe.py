"""Requests with the candidate's answers, for whoever serves it: what a client sends, and what must come back."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.runtime import stored
from penstock.components.runtime.answers import to_json
from penstock.components.runtime.examples import read_batches
from penstock.components.runtime.tensors import Tensors

from .predict import Batch, Predictor

# Enough to notice a model that is served otherwise than evaluated, few enough to be sent in a second.
PROBE_ROWS = 256
TOLERANCE = 1e-5


def write_probe(path: Path, predictor: Predictor, examples: Path, split: str, tensors: Tensors) -> None:
    """Writes `tolerance`, `instances` and `predictions` in the words of TensorFlow Serving's and KServe's V1 protocol.

    There are none if the model has no `serving_default`, or no row is complete.

    Args:
        path: The JSON file.
        predictor: The model; its signature `serving_default` answers.
        examples: Where the requests come from: complete rows of the first batch, spread over it.
        split: Their Split.
        tensors: The Schema's tensors.
    """
    instances, predictions = _requests(predictor.through("serving_default"), next(read_batches(examples, split)), tensors)
    probe = {"tolerance": TOLERANCE, "instances": instances, "predictions": predictions}
    path.write_text(stored.dump(probe, indent=1), encoding="utf-8")


def _requests(predictor: Predictor | None, batch: pa.RecordBatch, tensors: Tensors) -> tuple[list[dict[str, Any]], list[Any]]:
    if predictor is None:
        return [], []
    predictor.check_columns(batch.schema)
    table = pa.Table.from_batches([batch])
    table = table if predictor.takes_examples else _complete(table, list(predictor.inputs))
    if not table.num_rows:
        return [], []
    chosen = table.take(np.unique(np.linspace(0, table.num_rows - 1, PROBE_ROWS).astype(np.int64))).combine_chunks()
    requests = Batch(chosen.to_batches()[0], tensors)
    answers = {name: to_json(answer.tolist()) for name, answer in predictor.predict(requests).items()}
    predictions = [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]
    if predictor.takes_examples:
        instances = [{"b64": base64.b64encode(example).decode()} for example in requests.serialized]
    else:
        instances = to_json(chosen.select(sorted(predictor.inputs)).to_pylist())
    return instances, next(iter(answers.values())) if len(answers) == 1 else predictions


def _complete(table: pa.Table, inputs: list[str]) -> pa.Table:
    """Keeps the rows whose inputs JSON can say: no missing, NaN or infinite values."""
    for name in inputs:
        table = table.filter(pc.is_valid(table[name]))
        if pa.types.is_floating(table[name].type):
            table = table.filter(pc.is_finite(table[name]))
    return table
