"""A SavedModel: the inputs of its signature, and its answers to a batch of requests."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.evidence.answers import to_predictions
from penstock.components.release.feature_defaults import read_defaults

from .json_rows import check_output, fit, to_column, to_list

SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]
_SHOWN = 20


class SavedModel:
    """A loaded SavedModel, called through its `serving_default` signature: raw features by name, or serialized tf.Examples.

    Attributes:
        inputs: The `tf.TensorSpec` of each input, by name.
        outputs: The `tf.TensorSpec` of each output, by name.
        defaults: The values of features that are missing, as the Schema names them.
        takes_batches: Whether the signature leaves the number of rows open.
    """

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Raises:
            ValueError: There is no SavedModel, it has no signature `serving_default`, or its defaults cannot be read.
        """
        try:
            self._loaded = tf.saved_model.load(str(path))  # the signature's functions do not keep their variables alive
        except OSError as error:
            raise ValueError(f"no SavedModel can be read at {path}: {error}") from error
        if SIGNATURE not in self._loaded.signatures:
            raise ValueError(
                f"the SavedModel at {path} has no signature {SIGNATURE!r} (it has: {', '.join(self._loaded.signatures) or 'none'})"
            )
        self._function = self._loaded.signatures[SIGNATURE]
        self.inputs: dict[str, tf.TensorSpec] = self._function.structured_input_signature[1]
        self.outputs: dict[str, tf.TensorSpec] = self._function.structured_outputs
        shapes = [spec.shape for spec in (*self.inputs.values(), *self.outputs.values())]
        self.defaults = read_defaults(path)
        self.takes_batches = all(shape.rank is None or (shape.rank > 0 and shape[0] is None) for shape in shapes)

    def check_rows(self, instances: Any) -> list[dict[str, Any]]:
        """Returns the `instances` of a V1 request as a value by input name for each row.

        Args:
            instances: Such rows; where the model has one input, its value alone will do.

        Raises:
            InvalidInput: They are not rows, or a feature is missing or unknown.
        """
        if not isinstance(instances, list) or not instances:
            raise InvalidInput('the request needs "instances": a list of at least one row')
        rows = [self._named(row) for row in instances]
        for number, row in enumerate(rows):
            if row.keys() != self.inputs.keys():
                _refuse_names(row.keys(), self.inputs.keys(), f" in instance {number}")
        return rows

    def check_arrays(self, arrays: Arrays) -> Arrays:
        """Fits the tensors of a V2 request to the inputs.

        Args:
            arrays: An array for each input, with the first dimension as the batch.

        Raises:
            InvalidInput: An input is missing, unknown or of the wrong shape or type.
        """
        if arrays.keys() != self.inputs.keys():
            _refuse_names(arrays.keys(), self.inputs.keys())
        fitting = {name: fit(name, arrays[name], spec) for name, spec in self.inputs.items()}
        rows = {name: values.shape[0] for name, values in fitting.items() if self.takes_batches}
        if len(set(rows.values())) > 1:  # together with other requests, theirs would be taken for its own
            counts = ", ".join(f"{name}: {rows[name]}" for name in sorted(rows))
            raise InvalidInput(f"the features differ in their number of rows: {counts}")
        if 0 in rows.values():
            raise InvalidInput("the request needs at least one row")
        return fitting

    def columns(self, rows: list[dict[str, Any]]) -> Arrays:
        """Returns an array for each input, of rows that have been checked.

        Raises:
            InvalidInput: A value does not fit its input.
        """
        return {name: to_column(name, [row[name] for row in rows], spec) for name, spec in self.inputs.items()}

    def predict_rows(self, requests: Sequence[list[dict[str, Any]]]) -> list[list[Any]]:
        """Answers requests in rows: a plain value per row where there is one output, else values by output name.

        Raises:
            InvalidInput: A value does not fit its input, or the model itself refuses it.
        """
        outputs = self._compute(self.columns(list(itertools.chain.from_iterable(requests))))
        for name, values in outputs.items():
            check_output(name, values)
        answers = to_predictions({name: to_list(name, values) for name, values in outputs.items()})
        return [answers[part] for part in _parts([len(request) for request in requests], outputs)]

    def predict_arrays(self, requests: Sequence[Arrays]) -> list[Arrays]:
        """Answers requests in arrays that fit the inputs.

        Raises:
            InvalidInput: The model refuses the values.
        """
        if len(requests) == 1:
            return [self._compute(requests[0])]
        outputs = self._compute({name: np.concatenate([request[name] for request in requests]) for name in self.inputs})
        parts = _parts([count_rows(request) for request in requests], outputs)
        return [{name: values[part] for name, values in outputs.items()} for part in parts]

    def _compute(self, arrays: Arrays) -> Arrays:
        try:
            outputs = self._function(**{name: tf.constant(values) for name, values in arrays.items()})
        except tf.errors.InvalidArgumentError as error:
            raise InvalidInput(f"the model rejects the request: {error.message}") from error
        return {name: value.numpy() for name, value in outputs.items()}

    def _named(self, row: Any) -> dict[str, Any]:
        if len(self.inputs) == 1 and (not isinstance(row, dict) or row.keys() == {"b64"}):
            return {next(iter(self.inputs)): row}
        if not isinstance(row, dict):
            raise InvalidInput(f"an instance must be an object with the features {', '.join(sorted(self.inputs))}, not {row!r:.60}")
        return row


def count_rows(arrays: Arrays) -> int:
    """Returns how many rows arrays have."""
    first = next(iter(arrays.values()), np.empty(0))
    return first.shape[0] if first.ndim else 1


def _parts(sizes: list[int], outputs: Arrays) -> list[slice]:
    """Returns which rows of the outputs answer which request.

    Raises:
        ValueError: There are several requests, and the outputs do not have a row for each of theirs.
    """
    if len(sizes) == 1:
        return [slice(None)]
    ends = list(itertools.accumulate(sizes))
    if any(not values.ndim or len(values) != ends[-1] for values in outputs.values()):
        raise ValueError(f"the model returns {[values.shape for values in outputs.values()]} for {ends[-1]} rows, not one row for each")
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _refuse_names(given: Any, expected: Any, where: str = "") -> None:
    if missing := expected - given:
        raise InvalidInput(f"missing feature{where}: {some(missing)}")
    raise InvalidInput(f"unknown feature{where}: {some(given - expected)}; the model takes {', '.join(sorted(expected))}")


def some(names: Iterable[str]) -> str:
    """Returns names for a message; a request may have any number of any length."""
    shown = [f"{name:.60}" for name in sorted(names)]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
