"""What the server uses of KServe's tensors that KServe does not document."""

import pytest
from kserve import InferInput, InferOutput

from penstock.server.kserve_adapter import raw_bytes, set_raw_bytes

PUBLIC = {"as_numpy", "as_string", "data", "datatype", "name", "parameters", "set_data_from_numpy", "shape", "to_dict"}


@pytest.mark.parametrize("kind", [InferInput, InferOutput])
def test_kserve_has_no_public_bytes(kind: type):
    """When this fails, see whether the new name gives access to a tensor's bytes: if so, the adapter can go."""
    assert {name for name in dir(kind) if not name.startswith("_")} - PUBLIC == set()


def test_the_bytes_are_those_that_kserve_reads():
    tensor = InferInput("n", [2], "INT32", None, {})
    set_raw_bytes(tensor, b"\1\0\0\0\2\0\0\0")
    assert tensor.as_numpy().tolist() == [1, 2]
    assert raw_bytes(tensor) == b"\1\0\0\0\2\0\0\0"
