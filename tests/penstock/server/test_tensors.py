"""V2 requests into arrays."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput

from penstock.server.limits import Limits
from penstock.server.tensors import read_request, to_arrays

LIMITS = Limits(max_body=2**20, max_pending=2**20, max_rows=9, max_nesting=9, max_header=2**10, request_timeout=1, max_connections=9)


def request(**tensors: Any) -> tuple[bytes, int]:
    """Makes a request with KServe's own client code."""
    inputs = []
    for name, values in tensors.items():
        given = InferInput(name, list(values.shape), "BYTES" if values.dtype == object else "FP32")
        given.set_data_from_numpy(values)
        inputs.append(given)
    return InferRequest("flights", inputs, request_id="mine").to_rest()


def arrays(body: bytes, length: int | str | None = None) -> dict[str, Any]:
    read = to_arrays(read_request(body, None if length is None else str(length), "flights", LIMITS))
    return {name: values.tolist() for name, values in read.items()}


def test_bytes_that_are_no_text_and_numbers():
    numbers, examples = np.array([[1.5], [2.5]], np.float32), np.array([b"\xff\x00", b"AA"], object)
    body, length = request(number=numbers, example=examples)
    assert arrays(body, length) == {"number": [[1.5], [2.5]], "example": [b"\xff\x00", b"AA"]}
    read = read_request(body, str(length), "flights", LIMITS)
    assert (read.id, read.model_name) == ("mine", "flights")


def test_values_in_the_json_beside_bytes():
    body, length = request(number=np.array([1.5], np.float32))
    head = json.loads(body[:length])
    head["inputs"].append({"name": "month", "shape": [1], "datatype": "INT64", "data": [3]})
    text = json.dumps(head).encode()
    assert arrays(text + body[length:], len(text)) == {"number": [1.5], "month": [3]}


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "values"),
    [
        ("FP32", [2, 1], [1, 2.5], [[1.0], [2.5]]),
        ("fp32", [2, 1], [[1], [2.5]], [[1.0], [2.5]]),
        ("FP64", [1], [None], [np.nan]),
        ("INT8", [1], [3.0], [3]),
        ("UINT64", [1], [2**64 - 1], [2**64 - 1]),
        ("BOOL", [2], [True, False], [True, False]),
        ("BYTES", [2], ["é", {"b64": "/wA="}], ["é".encode(), b"\xff\x00"]),
        ("FP32", [0, 3], [], []),
        ("FP32", [], [1.5], 1.5),
    ],
)
def test_values_in_json(datatype: str, shape: list[int], data: list[Any], values: Any):
    body = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": data}]}).encode()
    np.testing.assert_equal(arrays(body), {"x": values})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [-1]}, "inputs.0.shape.0"),
        ({"shape": [10**12]}, "has 1 values, which do not fit the shape"),
        ({"shape": [2**40, 2**40]}, "has 1 values"),
        ({"shape": [0, 2**62, 2**62], "data": []}, "has 0 values"),
        ({"shape": [1] * 33}, "has 1 values"),
        ({"shape": [1.0]}, "inputs.0.shape.0"),
        ({"shape": [True]}, "inputs.0.shape.0"),
        ({"shape": None}, "inputs.0.shape"),
        ({"shape": [2]}, "has 1 values"),
        ({"data": [1.0, 2.0]}, "has 2 values"),
        ({"data": "1"}, "inputs.0.data"),
        ({"data": ["1"]}, "must be float32, not '1'"),
        ({"data": [True]}, "must be float32, not True"),
        ({"data": [{"a": 1}]}, "must be float32"),
        ({"data": [1.0, [2.0]], "shape": [2]}, "mixes lists and values"),
        ({"data": [[[[[[[[1.0]]]]]]]]}, "nested more than 9 deep"),
        ({"datatype": "INT64", "data": [1.5]}, "must be int64, not 1.5"),
        ({"datatype": "INT64", "data": [2**70]}, "out of the range of int64"),
        ({"datatype": "UINT8", "data": [-1]}, "out of the range of uint8"),
        ({"datatype": "BYTES", "data": [5]}, "must be a string, not 5"),
        ({"datatype": "BYTES", "data": [None]}, "must be a string, not None"),
        ({"datatype": "EVIL"}, "that V2 does not define: 'EVIL'"),
        ({"datatype": None}, "inputs.0.datatype"),
        ({"name": 3}, "inputs.0.name"),
        ({"data": None}, "needs data"),
        ({"data": None, "parameters": {"binary_data_size": 4}}, "at most the 0 bytes that are left, not 4"),
        ({"parameters": "x"}, "inputs.0.parameters"),
    ],
)
def test_tensors_that_are_not_what_they_say(changes: dict[str, Any], message: str):
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]} | changes
    with pytest.raises(InvalidInput, match=message.replace("[", r"\[")):
        arrays(json.dumps({"inputs": [tensor]}).encode())


def test_a_feature_twice():
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}
    with pytest.raises(InvalidInput, match="'x' occurs twice"):
        arrays(json.dumps({"inputs": [tensor, tensor]}).encode())


@pytest.mark.parametrize("size", [-4, 3, 5, 10**9, 2**70, "4", 4.0, True, None])
def test_sizes_that_are_none(size: Any):
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(InvalidInput):
        arrays(head + b"\0" * 4, len(head))


@pytest.mark.parametrize(
    "content", [struct.pack("<I", 3) + b"AA", struct.pack("<I", 2**32 - 1) + b"AA", b"\1\0", struct.pack("<I", 1) + b"AA"]
)
def test_truncated_strings(content: bytes):
    tensor = {"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(content)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(InvalidInput, match=r"not BYTES|has . values"):
        arrays(head + content, len(head))


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣", "", "1" * 5000, "99"])
def test_lengths_that_are_none(length: str):
    with pytest.raises(InvalidInput, match="must be at most the 2 bytes"):
        arrays(b"{}", length)


@pytest.mark.parametrize(
    "head", [b"[]", b"{", b"{}", b"null", b'{"inputs": 5}', b'{"inputs": [5]}', b'{"inputs": [], "id": {}}', b"\xff", b"[" * 9999]
)
def test_malformed_requests(head: bytes):
    with pytest.raises(InvalidInput, match=r"is not valid in V2|is not JSON"):
        arrays(head)
