"""A server asked for more than it has: it refuses, goes on answering others, and counts no error of its own."""

import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from ...waiting import until
from .processes import COLD, GRPC, ROW, V1, V2, Server, rest, serving, v2

TIMEOUT, CONNECTIONS, ROWS, BODY = 3, 60, 100, 2**20
LIMITS = {"request_timeout_seconds": TIMEOUT, "max_connections": CONNECTIONS, "max_rows": ROWS, "max_body_mib": 1, "max_pending_mib": 2}
HEAD = f"POST {V1} HTTP/1.1\r\nHost: x\r\n".encode()
HALF = HEAD + b"Content-Length: 1000\r\n\r\n{"


@pytest.fixture(scope="module")
def server(
    saved_models: Path, tmp_path_factory: pytest.TempPathFactory, family_environment: dict[str, str], free_ports: Callable[[], int]
) -> Iterator[Server]:
    """A server with small limits."""
    limits = [f"--{name}={value}" for name, value in LIMITS.items()]
    folder, environment = tmp_path_factory.mktemp("limits"), family_environment | COLD
    with serving(saved_models / "first" / "model", folder, environment, free_ports, *limits) as server:
        yield server


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    yield
    server.require_unharmed()


class Others:
    """Clients that want what is theirs, each time on a new connection: a prediction, and the health that a kubelet looks at."""

    def __init__(self, server: Server, patience: float = 10) -> None:
        self._patience = patience
        self._url = str(server.http.base_url)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[int] = []
        self.slowest = 0.0

    def __enter__(self) -> "Others":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()
        assert set(self.answers) == {200}
        assert self.slowest < self._patience

    def go_on(self) -> None:
        """Waits until some more have been answered."""
        before = len(self.answers)
        until(lambda: len(self.answers) > before + 20)

    def _ask(self) -> None:
        while not self._stopped.is_set():
            begun = time.monotonic()
            with httpx.Client(base_url=self._url, trust_env=False, timeout=30) as client:
                self.answers.append(client.get("/v2/health/ready").status_code)
                self.answers.append(client.post(V1, json={"instances": [ROW]}).status_code)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(HALF, b"408"), (HEAD, b"408"), (b"", None), (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"408"), (b"GET /\r\n", b"408")],
)
def test_slow_senders_are_cut(server: Server, sent: bytes, status: bytes | None):
    with Others(server) as others, ExitStack() as closed:
        begun = time.monotonic()
        slow = [closed.enter_context(server.connect(sent)) for _ in range(CONNECTIONS // 2)]
        answers = {rest(each)[9:12] or None for each in slow}
        assert answers == {status}
        assert TIMEOUT - 1 < time.monotonic() - begun < TIMEOUT + 8
    assert others.answers


@pytest.mark.parametrize("sent", [HALF, b"GET /", b"", b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_many_connections_shut_no_client_out(server: Server, sent: bytes):
    with Others(server) as others, ExitStack() as closed:
        for _ in range(4 * CONNECTIONS):
            closed.enter_context(server.connect(sent))
        others.go_on()


def test_file_descriptors_do_not_run_out(placed: Path, start: Callable[..., Server]):
    server = start(placed, **COLD)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    server.ready()
    assert "there is room for" in server.log.read_text()
    with Others(server) as others, ExitStack() as closed:
        for _ in range(600):
            closed.enter_context(server.connect(b"GET /"))
        others.go_on()


def test_who_does_not_take_the_answer_is_cut(server: Server):
    asked = 1000
    with Others(server), socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.settimeout(30)
        greedy.connect(("127.0.0.1", server.http.base_url.port))
        greedy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * asked)
        time.sleep(2 * TIMEOUT + 2)
        assert rest(greedy).count(b"HTTP/1.1 200") < asked


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", [V1, V2, "/v1/models/none:predict", "/v2/repository/models/x/load"])
def test_a_large_body(server: Server, path: str, chunked: bool):
    body = b" " * (BODY + 1)
    answer = server.http.post(path, content=iter([body]) if chunked else body)
    assert (answer.status_code, answer.json()["error"]) == (413, f"the body is larger than {BODY:,} bytes; send fewer rows per request")
    row = json.dumps({"instances": [ROW]}).encode()
    assert server.http.post(V1, content=row.ljust(BODY)).status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"a" * 2**18,
        b"X: a\r\n" * 2**15,
        b"Content-Length: 0\r\nX: " + b"a" * 2**16 + b"\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: a\r\n" * 2**15,
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 2**18,
        b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 2**18,
    ],
)
def test_large_headers(server: Server, head: bytes):
    with server.connect() as connection:
        try:
            connection.sendall(HEAD + head)
        except ConnectionError:
            return  # closed before all of it was sent
        assert rest(connection)[9:12] in (b"431", b"400", b"")


def test_a_long_url(server: Server):
    with server.connect(b"GET /" + b"a" * 2**16 + b" HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert b"431" in rest(connection)


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([ROW] * (ROWS + 1), "the request has 101 rows, more than the limit of 100; send fewer rows per request"),
        ([ROW | {"distance": json.loads("[" * 500 + "1" + "]" * 500)}], "the values are nested more than 32 deep"),
        ([ROW | {"carrier": json.loads("[" * 900 + '"x"' + "]" * 900)}], "the values are nested more than 32 deep"),
        ([ROW | {"distance": "x" * 1000}] + [ROW | {"distance": "y"}] * 99, "feature 'distance' must be float32, not 'xxx"),
        ([ROW | {"carrier": ["a"]}, ROW | {"carrier": ["a", "b"]}], "feature 'carrier': the rows differ in shape"),
        ([ROW | {"x" * 1000 + str(n): 1 for n in range(500)}], "and 480 more"),
    ],
)
def test_rows_that_are_too_much(server: Server, instances: Any, message: str):
    answer = server.predict(instances)
    assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text
    assert len(answer.content) < 5000


