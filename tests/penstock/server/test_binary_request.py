"""V2 requests whose tensors follow the JSON as bytes."""

import json
from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput

from penstock.server.binary_request import read_binary_request


def request(**tensors: Any) -> tuple[bytes, int]:
    """Makes a request with KServe's own client code."""
    inputs = []
    for name, values in tensors.items():
        given = InferInput(name, list(values.shape), "BYTES" if values.dtype == object else "FP32")
        given.set_data_from_numpy(values)
        inputs.append(given)
    return InferRequest("flights", inputs, request_id="mine").to_rest()


def test_bytes_that_are_no_text_and_numbers():
    numbers, examples = np.array([[1.5], [2.5]], np.float32), np.array([b"\xff\x00", b"AA"], object)
    read = read_binary_request(*request(number=numbers, example=examples), "flights")
    assert (read.id, read.model_name) == ("mine", "flights")
    assert {given.name: given.as_numpy().tolist() for given in read.inputs} == {"number": [[1.5], [2.5]], "example": [b"\xff\x00", b"AA"]}


def test_values_in_the_json_beside_bytes():
    body, length = request(number=np.array([1.5], np.float32))
    head = json.loads(body[:length])
    head["inputs"].append({"name": "month", "shape": [1], "datatype": "INT64", "data": [3]})
    text = json.dumps(head).encode()
    read = read_binary_request(text + body[length:], len(text), "flights")
    assert {given.name: given.as_numpy().tolist() for given in read.inputs} == {"number": [1.5], "month": [3]}


@pytest.mark.parametrize(
    "head", [b"[]", b"{", b"{}", b'{"inputs": [{"name": "x"}]}', b'{"inputs": [{"name": "x", "parameters": {"binary_data_size": "2"}}]}']
)
def test_malformed_requests(head: bytes):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_binary_request(head + b"12", len(head), "flights")
