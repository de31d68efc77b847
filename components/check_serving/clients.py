"""The clients of a model server: V1 and V2 over REST, V2 over gRPC, all with the same instances and predictions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
import httpx
import numpy as np

from .tensors import InputSpec, to_arrays, to_predictions

MODEL = "model"
TIMEOUT_SECONDS = 60.0
# Neither a proxy nor a limit on message sizes stands between two processes of one machine.
CHANNEL_OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_JSON_LENGTH = "Inference-Header-Content-Length"


class RequestFailed(Exception):
    """A request that was not answered, or not as its protocol has it."""


class Client(Protocol):
    """A client of one protocol. Requests are made before, and answers read after, the time that is measured."""

    def encode(self, instances: list[Any]) -> Any:
        """Makes the request for some instances."""

    async def send(self, request: Any) -> Any:
        """Sends a request, and returns the answer as it came.

        Raises:
            RequestFailed: It was refused, or not answered in time.
        """

    def decode(self, answer: Any) -> list[Any]:
        """Reads the predictions, one for each instance."""


def encode(client: Client, instances: list[Any]) -> Any:
    """Makes the request for some instances.

    Raises:
        RequestFailed: They are not what the server says that the model takes.
    """
    try:
        return client.encode(instances)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestFailed(f"the evaluated requests do not fit the inputs that the server describes ({error!r:.200})") from error


def read(client: Client, answer: Any, count: int) -> list[Any]:
    """Reads the predictions, one for each instance.

    Raises:
        RequestFailed: The answer is not what the protocol says, or has another number of rows.
    """
    try:
        predictions = client.decode(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestFailed(f"the answer cannot be read ({error!r:.200})") from error
    if len(predictions) != count:
        raise RequestFailed(f"{len(predictions)} predictions for {count} instances")
    return predictions


@asynccontextmanager
async def http_client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Opens a client of a server's REST API, with as many connections as are asked for."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=TIMEOUT_SECONDS, limits=limits) as client:
        yield client


async def get_json(http: httpx.AsyncClient, path: str) -> Any:
    """Returns what a server says at a path.

    Raises:
        RequestFailed: It refuses to, or does not answer.
    """
    return json.loads(await _checked(http.get(path)))


class V1Client:
    """KServe's V1 protocol, which is TensorFlow Serving's REST API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    def encode(self, instances: list[Any]) -> bytes:
        """Makes a request in the row format."""
        return json.dumps({"instances": instances}).encode()

    async def send(self, request: bytes) -> bytes:
        """Posts the request."""
        return await _checked(self._http.post(f"/v1/models/{MODEL}:predict", content=request, headers=_JSON))

    def decode(self, answer: bytes) -> list[Any]:
        """Reads the predictions."""
        return json.loads(answer)["predictions"]


class V2Client:
    """KServe's V2 protocol over REST: numbers and text as JSON, other bytes by its binary extension."""

    def __init__(self, http: httpx.AsyncClient, specs: list[InputSpec]) -> None:
        self._http = http
        self._specs = specs

    def encode(self, instances: list[Any]) -> tuple[bytes, dict[str, str]]:
        """Makes a request: its body and its headers."""
        from kserve.errors import InferenceError

        try:
            body, _ = _infer_request(instances, self._specs, binary=False).to_rest()
        except InferenceError:  # bytes that are not text
            body, length = _infer_request(instances, self._specs, binary=True).to_rest()
            return body, {"Content-Type": "application/octet-stream", _JSON_LENGTH: str(length)}
        return json.dumps(body).encode(), _JSON

    async def send(self, request: tuple[bytes, dict[str, str]]) -> bytes:
        """Posts the request."""
        body, headers = request
        return await _checked(self._http.post(f"/v2/models/{MODEL}/infer", content=body, headers=headers))

    def decode(self, answer: bytes) -> list[Any]:
        """Reads the predictions from an answer in JSON, which is what a request gets that asks for nothing else."""
        from kserve import InferResponse

        return _predictions(InferResponse.from_bytes(answer, len(answer)))


class V2GrpcClient:
    """KServe's V2 protocol over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, specs: list[InputSpec]) -> None:
        from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

        self._call = GRPCInferenceServiceStub(channel).ModelInfer
        self._specs = specs

    def encode(self, instances: list[Any]) -> Any:
        """Makes a `ModelInferRequest`."""
        return _infer_request(instances, self._specs, binary=True).to_grpc()

    async def send(self, request: Any) -> Any:
        """Calls `ModelInfer`."""
        return await called(self._call, request)

    def decode(self, answer: Any) -> list[Any]:
        """Reads the predictions from a `ModelInferResponse`."""
        from kserve import InferResponse

        return _predictions(InferResponse.from_grpc(answer))


async def v2_inputs(http: httpx.AsyncClient) -> list[InputSpec]:
    """Asks for the model's inputs, as V2's model metadata has them."""
    from kserve.utils.numpy_codec import to_np_dtype

    inputs = (await get_json(http, f"/v2/models/{MODEL}"))["inputs"]
    return [InputSpec(given["name"], np.dtype(to_np_dtype(given["datatype"])), len(given["shape"])) for given in inputs]


async def called(method: Any, request: Any) -> Any:
    """Calls a gRPC method.

    Raises:
        RequestFailed: It fails, or does not answer in time.
    """
    try:
        return await method(request, timeout=TIMEOUT_SECONDS)
    except grpc.aio.AioRpcError as error:
        raise RequestFailed(f"{error.code().name}: {error.details()}"[:300]) from error


_JSON = {"Content-Type": "application/json"}


async def _checked(request: Any) -> bytes:
    try:
        answer = await request
    except (httpx.HTTPError, asyncio.TimeoutError) as error:
        raise RequestFailed(f"no answer ({type(error).__name__}: {error})") from error
    if not answer.is_success:
        raise RequestFailed(f"HTTP {answer.status_code}: {answer.text[:300]}")
    return answer.content


def _infer_request(instances: list[Any], specs: list[InputSpec], *, binary: bool) -> Any:
    from kserve import InferInput, InferRequest
    from kserve.utils.numpy_codec import from_np_dtype

    inputs = []
    for name, values in to_arrays(instances, specs).items():
        given = InferInput(name, list(values.shape), from_np_dtype(values.dtype))
        given.set_data_from_numpy(values, binary_data=binary)
        inputs.append(given)
    return InferRequest(MODEL, inputs)


def _predictions(answer: Any) -> list[Any]:
    return to_predictions({output.name: output.as_numpy() for output in answer.outputs})
