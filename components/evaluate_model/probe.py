"""The probe: requests with the candidate's answers, for later checks of its server."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data import stored
from penstock.components.data.examples import read_batches
from penstock.components.data.tensors import Tensors
from penstock.components.evidence.answers import largest_part, to_json, to_predictions
from penstock.components.evidence.evaluation.predict import Batch, Predictor

# Enough to detect a model that gives other answers than in the evaluation, and few enough to send in a second.
PROBE_ROWS = 256
# Answers to the same rows in requests of these sizes say how far apart they may be.
_SIZES = (32, PROBE_ROWS)
TOLERANCE = 1e-5
# By how much more than was measured answers may be apart; and from where on rows are mixed, not rounded.
_MARGIN, _MIXED = 4, 1e-3


def write_probe(path: Path, predictor: Predictor, examples: Path, split: str, tensors: Tensors) -> None:
    """Writes `instances` and `predictions` in the words of TensorFlow Serving's and KServe's V1 protocol, and how to compare with them.

    A prediction is the answer to its instance alone. `tolerance` is what the answers to the same rows in larger requests need, relative to
    the largest magnitude in an output's row; `rows_together` is false where they differ by more than rounding, as those of a model do that
    pads to the longest of its rows. There are no instances if the model has no `serving_default`, or no row is complete.

    Args:
        path: The JSON file.
        predictor: The model; its signature `serving_default` answers.
        examples: Where the requests come from: complete rows of the first batch, spread over it.
        split: Their Split.
        tensors: The Schema's tensors.
    """
    asked = _requests(predictor.through("serving_default"), next(read_batches(examples, split)), tensors)
    probe = {"tolerance": TOLERANCE, "rows_together": True, "instances": [], "predictions": []} | asked
    path.write_text(stored.dump(probe, indent=1), encoding="utf-8")


def _requests(predictor: Predictor | None, batch: pa.RecordBatch, tensors: Tensors) -> dict[str, Any]:
    if predictor is None:
        return {}
    predictor.check_columns(batch.schema)
    table = pa.Table.from_batches([batch])
    table = table if predictor.takes_examples else _complete(table, list(predictor.inputs))
    if not table.num_rows:
        return {}
    chosen = table.take(np.unique(np.linspace(0, table.num_rows - 1, PROBE_ROWS).astype(np.int64))).combine_chunks()
    alone = _predictions(predictor, chosen, tensors, 1)
    apart = max(_largest_part(_predictions(predictor, chosen, tensors, size), alone) for size in _SIZES)
    if predictor.takes_examples:
        serialized = Batch(chosen.to_batches()[0], tensors).serialized
        instances = [{"b64": base64.b64encode(example).decode()} for example in serialized]
    else:
        instances = to_json(chosen.select(sorted(predictor.inputs)).to_pylist())
    together = apart < _MIXED
    tolerance = max(TOLERANCE, _MARGIN * apart) if together else TOLERANCE
    return {"tolerance": tolerance, "rows_together": together, "instances": instances, "predictions": alone}


def _predictions(predictor: Predictor, table: pa.Table, tensors: Tensors, size: int) -> list[Any]:
    """Returns the answers to rows that are asked so many at a time."""
    predictions: list[Any] = []
    for start in range(0, table.num_rows, size):
        answers = predictor.predict(Batch(table.slice(start, size).combine_chunks().to_batches()[0], tensors))
        predictions += to_predictions({name: to_json(answer.tolist(), name) for name, answer in answers.items()})
    return predictions


def _largest_part(answers: list[Any], known: list[Any]) -> float:
    """Returns by how much of an output's largest magnitude answers differ at most."""
    return max(largest_part(ours, theirs) for ours, theirs in zip(answers, known, strict=True))


def _complete(table: pa.Table, inputs: list[str]) -> pa.Table:
    """Keeps the rows whose inputs JSON can say: no missing, NaN or infinite values."""
    for name in inputs:
        table = table.filter(pc.is_valid(table[name]))
        if pa.types.is_floating(table[name].type):
            table = table.filter(pc.is_finite(table[name]))
    return table
