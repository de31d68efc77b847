"""A SavedModel behind JSON: what its signature asks for, requests into tensors, and tensors into answers.

Format: the row format of TensorFlow Serving's REST API, which KServe's V1 protocol shares.
"""

import base64
import binascii
import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

SIGNATURE = "serving_default"


class SavedModel:
    """A loaded SavedModel, called through its `serving_default` signature: raw features by name, or serialized tf.Examples.

    Attributes:
        inputs: The `tf.TensorSpec` of each input, by name.
        outputs: The `tf.TensorSpec` of each output, by name.
    """

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Raises:
            ValueError: There is no SavedModel, or it has no signature `serving_default`.
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

    def __call__(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predicts for one batch.

        Args:
            arrays: An array for each input, with the first dimension as the batch.

        Raises:
            InvalidInput: An input is missing, unknown or of the wrong shape or type, or the model itself refuses the values.
        """
        _check_names(set(arrays), set(self.inputs))
        tensors = {name: _to_tensor(name, arrays[name], spec) for name, spec in self.inputs.items()}
        try:
            outputs = self._function(**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise InvalidInput(f"the model refuses the request: {error.message}") from error
        return {name: value.numpy() for name, value in outputs.items()}

    def predict_rows(self, instances: Any) -> list[Any]:
        """Answers the `instances` of a V1 request: a plain value per row where there is one output, else values by output name.

        Args:
            instances: A value by input name for each row; where the model has one input, its value alone will do.

        Raises:
            InvalidInput: As for a call, or the rows are malformed.
        """
        if not isinstance(instances, list) or not instances:
            raise InvalidInput('the request needs "instances": a list of at least one row')
        rows = [self._named(row) for row in instances]
        for number, row in enumerate(rows):
            _check_names(set(row), set(self.inputs), f" in instance {number}")
        arrays = {name: _column(name, [row[name] for row in rows], spec) for name, spec in self.inputs.items()}
        answers = {name: _to_json(values) for name, values in self(arrays).items()}
        if len(answers) == 1:
            return next(iter(answers.values()))
        return [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]

    def _named(self, row: Any) -> dict[str, Any]:
        if len(self.inputs) == 1 and (not isinstance(row, dict) or set(row) == {"b64"}):
            return {next(iter(self.inputs)): row}
        if not isinstance(row, dict):
            raise InvalidInput(f"an instance must be an object with the features {', '.join(sorted(self.inputs))}, not {row!r:.60}")
        return row


def _check_names(given: set[str], expected: set[str], where: str = "") -> None:
    if missing := expected - given:
        raise InvalidInput(f"missing feature{where}: {', '.join(sorted(missing))}")
    if unknown := given - expected:
        raise InvalidInput(f"unknown feature{where}: {', '.join(sorted(unknown))}; the model takes {', '.join(sorted(expected))}")


def _column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    """Makes one feature's JSON values an array."""
    if spec.dtype == tf.string:
        return np.array([_map_leaves(value, lambda leaf: _to_bytes(name, leaf)) for value in values], dtype=object)
    if spec.dtype.is_floating:  # JSON has no NaN, which is how a missing number is written
        values = [_map_leaves(value, lambda leaf: math.nan if leaf is None else leaf) for value in values]
    try:
        return np.array(values)
    except ValueError as error:
        raise InvalidInput(f"feature {name!r}: the rows differ in shape") from error


def _map_leaves(value: Any, function: Any) -> Any:
    return [_map_leaves(item, function) for item in value] if isinstance(value, list) else function(value)


def _to_bytes(name: str, value: Any) -> bytes:
    try:
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(f"feature {name!r}: not base64 ({error})") from error
    if isinstance(value, str):
        return value.encode()
    raise InvalidInput(f"feature {name!r} must be a string, not {value!r:.60}")


def _to_tensor(name: str, values: np.ndarray, spec: tf.TensorSpec) -> tf.Tensor:
    """Fits an array to an input: whole numbers may come as floats, and a last dimension of 1 may be left out or added."""
    expected = spec.dtype.as_numpy_dtype
    allowed = "O" if spec.dtype == tf.string else "b" if spec.dtype == tf.bool else "iuf" if spec.dtype.is_floating else "iu"
    if allowed == "iu" and values.dtype.kind == "f" and np.all(values == np.floor(values)):
        values = values.astype(expected)
    if values.dtype.kind not in allowed:
        sample = values.reshape(-1)[0].item() if values.size and values.dtype.kind != "O" else next(iter(values.reshape(-1)), None)
        raise InvalidInput(f"feature {name!r} must be {spec.dtype.name}, not {sample!r:.60}")
    rank = spec.shape.rank
    if rank == values.ndim + 1 and spec.shape[-1] in (1, None):
        values = values[..., np.newaxis]
    elif rank is not None and rank == values.ndim - 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if not spec.shape.is_compatible_with(values.shape):
        raise InvalidInput(f"feature {name!r} must have the shape {spec.shape.as_list()}, not {list(values.shape)}")
    return tf.constant(values.astype(expected))


def _to_json(values: np.ndarray) -> list[Any]:
    """Returns an output's rows as JSON values: strings as text where they are UTF-8, as `{"b64": ...}` where they are not."""
    rows = values.tolist()
    return _map_leaves(rows, _from_bytes) if values.dtype.kind == "O" else rows


def _from_bytes(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
