"""Converts V2 requests over REST and gRPC to arrays, and verifies everything that they declare.

Format: https://github.com/kserve/open-inference-protocol, with its binary tensor data extension.
KServe's own readers leave it to NumPy what to make of wrong shapes, types and lengths.
"""

import itertools
import math
import struct
from typing import Annotated, Any

import numpy as np
import orjson
import tensorflow as tf
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import RequestedOutput, deserialize_bytes_tensor
from kserve.utils.numpy_codec import to_np_dtype
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .checks import check_nesting
from .json_rows import to_column
from .kserve_adapter import raw_bytes, set_raw_bytes
from .limits import Limits
from .saved_model import Arrays
from .v2_answer import BINARY_DATA, BINARY_DATA_OUTPUT, BINARY_DATA_SIZE

# What NumPy and TensorFlow can bear, both of them.
_MAX_RANK, _MAX_DIMENSION = 32, 2**31 - 1
_Natural = Annotated[int, Field(ge=0)]
_Parameters = dict[str, str | bool | int | float]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Input(_Strict):
    name: str
    shape: list[_Natural]
    datatype: str
    parameters: _Parameters | None = None
    data: list[Any] | None = None


class _Output(_Strict):
    name: str
    parameters: _Parameters | None = None


class _Request(_Strict):
    inputs: list[_Input]
    id: str | None = None
    parameters: _Parameters | None = None
    outputs: list[_Output] | None = None


def read_request(body: bytes, json_length: str | None, model_name: str, limits: Limits) -> InferRequest:
    """Reads a V2 request over REST.

    Args:
        body: The JSON, and after it the bytes of the tensors that are not in it.
        json_length: Where the JSON ends: the header `Inference-Header-Content-Length`; None without one.
        model_name: The model that is asked.
        limits: What it may have.

    Raises:
        InvalidInput: It is malformed.
    """
    end = _json_end(body, json_length)
    try:
        head = orjson.loads(body[:end])
        check_nesting([head], limits)
        request = _Request.model_validate(head)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the request is not JSON: {error}") from error
    except ValidationError as error:
        raise InvalidInput(f"the request is not valid in V2: {_first(error)}") from error
    for parameters, name in [
        (request.parameters, BINARY_DATA_OUTPUT),
        *((asked.parameters, BINARY_DATA) for asked in request.outputs or []),
    ]:
        if type((parameters or {}).get(name, False)) is not bool:
            raise InvalidInput(f"{name} must be true or false")
    return InferRequest(
        model_name,
        _inputs(request.inputs, body, end),
        request_id=request.id,
        parameters=request.parameters,
        request_outputs=[RequestedOutput(asked.name, asked.parameters) for asked in request.outputs or []] or None,
    )


def to_arrays(request: InferRequest) -> Arrays:
    """Makes arrays of a request's tensors, each of the datatype and shape that it says it has.

    Raises:
        InvalidInput: One has not.
    """
    arrays: Arrays = {}
    for tensor in request.inputs:
        if tensor.name in arrays:
            raise InvalidInput(f"feature {tensor.name!r:.60} occurs twice")
        arrays[tensor.name] = _to_array(tensor)
    return arrays


def _json_end(body: bytes, json_length: str | None) -> int:
    if json_length is None:
        return len(body)
    # Longer numbers are refused by Python itself; a body is never as large.
    if not (json_length.isascii() and json_length.isdecimal() and len(json_length) < 20 and int(json_length) <= len(body)):
        raise InvalidInput(f"Inference-Header-Content-Length must be at most the {len(body)} bytes of the body, not {json_length:.60}")
    return int(json_length)


def _inputs(given: list[_Input], body: bytes, start: int) -> list[InferInput]:
    inputs = []
    for one in given:
        tensor = InferInput(one.name, one.shape, one.datatype, one.data, one.parameters)
        if one.data is not None and BINARY_DATA_SIZE in (one.parameters or {}):
            raise InvalidInput(f"feature {one.name!r:.60} has data and a {BINARY_DATA_SIZE}; give one of them")
        if one.data is None:
            end = start + _binary_size(one, len(body) - start)
            set_raw_bytes(tensor, body[start:end])
            start = end
        inputs.append(tensor)
    if start != len(body):
        raise InvalidInput(f"the body has {len(body) - start} bytes more than its tensors")
    return inputs


def _binary_size(given: _Input, left: int) -> int:
    size = (given.parameters or {}).get(BINARY_DATA_SIZE)
    if type(size) is not int or not 0 <= size <= left:
        raise InvalidInput(
            f"feature {given.name!r:.60} needs data, or a {BINARY_DATA_SIZE} of at most the {left} bytes that are left, not {size!r:.60}"
        )
    return size


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}"[:200]


def _to_array(tensor: InferInput) -> np.ndarray:
    dtype = to_np_dtype(tensor.datatype)
    if dtype is None:
        raise InvalidInput(f"feature {tensor.name!r:.60} has a datatype that V2 does not define: {tensor.datatype!r:.60}")
    content = raw_bytes(tensor)
    values = _from_list(tensor, dtype) if content is None else _from_bytes(tensor, content, dtype)
    is_shape = len(tensor.shape) <= _MAX_RANK and all(0 <= size <= _MAX_DIMENSION for size in tensor.shape)
    if not is_shape or math.prod(tensor.shape) != len(values):
        raise InvalidInput(f"feature {tensor.name!r:.60} has {len(values)} values, which do not fit the shape {tensor.shape!r:.60}")
    return values.reshape(tensor.shape)


def _from_list(tensor: InferInput, dtype: Any) -> np.ndarray:
    """Makes an array of the values in JSON, flat or nested as the shape is, or in a gRPC message."""
    values, nested = tensor.data, [len(tensor.data)]
    while any(type(value) is list for value in values):
        if not all(type(value) is list for value in values):
            raise InvalidInput(f"feature {tensor.name!r:.60} mixes lists and values")
        lengths = {len(value) for value in values}
        nested.append(lengths.pop())
        if lengths:
            raise InvalidInput(f"feature {tensor.name!r:.60} has lists of different lengths")
        values = list(itertools.chain.from_iterable(values))
    if len(nested) > 1 and nested != list(tensor.shape):
        raise InvalidInput(f"feature {tensor.name!r:.60} is nested as {nested!r:.60}, which does not match its shape {tensor.shape!r:.60}")
    if values and dtype is np.object_ and all(type(value) is bytes for value in values):  # gRPC
        return np.array(values, dtype)
    return to_column(tensor.name, values, tf.TensorSpec([None], tf.as_dtype(dtype)))


def _from_bytes(tensor: InferInput, content: bytes, dtype: Any) -> np.ndarray:
    try:
        if dtype is np.object_:
            return deserialize_bytes_tensor(content)
        if dtype is bool and set(content) - {0, 1}:
            raise ValueError("a byte is neither 0 nor 1")
        return np.frombuffer(content, dtype)
    except (struct.error, ValueError) as error:
        raise InvalidInput(f"feature {tensor.name!r:.60}: its bytes are not {tensor.datatype} ({error})") from error
