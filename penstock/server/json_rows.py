"""JSON rows into arrays, and arrays into JSON rows.

Format: the row format of TensorFlow Serving's REST API, which KServe's V1 protocol shares.
"""

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.runtime.answers import to_json

# The JSON values that NumPy makes an array of at once, by kind of the input.
_PLAIN: dict[str, frozenset[type]] = {
    "f": frozenset({float, int, type(None)}),  # JSON has no NaN, which is how a missing number is written
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
    "O": frozenset({str}),
}
# What may be in nested lists; whole numbers may come as floats.
_LEAVES = _PLAIN | {kind: frozenset({int, float}) for kind in "iu"}


def to_column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    """Makes one feature's JSON values an array that fits an input.

    Raises:
        InvalidInput: They do not fit.
    """
    if spec.shape.rank in (1, 2) and set(map(type, values)) <= _PLAIN.get(_kind(spec), frozenset()):
        try:
            return fit(name, _plain_column(values, spec), spec)
        except OverflowError as error:
            raise InvalidInput(f"feature {name!r}: a number is out of the range of {spec.dtype.name}") from error
    return fit(name, _nested_column(name, values, spec), spec)


def fit(name: str, values: np.ndarray, spec: tf.TensorSpec) -> np.ndarray:
    """Fits an array to an input: whole numbers may come as floats, and a last dimension of 1 may be left out or added.

    Raises:
        InvalidInput: It has another type or shape.
    """
    expected = spec.dtype.as_numpy_dtype
    if values.dtype != expected:
        values = _cast(name, values, spec)
    rank = spec.shape.rank
    if rank == values.ndim + 1 and spec.shape[-1] in (1, None):
        values = values[..., np.newaxis]
    elif rank is not None and rank == values.ndim - 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if not spec.shape.is_compatible_with(values.shape):
        raise InvalidInput(f"feature {name!r} must have the shape {spec.shape.as_list()}, not {list(values.shape)}")
    return values


def to_rows(values: np.ndarray) -> list[Any]:
    """Returns an array's rows as JSON values; only strings need to be looked at."""
    rows: list[Any] = values.tolist()
    return to_json(rows) if values.dtype.kind == "O" else rows


def _kind(spec: tf.TensorSpec) -> str:
    return "f" if spec.dtype.is_floating else np.dtype(spec.dtype.as_numpy_dtype).kind


def _plain_column(values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    if spec.dtype == tf.string:
        return np.array([value.encode() for value in values], dtype=object)
    return np.array(values, dtype=spec.dtype.as_numpy_dtype)


def _nested_column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    if spec.shape.rank == 1:
        _check_lengths(name, values, spec)
    if spec.dtype == tf.string:
        array = np.array([_map_leaves(value, lambda leaf: _to_bytes(name, leaf)) for value in values], dtype=object)
        if any(type(leaf) is not bytes for leaf in array.flat):  # NumPy keeps what differs in shape as lists
            raise InvalidInput(f"feature {name!r}: the rows differ in shape")
        return array
    values = [_map_leaves(value, lambda leaf: _to_number(name, leaf, spec)) for value in values]
    try:
        return np.array(values)
    except ValueError as error:
        raise InvalidInput(f"feature {name!r}: the rows differ in shape") from error


def _check_lengths(name: str, values: list[Any], spec: tf.TensorSpec) -> None:
    """Refuses lists where a value is wanted before each of what may be millions of items is looked at."""
    lengths = {len(value) if isinstance(value, list) else None for value in values}
    if len(lengths) > 1:
        raise InvalidInput(f"feature {name!r}: the rows differ in shape")
    (length,) = lengths
    if length not in (None, 1):
        raise InvalidInput(f"feature {name!r} must have the shape {spec.shape.as_list()}, not {[len(values), length]}")


def _cast(name: str, values: np.ndarray, spec: tf.TensorSpec) -> np.ndarray:
    kind = _kind(spec)
    allowed = {"O": "O", "b": "b", "f": "iuf"}.get(kind, "iu")
    is_whole = allowed == "iu" and values.dtype.kind == "f" and bool(np.all(values == np.floor(values)))
    if values.dtype.kind not in allowed and not is_whole:
        sample = next(iter(values.reshape(-1).tolist()), None)
        raise InvalidInput(f"feature {name!r} must be {spec.dtype.name}, not {sample!r:.60}")
    with np.errstate(invalid="ignore"):
        cast = values.astype(spec.dtype.as_numpy_dtype)
    if allowed == "iu" and not np.array_equal(cast, values):
        raise InvalidInput(f"feature {name!r}: a number is out of the range of {spec.dtype.name}")
    return cast


def _map_leaves(value: Any, function: Callable[[Any], Any]) -> Any:
    return [_map_leaves(item, function) for item in value] if isinstance(value, list) else function(value)


def _to_number(name: str, value: Any, spec: tf.TensorSpec) -> Any:
    """Lets a number pass; of texts NumPy would make an array as wide as the longest in all rows."""
    if type(value) not in _LEAVES.get(_kind(spec), _LEAVES["f"]):
        raise InvalidInput(f"feature {name!r} must be {spec.dtype.name}, not {value!r:.60}")
    return math.nan if value is None else value


def _to_bytes(name: str, value: Any) -> bytes:
    try:
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(f"feature {name!r}: not base64 ({error})") from error
    if isinstance(value, str):
        return value.encode()
    raise InvalidInput(f"feature {name!r} must be a string, not {value!r:.60}")