def test_v2_rows(server: Server):
    for rows, message in (
        ({"distance": 101, "carrier": 101, "month": 101}, "the request has 101 rows"),
        ({"distance": 2, "carrier": 1, "month": 1}, "the features differ in their number of rows: carrier: 1, distance: 2, month: 1"),
        ({"distance": 0, "carrier": 0, "month": 0}, "the request needs at least one row"),
    ):
        answer = server.http.post(V2, json=v2(**{name: [ROW[name]] * count for name, count in rows.items()}))
        assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text
    answer = server.http.post(V2, json=v2(ROW) | {"outputs": [{"name": "nope"}]})
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown output: nope; the model has probability")


def test_large_bodies_that_are_pending_are_bounded(server: Server):
    large = json.dumps({"instances": [ROW]}).encode().ljust(BODY)
    most = HEAD + b"Content-Length: %d\r\n\r\n" % BODY + large[:-1]
    with Others(server), server.connect(most) as first, server.connect(most) as second:
        time.sleep(0.5)  # to ask whether both are pending would take the place of one that is not yet
        refused = server.http.post(V1, content=large)
        assert (refused.status_code, refused.json()["error"]) == (
            503,
            "the server has too many large requests in progress; try again",
        )
        for each in (first, second):
            each.sendall(b" ")
            assert each.recv(12) == b"HTTP/1.1 200"
        assert server.http.post(V1, content=large).status_code == 200


def test_memory_of_many_large_bodies(server: Server):
    def peak() -> int:
        fields = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(fields.split("VmHWM:")[1].split()[0]) // 1024

    before = peak()
    body = b'{"instances": [' + b"[]," * (BODY // 3 - 100) + b"[]]}"
    with Others(server, patience=30), ThreadPoolExecutor(16) as pool:
        codes = {one.status_code for one in pool.map(lambda _: server.http.post(V1, content=body, timeout=60), range(64))}
    assert codes <= {400, 503}
    assert peak() - before < 400


def test_many_requests_on_one_connection(server: Server):
    asked = 5_000  # five times as many as Python calls go deep
    with server.connect() as connection, ThreadPoolExecutor(1) as pool:
        answers = pool.submit(rest, connection)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * asked)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answers.result(60).count(b"HTTP/1.1 200") == asked + 1


def test_grpc(server: Server):
    with Others(server), grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        large = channel.unary_unary(GRPC).future(b"\0" * (BODY + 1), timeout=30)
        assert large.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        bomb = channel.unary_unary(GRPC).future(b"\0" * (50 * BODY), timeout=30, compression=grpc.Compression.Gzip)
        assert bomb.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED)
        stopped = threading.Event()

        def nothing() -> Iterator[bytes]:
            stopped.wait(60)
            yield from ()

        begun = time.monotonic()
        late = [channel.stream_unary(GRPC).future(nothing(), timeout=30) for _ in range(8)]
        assert {each.code() for each in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert {each.details() for each in late} == {"the request took too long to come"}
        assert time.monotonic() - begun < TIMEOUT + 10
        stopped.set()


@pytest.mark.parametrize("option", ["--max_rows=0", "--request_timeout_seconds=-1", "--max_pending_mib=1", "--max_connections=x"])
def test_limits_that_make_no_sense(start: Callable[..., Server], placed: Path, option: str):
    server = start(placed, option)
    assert server.process.wait(60) == 2
    assert "error: " in server.log.read_text()
