"""V2 answers over REST and gRPC: the requested outputs, each as JSON or as bytes.

Format: https://github.com/kserve/open-inference-protocol, with its binary tensor data extension.
"""

import struct
import uuid
from typing import Any

import numpy as np
import orjson
from kserve import InferOutput, InferRequest, InferResponse
from kserve.errors import InvalidInput
from kserve.utils.numpy_codec import from_np_dtype

from .json_rows import check_output
from .kserve_adapter import set_raw_bytes
from .saved_model import Arrays

BINARY_DATA, BINARY_DATA_OUTPUT, BINARY_DATA_SIZE = "binary_data", "binary_data_output", "binary_data_size"


def v2_answer(request: InferRequest, model_name: str, version: str, outputs: Arrays) -> InferResponse:
    """Answers a request.

    Args:
        request: The request, which names outputs, or none for all of them.
        model_name: The model's name.
        version: The version that answered.
        outputs: Its outputs.

    Raises:
        InvalidInput: An output has a type that V2 does not have.
    """
    asked = {one.name: one.parameters or {} for one in request.request_outputs or []} or {name: {} for name in outputs}
    as_bytes = bool(request.use_binary_outputs)
    tensors = [InferOutput(name, list(outputs[name].shape), _datatype(name, outputs[name]), outputs[name]) for name in asked]
    if request.from_grpc:
        _fill(tensors, as_bytes)
    # KServe's own answer to a request without an id is refused by KServe's response model.
    identity = str(uuid.uuid4()) if request.id is None else request.id
    answer = _RestAnswer(identity, model_name, tensors, model_version=version, use_binary_outputs=as_bytes)
    answer.binary = {name for name, parameters in asked.items() if parameters.get(BINARY_DATA, as_bytes)}
    return answer


def v2_datatype(dtype: np.dtype) -> str:
    """Returns V2's name of a type, or NumPy's in capitals where V2 has none."""
    return from_np_dtype(dtype) or dtype.name.upper()


class _RestAnswer(InferResponse):
    """An answer whose tensors are arrays until it is sent.

    Attributes:
        binary: The outputs that follow the JSON as bytes.
    """

    binary: set[str]

    def to_rest(self) -> tuple[bytes, int | None]:
        """Returns the body, and where the JSON ends if not at its end.

        Raises:
            InvalidInput: JSON cannot hold an output that was asked for as JSON.
        """
        described, contents = [], []
        for tensor in self.outputs:
            about = {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype}
            if tensor.name in self.binary:
                contents.append(_to_bytes(tensor.data))
                about["parameters"] = {BINARY_DATA_SIZE: len(contents[-1])}
            else:
                about["data"] = _to_json(tensor)
            described.append(about)
        head = orjson.dumps({"id": self.id, "model_name": self.model_name, "model_version": self.model_version, "outputs": described})
        return b"".join([head, *contents]), len(head) if contents else None


def _fill(tensors: list[InferOutput], as_bytes: bool) -> None:
    """Makes tensors what gRPC sends; it has no field for FP16 but bytes, and all are bytes where one is."""
    as_bytes = as_bytes or any(tensor.datatype == "FP16" for tensor in tensors)
    for tensor in tensors:
        values = tensor.data
        tensor.data = None if as_bytes else values.ravel().tolist()
        set_raw_bytes(tensor, _to_bytes(values) if as_bytes else None)


def _datatype(name: str, values: np.ndarray) -> str:
    datatype: str | None = from_np_dtype(values.dtype)
    if datatype is None:
        raise InvalidInput(f"output {name!r} is {values.dtype.name}, for which V2 has no datatype")
    return datatype


def _to_bytes(values: np.ndarray) -> bytes:
    if values.dtype != np.object_:
        return values.tobytes()
    return b"".join(struct.pack("<I", len(value)) + value for value in values.ravel().tolist())


def _to_json(tensor: InferOutput) -> list[Any]:
    if tensor.datatype == "FP16":
        raise InvalidInput(f"output {tensor.name!r} is FP16, which V2 supports only as binary data; request it with {BINARY_DATA}")
    check_output(tensor.name, tensor.data)
    values: list[Any] = tensor.data.ravel().tolist()
    try:
        return [value.decode() for value in values] if tensor.datatype == "BYTES" else values
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"output {tensor.name!r} is not text, and JSON cannot represent other bytes; request it with {BINARY_DATA}"
        ) from error
