"""One Split with the labels and both models' predictions, read and predicted once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.data.examples import count_rows, read_batches, read_schema
from penstock.components.data.tensors import Tensors
from penstock.components.evidence.eval_config import require_columns, slicing_columns, spec_columns
from penstock.components.evidence.evaluation.predict import SIGNATURES, Batch, Predictor, resolve_output
from penstock.components.evidence.evaluation.rows import Rows
from penstock.components.evidence.scores import Scores
from penstock.components.evidence.tfma import constants
from penstock.components.protocol import TaskError, figure


def needed_columns(eval_config: config_pb2.EvalConfig, predictors: dict[str, Predictor]) -> list[str]:
    """Returns the columns that the Examples need for labels, weights and slices: those that no preprocessing function makes.

    Args:
        eval_config: Names them.
        predictors: The models by name.
    """
    made = _made(predictors)
    names = slicing_columns(eval_config) - made
    for spec in eval_config.model_specs:
        names |= spec_columns(spec) - (predictors[spec.name].transformed if spec.name in predictors else made)
    return sorted(names)


def check_columns(eval_config: config_pb2.EvalConfig, predictors: dict[str, Predictor], examples: Path, split: str) -> None:
    """Checks that a Split has rows, and the columns that no preprocessing function makes.

    Raises:
        TaskError: It has none.
    """
    require_columns(needed_columns(eval_config, predictors), examples, split, _made(predictors))


def _made(predictors: dict[str, Predictor]) -> frozenset[str]:
    """Returns the columns that preprocessing functions make."""
    return frozenset().union(*(predictor.transformed for predictor in predictors.values()))


def check_inputs(predictors: dict[str, Predictor], tensors: Tensors, examples: Path, split: str) -> None:
    """Checks that a Split has the columns that the models' signatures take.

    Raises:
        ModelError: It lacks a raw feature.
        TaskError: It lacks a column of the Schema, which tf.Examples are made of.
    """
    has = read_schema(examples, split)
    for predictor in predictors.values():
        predictor.check_columns(has)
    if any(predictor.takes_examples for predictor in predictors.values()):
        tensors.check(has, f"Split {split!r} of the Examples")


def read_rows(
    eval_config: config_pb2.EvalConfig, examples: Path, split: str, tensors: Tensors, predictors: dict[str, Predictor]
) -> tuple[Rows, Scores]:
    """Reads a Split and predicts it with every model, in one pass.

    Args:
        eval_config: Names the columns and outputs to keep.
        examples: The Examples.
        split: The Split.
        tensors: The Schema's tensors.
        predictors: The models by name.

    Returns:
        The rows, and how the candidate's answers are distributed.

    Raises:
        ModelError: A model cannot answer, or which output is its prediction is unclear.
    """
    needed = needed_columns(eval_config, predictors)
    total = count_rows(examples, split)
    specs = {spec.name: spec for spec in eval_config.model_specs}
    tables: list[pa.RecordBatch] = []
    answers: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in predictors}
    made: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in predictors}
    done, scores = 0, Scores()
    for read in read_batches(examples, split):
        for table in batches_for_models(read, eval_config):
            batch = Batch(table, tensors)
            for name, predictor in predictors.items():
                found = predictor.predict(batch)
                if not specs[name].is_baseline:
                    scores.add(found)
                answers[name].append(model_outputs(found, specs[name]))
                made[name].append(predictor.transform(batch, transformed_columns(eval_config, specs[name])))
            tables.append(table.select(needed))
            done += table.num_rows
            figure(f"predicted {done:,} of {total:,} rows")
    columns = pa.Table.from_batches(tables).combine_chunks()
    rows = Rows(
        columns={name: columns.column(name).combine_chunks() for name in needed},
        transformed={name: {key: as_column(values) for key, values in _concatenated(batches).items()} for name, batches in made.items()},
        predictions={name: _concatenated(batches) for name, batches in answers.items()},
        specs=specs,
        count=done,
    )
    _check_slicing(rows, slicing_columns(eval_config))
    return rows, scores


def batches_for_models(table: pa.RecordBatch, eval_config: config_pb2.EvalConfig) -> Iterator[pa.RecordBatch]:
    """Splits rows into batches for the models (`ModelSpec.inference_batch_size`)."""
    size = min((spec.inference_batch_size for spec in eval_config.model_specs if spec.inference_batch_size), default=table.num_rows)
    for start in range(0, table.num_rows, size):
        yield table.slice(start, size)


def transformed_columns(eval_config: config_pb2.EvalConfig, spec: config_pb2.ModelSpec) -> set[str]:
    """Returns the columns that a model's preprocessing functions are looked into for."""
    return spec_columns(spec) | slicing_columns(eval_config)


def as_column(values: np.ndarray) -> pa.Array:
    """Returns transformed values, [rows, ...], as a column of values, or of lists."""
    values = _squeeze(values)
    return pa.array(values.tolist()) if values.ndim == 1 else pa.array(list(values.reshape(len(values), -1)))


def _concatenated(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def _check_slicing(rows: Rows, names: set[str]) -> None:
    """Refuses slices by what the two models make differently: a row would be in a slice of each."""
    for name in names:
        first, *others = [columns[name] for columns in rows.transformed.values() if name in columns] or [None]
        if any(not other.equals(first) for other in others):
            raise TaskError(
                f"eval_config slices by {name}, which the preprocessing functions of the candidate and of the Baseline compute "
                "differently; slice by a column of the Examples"
            )


def model_title(spec: config_pb2.ModelSpec) -> str:
    """Returns what errors call a model: TFMA leaves a single model without a name."""
    return constants.BASELINE_KEY if spec.is_baseline else constants.CANDIDATE_KEY


def load(spec: config_pb2.ModelSpec, path: str | Path) -> Predictor:
    """Loads the model of a spec, with the signatures that it names; a Baseline from before it had that name may have another.

    Raises:
        ModelError: It does not load, or lacks a signature.
    """
    named = (spec.signature_name,) if spec.signature_name else ()
    wanted = named if named and not spec.is_baseline else (*named, *SIGNATURES)
    return Predictor(model_title(spec), path, wanted, spec.preprocessing_function_names)


def model_outputs(answers: dict[str, np.ndarray], spec: config_pb2.ModelSpec) -> dict[str, np.ndarray]:
    """Picks from a model's answers the predictions that its spec names, [rows] or [rows, classes].

    The key `""` is a single-output model's prediction.

    Raises:
        ModelError: The spec does not say which, or names one that is not there.
    """
    name = model_title(spec)
    if keys := dict(spec.prediction_keys) or {output: output for output in spec.label_keys}:
        return {output: _squeeze(answers[resolve_output(answers, key, name)]) for output, key in keys.items()}
    return {"": _squeeze(answers[resolve_output(answers, spec.prediction_key, name)])}


def _squeeze(answer: np.ndarray) -> np.ndarray:
    return answer[..., 0] if answer.ndim > 1 and answer.shape[-1] == 1 else answer
