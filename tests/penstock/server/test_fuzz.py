"""Whatever is sent, over V1, V2 and gRPC: the answer is an error of the client, comes soon, and the next good request is answered."""

import contextlib
import gzip
import http.client
import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from .processes import GRPC, NAME, ROW, TYPES, V1, V2, Server, rest, serving, v2

SEEDS = range(3)
ROUNDS = 250
PATIENCE = 20
TWO_ROWS = v2(ROW, ROW) | {"id": "1", "parameters": {"binary_data_output": False}, "outputs": [{"name": "who"}]}
JSON_LENGTH = "Inference-Header-Content-Length"
BLAMES_NOBODY_ELSE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}


def deep(depth: int, leaf: Any = 1) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


NASTY: list[Any] = [
    *[None, True, False, -1, 0, 1, 7, 2**31, 2**63, -(2**63), 2**64, 10**30, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf")],
    *["", "x", "1", "\0", "\ud800", "é" * 999, "<script>", "a\nb", "{{", b"\xff".decode("latin-1"), "FP32", "BYTES", "EVIL", "FP16"],
    *[[], [[]], [[], [1]], [1, [2]], [1, "a", None], ["a", {"b64": "AA=="}], [["a"], ["a", "b"]], [0] * 5000, ["x" * 5000] + ["y"] * 500],
    *[
        {},
        {"b64": "!"},
        {"b64": 5},
        {"b64": ["x"]},
        {"b64": "AA=="},
        {"a": {"b": 1}},
        {"binary_data_size": -1},
        {"binary_data_size": 2**40},
    ],
    *[deep(20), deep(60), deep(500), deep(900), deep(40, "x"), deep(500, {"a": 1})],
]


@pytest.fixture(scope="module")
def server(
    saved_models: Path, tmp_path_factory: pytest.TempPathFactory, family_environment: dict[str, str], free_ports: Callable[[], int]
) -> Iterator[Server]:
    """A server that gives a text of the request back."""
    model = saved_models / "two_outputs" / "model"
    with serving(model, tmp_path_factory.mktemp("fuzz"), family_environment, free_ports, "--max_rows=300") as server:
        yield server


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    yield
    server.require_unharmed()


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Returns every place in a JSON value, as its container and its key there."""
    places = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [(value, key) for key, _ in places] + [node for _, child in places for node in nodes(child)]


def mutated(chance: random.Random, request: Any) -> Any:
    """Changes a few places of a request."""
    request = json.loads(json.dumps(request))
    for container, key in chance.sample(nodes(request), chance.choice([1, 1, 1, 2, 4])):
        act = chance.random()
        if act < 0.7:
            container[key] = chance.choice(NASTY)
        elif act < 0.8 and isinstance(container, dict):
            container.pop(key, None)
        elif isinstance(container, list):
            container.extend([container[key]] * chance.choice([1, 3, 400]))
        else:
            container[chance.choice(["x", "id", "parameters", "outputs", "data", "b64", "shape"])] = chance.choice(NASTY)
    return request


def damaged(chance: random.Random, content: bytes) -> bytes:
    """Changes a few bytes."""
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 2, 8])):
        at = chance.randrange(len(damaged) + 1)
        act = chance.randrange(4)
        if act == 0:
            del damaged[at:]
        elif act == 1:
            del damaged[at : at + chance.choice([1, 4, 64])]
        elif act == 2:
            damaged[at:at] = chance.choice(
                [b"\xff", b"\0", b"[", b'"', b"\r\n", b"{" * 99, chance.randbytes(8), bytes(damaged[at : at + 50])]
            )
        elif at < len(damaged):
            damaged[at] = chance.randrange(256)
    return bytes(damaged)


def text(chance: random.Random, request: Any) -> bytes:
    """Returns a mutated request as JSON, now and then not as JSON."""
    content = json.dumps(mutated(chance, request)).encode()
    return damaged(chance, content) if chance.random() < 0.25 else content


class Connection:
    """A connection that is kept as long as the server keeps it."""

    def __init__(self, server: Server) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", server.http.base_url.port, timeout=PATIENCE)

    def post(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        """Sends a request, and looks whom its answer blames."""
        self._http.request("POST", path, content, headers)
        answer = self._http.getresponse()
        output = answer.read()
        assert answer.status == 200 or 400 <= answer.status < 500, (answer.status, output[:300], path, headers, content[:2000])


def binary() -> tuple[dict[str, Any], bytes]:
    """Returns a V2 request whose tensors are bytes."""
    values = {"distance": struct.pack("<f", 1), "carrier": struct.pack("<I", 2) + b"AA", "month": struct.pack("<q", 9)}
    tensors = [
        {"name": name, "shape": [1], "datatype": TYPES[name], "parameters": {"binary_data_size": len(content)}}
        for name, content in values.items()
    ]
    return {"inputs": tensors, "parameters": {"binary_data_output": True}}, b"".join(values.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_v1(server: Server, seed: int):
    chance, connection = random.Random(seed), Connection(server)
    events = {"ce-id": "1", "ce-source": "x", "ce-type": "y", "ce-specversion": "1.0"}
    for _ in range(ROUNDS):
        content = text(chance, {"instances": [ROW, ROW]})
        headers = chance.choice(
            [{}, {}, {"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}, events, events | {"ce-id": ""}]
        )
        if "Content-Encoding" in headers:
            content = gzip.compress(content)
        connection.post(chance.choice([V1, V1, V1, V1.replace("predict", "explain")]), content, headers)


@pytest.mark.parametrize("seed", SEEDS)
def test_v2(server: Server, seed: int):
    chance, connection = random.Random(seed), Connection(server)
    kinds = ["application/json", "application/octet-stream", "application/cloudevents+json", "text/plain", "multipart/form-data"]
    paths = [V2, V2, V2, f"/v2/models/{NAME}/versions/9/infer", "/v2/models/none/infer", "/v2/models/%2e%2e/infer", "/v2/models//infer"]
    for _ in range(ROUNDS):
        connection.post(chance.choice(paths), text(chance, TWO_ROWS), {"Content-Type": chance.choice(kinds)})


@pytest.mark.parametrize("seed", SEEDS)
def test_v2_binary(server: Server, seed: int):
    chance, connection = random.Random(seed), Connection(server)
    for _ in range(ROUNDS):
        request, tail = binary()
        head = text(chance, request) if chance.random() < 0.7 else json.dumps(request).encode()
        tail = damaged(chance, tail) if chance.random() < 0.5 else tail
        length = chance.choice(
            [str(len(head))] * 6 + ["-1", "abc", "0", "1e3", "9" * 5000, str(len(head) + 5), str(len(head) + len(tail) + 1), "é"]
        )
        connection.post(V2, head + tail, {JSON_LENGTH: length, "Content-Type": "application/octet-stream"})


@pytest.mark.parametrize("seed", SEEDS)
def test_bytes_that_are_hardly_http(server: Server, seed: int):
    chance = random.Random(seed)
    body = json.dumps({"instances": [ROW]}).encode()
    head = f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"
    for _ in range(ROUNDS):
        content = damaged(chance, chance.choice([whole, whole * 3, chunked, upgrade, whole.replace(b" HTTP/1.1", b" HTTP/1.0")]))
        with server.connect(timeout=PATIENCE) as connection:
            with contextlib.suppress(ConnectionError):  # the server has closed the connection
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            answer = rest(connection)
        codes = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
        assert all(code < 300 or 400 <= code < 500 for code in codes), (codes, content)


GOOD = {
    "distance": pb.InferTensorContents(fp32_contents=[1.0]),
    "carrier": pb.InferTensorContents(bytes_contents=[b"AA"]),
    "month": pb.InferTensorContents(int64_contents=[1]),
}


def messages(chance: random.Random) -> Iterator[pb.ModelInferRequest]:
    """Makes gRPC requests in which something is wrong."""
    tensor, contents = pb.ModelInferRequest.InferInputTensor, pb.InferTensorContents
    raw = [struct.pack("<f", 1), struct.pack("<I", 2) + b"AA", struct.pack("<q", 9)]
    shapes = [[1], [1], [1], [], [0], [-1], [2], [1, 1], [2**62, 2**62], [1] * 99, [2**31]]
    wrong = [
        *GOOD.values(),
        contents(),
        contents(uint_contents=[2**32 - 1]),
        contents(bytes_contents=[b"\xff\xff"]),
        contents(int_contents=[300]),
    ]
    for _ in range(ROUNDS):
        inputs = []
        for name, kind in TYPES.items():
            content = GOOD[name] if chance.random() < 0.7 else chance.choice(wrong)
            kind = kind if chance.random() < 0.8 else chance.choice(["EVIL", "", "FP16", "BOOL", "UINT8", "INT8", "BYTES", "FP64"])
            inputs.append(tensor(name=name, datatype=kind, shape=chance.choice(shapes), contents=content))
        request = pb.ModelInferRequest(model_name=NAME, inputs=inputs * chance.choice([1, 1, 1, 2, 40]), id=chance.choice(["", "x" * 999]))
        if chance.random() < 0.4:
            request.raw_input_contents.extend(damaged(chance, part) if chance.random() < 0.5 else part for part in raw)
            for one in request.inputs:
                if chance.random() < 0.9:
                    one.ClearField("contents")
        if chance.random() < 0.1:
            request.model_name = chance.choice(["", "none", "..", "x" * 9999])
        if chance.random() < 0.1:
            request.outputs.add(name=chance.choice(["who", "nope", ""]))
        if chance.random() < 0.1:
            request.parameters["binary_data_output"].string_param = "x"
            request.inputs[0].parameters["binary_data_size"].int64_param = -1
        if chance.random() < 0.1:
            request.model_version = "99"
        yield request


@pytest.mark.parametrize("seed", SEEDS)
def test_grpc(server: Server, seed: int):
    chance = random.Random(seed)
    methods = ["ModelInfer"] * 6 + ["ModelReady", "ModelMetadata", "ServerReady", "Nothing"]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        for request in messages(chance):
            content = request.SerializeToString()
            content = damaged(chance, content) if chance.random() < 0.3 else content
            method = chance.choice(methods)
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            answer = call.future(content, timeout=PATIENCE, compression=chance.choice([None, None, grpc.Compression.Gzip]))
            assert answer.code() in BLAMES_NOBODY_ELSE, (answer.code(), answer.details(), method, content[:2000])
        tensors = [
            pb.ModelInferRequest.InferInputTensor(name=name, datatype=kind, shape=[1], contents=GOOD[name]) for name, kind in TYPES.items()
        ]
        infer = channel.unary_unary(GRPC, pb.ModelInferRequest.SerializeToString)
        assert infer(pb.ModelInferRequest(model_name=NAME, inputs=tensors), timeout=PATIENCE)
