"""One Split with both models' predictions beside its labels: read once, predicted once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.runtime import TaskError, figure
from penstock.components.runtime.examples import count_rows, read_batches, read_schema
from penstock.components.runtime.tensors import Tensors

from .predict import SIGNATURES, Batch, Predictor, resolve_output


@dataclass
class Rows:
    """What the metrics are computed from.

    Attributes:
        columns: The label, weight and slicing columns of the Split, by name.
        predictions: By model name, each output [rows] or [rows, classes]. The key `""` is a single-output model's prediction.
        specs: The models' specs by name.
    """

    columns: dict[str, pa.Array]
    predictions: dict[str, dict[str, np.ndarray]]
    specs: dict[str, config_pb2.ModelSpec]

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def label(self, model: str, output: str = "") -> np.ndarray:
        """A model's labels: [rows], or [rows, classes] where the column holds lists."""
        spec = self.specs[model]
        return self._numbers(spec.label_keys.get(output) or spec.label_key, "label")

    def weight(self, model: str, output: str = "") -> np.ndarray | None:
        """A model's Example weights [rows]; None if none are configured."""
        spec = self.specs[model]
        key = spec.example_weight_keys.get(output) or spec.example_weight_key
        return self._numbers(key, "example weight").astype(np.float64) if key else None

    def _numbers(self, key: str, what: str) -> np.ndarray:
        column = self.columns[key]
        if column.null_count:
            raise TaskError(
                f"the {what} column {key} is empty in {column.null_count} of {len(column)} rows; leave these rows out, or fill it in"
            )
        if pa.types.is_nested(column.type):
            values = np.array(column.to_pylist())
            if values.ndim != 2:
                raise TaskError(f"the {what} column {key} holds lists of different lengths; give one value per class")
        else:
            values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "biuf":
            raise TaskError(f"the {what} column {key} holds {column.type}, not numbers; give class ids or values as numbers")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise TaskError(f"the {what} column {key} holds NaN or infinite values; leave these rows out, or mend them")
        return values.astype(np.int64) if values.dtype.kind in "biu" else values


def needed_columns(eval_config: config_pb2.EvalConfig) -> list[str]:
    """Returns the columns that an EvalConfig names: labels, weights, slices."""
    names: list[str] = []
    for spec in eval_config.model_specs:
        names += [spec.label_key, spec.example_weight_key, *spec.label_keys.values(), *spec.example_weight_keys.values()]
    for slices in eval_config.slicing_specs:
        names += [*slices.feature_keys, *slices.feature_values]
    return [name for name in dict.fromkeys(names) if name]


def check_columns(eval_config: config_pb2.EvalConfig, examples: Path, split: str) -> None:
    """Checks that a Split has rows, and the columns that an EvalConfig names.

    Raises:
        TaskError: It has none.
    """
    has = read_schema(examples, split).names
    missing = [name for name in needed_columns(eval_config) if name not in has]
    if missing:
        raise TaskError(
            f"eval_config names the column(s) {', '.join(missing)}, which Split {split!r} of the Examples lacks (it has: {', '.join(has)})"
        )
    if not count_rows(examples, split):
        raise TaskError(f"Split {split!r} of the Examples at {examples} is empty: nothing to evaluate; give it rows")


def check_labels(eval_config: config_pb2.EvalConfig, examples: Path, split: str, metrics: list[str]) -> None:
    """Checks that no label is the same in every row, where there are metrics of classifiers.

    Raises:
        TaskError: One is.
    """
    keys = {key for spec in eval_config.model_specs for key in [spec.label_key, *spec.label_keys.values()] if key} if metrics else set()
    for key in sorted(keys):
        column = pa.Table.from_batches(read_batches(examples, split, [key])).column(key)
        if not pa.types.is_nested(column.type) and len(values := column.unique()) == 1:
            raise TaskError(
                f"the label {key} is {values[0]} in every one of the {len(column):,} rows of Split {split!r}: {', '.join(metrics)} cannot be computed;"
                " evaluate on rows of every class"
            )


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


def read_rows(eval_config: config_pb2.EvalConfig, examples: Path, split: str, tensors: Tensors, predictors: dict[str, Predictor]) -> Rows:
    """Reads a Split and predicts it with every model, in one pass.

    Args:
        eval_config: Names the columns and outputs to keep.
        examples: The Examples.
        split: The Split.
        tensors: The Schema's tensors.
        predictors: The models by name.

    Raises:
        ModelError: A model cannot answer, or which output is its prediction is unclear.
    """
    needed = needed_columns(eval_config)
    total = count_rows(examples, split)
    tables: list[pa.RecordBatch] = []
    answers: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in predictors}
    specs = {spec.name: spec for spec in eval_config.model_specs}
    done = 0
    for table in read_batches(examples, split):
        batch = Batch(table, tensors)
        for name, predictor in predictors.items():
            answers[name].append(model_outputs(predictor.predict(batch), specs[name]))
        tables.append(table.select(needed))
        done += table.num_rows
        figure(f"predicted {done:,} of {total:,} rows")
    columns = pa.Table.from_batches(tables).combine_chunks()
    return Rows(
        columns={name: columns.column(name).combine_chunks() for name in needed},
        predictions={
            name: {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]} for name, batches in answers.items()
        },
        specs=specs,
    )


def model_title(spec: config_pb2.ModelSpec) -> str:
    """Returns what errors call a model: TFMA leaves a single model without a name."""
    return constants.BASELINE_KEY if spec.is_baseline else constants.CANDIDATE_KEY


def wanted_signatures(spec: config_pb2.ModelSpec) -> tuple[str, ...]:
    """Returns the signatures to try for a model: the named one; a Baseline from before it had that name may have another."""
    named = (spec.signature_name,) if spec.signature_name else ()
    return named if named and not spec.is_baseline else (*named, *SIGNATURES)


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
