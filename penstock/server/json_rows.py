"""JSON rows into arrays, and arrays into JSON rows.

Format: the row format of TensorFlow Serving's REST API, which KServe's V1 protocol shares.
"""

import base64
import binascii
import math
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.evidence.answers import map_leaves, to_json

# The JSON values that NumPy converts to an array directly, by kind of the input.
_PLAIN: dict[str, frozenset[type]] = {
    "f": frozenset({float, int, type(None)}),  # JSON has no NaN, which is how a missing number is written
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
    "O": frozenset({str}),
}
# From here on a float stands for several whole numbers.
_FLOAT_WHOLE = 2**53
# What may be in nested lists; whole numbers may come as floats.
_LEAVES = _PLAIN | {kind: frozenset({int, float}) for kind in "iu"}


def to_column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    """Makes one feature's JSON values an array that fits an input.

    Raises:
        InvalidInput: They do not fit.
    """
    if spec.shape.rank in (1, 2) and set(map(type, values)) <= _PLAIN.get(_kind(spec), frozenset()):
        return fit(name, _plain_column(name, values, spec), spec)
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


def to_list(name: str, values: np.ndarray) -> list[Any]:
    """Returns an array's rows as JSON values; only strings need to be looked at."""
    rows: list[Any] = values.tolist()
    return to_json(rows, name) if values.dtype.kind == "O" else rows


def check_output(name: str, values: np.ndarray) -> None:
    """Makes sure that JSON can hold an output; NaN is null, as it is in a request.

    Raises:
        InvalidInput: It cannot.
    """
    dtype = tf.as_dtype(values.dtype)
    if dtype.is_floating and bool(np.isinf(values).any()):
        raise InvalidInput(f"output {name!r} is infinite, which JSON cannot represent; request it as binary data through V2, or over gRPC")
    if not (dtype.is_floating or values.dtype.kind in _PLAIN):
        raise InvalidInput(f"output {name!r} is {dtype.name}, which JSON cannot represent")


def _kind(spec: tf.TensorSpec) -> str:
    return "f" if spec.dtype.is_floating else np.dtype(spec.dtype.as_numpy_dtype).kind


def _plain_column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    if spec.dtype == tf.string:
        return np.array([value.encode() for value in values], dtype=object)
    return _numbers(name, values, spec)


def _numbers(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    """Makes an array of the input's own type: of whole numbers beside others NumPy would make floats, which hold no more than 53 bits."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=spec.dtype.as_numpy_dtype)
    except OverflowError as error:
        raise _out_of_range(name, spec) from error
    except ValueError as error:
        raise InvalidInput(f"feature {name!r}: the rows differ in shape") from error
    if spec.dtype.is_floating and np.isinf(array).any():  # JSON itself has no infinity
        raise _out_of_range(name, spec)
    return array


def _out_of_range(name: str, spec: tf.TensorSpec) -> InvalidInput:
    return InvalidInput(f"feature {name!r}: a number is out of the range of {spec.dtype.name}")


def _nested_column(name: str, values: list[Any], spec: tf.TensorSpec) -> np.ndarray:
    if spec.shape.rank == 1:
        _check_lengths(name, values, spec)
    if spec.dtype == tf.string:
        array = np.array([map_leaves(value, lambda leaf: _to_bytes(name, leaf)) for value in values], dtype=object)
        if any(type(leaf) is not bytes for leaf in array.flat):  # NumPy keeps what differs in shape as lists
            raise InvalidInput(f"feature {name!r}: the rows differ in shape")
        return array
    values = [map_leaves(value, lambda leaf: _to_number(name, leaf, spec)) for value in values]
    return _numbers(name, values, spec)


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
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(spec.dtype.as_numpy_dtype)
    is_lost = not np.array_equal(cast, values) if allowed == "iu" else kind == "f" and bool(np.any(np.isinf(cast) != np.isinf(values)))
    if is_lost:
        raise _out_of_range(name, spec)
    return cast


def _to_number(name: str, value: Any, spec: tf.TensorSpec) -> Any:
    """Lets a number pass; of texts NumPy would make an array as wide as the longest in all rows."""
    kind = _kind(spec)
    if type(value) not in _LEAVES.get(kind, _LEAVES["f"]) or (kind in "iu" and value % 1 != 0):
        raise InvalidInput(f"feature {name!r} must be {spec.dtype.name}, not {value!r:.60}")
    if kind in "iu" and type(value) is float:
        return _to_whole(name, value, spec)
    return math.nan if value is None else value


def _to_whole(name: str, value: float, spec: tf.TensorSpec) -> int:
    whole = int(value)
    if spec.dtype.min <= whole <= spec.dtype.max and abs(whole) >= _FLOAT_WHOLE:
        raise InvalidInput(f"feature {name!r}: {value!r} is an ambiguous integer; write it without a decimal point and an exponent")
    return whole


def _to_bytes(name: str, value: Any) -> bytes:
    try:
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(f"feature {name!r}: not base64 ({error})") from error
    if isinstance(value, str):
        return value.encode()
    raise InvalidInput(f"feature {name!r} must be a string, not {value!r:.60}")
