"""A load generator that costs little: it shares the machine with the server that it measures.

Plain sockets, requests made beforehand, and no more parsing of an answer than to see where it ends.
"""

import json
import re
import selectors
import socket
import statistics
import time
from dataclasses import dataclass
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_PATIENCE = 120.0


@dataclass(frozen=True)
class Load:
    """What a server did under a load.

    Attributes:
        per_second: Requests answered in a second.
        p50: The median latency in milliseconds.
        p99: The latency in milliseconds that one in a hundred requests exceeded.
    """

    per_second: float
    p50: float
    p99: float


class Client:
    """One connection, on which the next request is sent as soon as the last one is answered."""

    def __init__(self, port: int) -> None:
        self.socket = connect(port)
        self._answer = b""
        self._sent = 0.0

    def send(self, request: bytes) -> None:
        """Sends a request."""
        self._sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> float | None:
        """Reads what is there; returns the seconds from the request to the answer's end, or None before that.

        Raises:
            SystemExit: The answer is an error.
        """
        part = self.socket.recv(1 << 20)
        now = time.perf_counter()
        self._answer += part
        head, ended, body = self._answer.partition(_END)
        length = _LENGTH.search(head) if ended else None
        if not part or (ended and not (head.startswith(b"HTTP/1.1 200") and length)):
            raise SystemExit(f"error: the model server answered {self._answer[:300]!r}")
        if length is None or len(body) < int(length[1]):
            return None
        self._answer = b""
        return now - self._sent

    def ask(self, request: bytes) -> float:
        """Sends a request and waits for its answer; returns the seconds."""
        self.send(request)
        while (seconds := self.receive()) is None:
            pass
        return seconds


def connect(port: int) -> socket.socket:
    """Connects as soon as the port is open; the answer may take as long as the server takes to load the model."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def v1_request(model: str, instances: list[Any]) -> bytes:
    """Returns the bytes of a V1 prediction."""
    body = json.dumps({"instances": instances}).encode()
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + _END + body


def measure(port: int, requests: list[bytes], concurrency: int, warm_up: float, seconds: float) -> Load:
    """Keeps some connections busy for a time.

    Args:
        port: Where the server listens.
        requests: The requests, asked in turn.
        concurrency: How many connections; each has one request under way.
        warm_up: For how many seconds nothing is counted.
        seconds: For how many seconds it is.
    """
    clients = [Client(port) for _ in range(concurrency)]
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for number, client in enumerate(clients):
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send(requests[number % len(requests)])
        asked = concurrency
        begun = time.perf_counter() + warm_up
        while time.perf_counter() < begun + seconds:
            for key, _ in selector.select(_PATIENCE):
                taken = key.data.receive()
                if taken is not None:
                    if time.perf_counter() >= begun:
                        times.append(taken)
                    key.data.send(requests[asked % len(requests)])
                    asked += 1
    elapsed = time.perf_counter() - begun
    for client in clients:
        client.socket.close()
    return Load(len(times) / elapsed, statistics.median(times) * 1000, statistics.quantiles(times, n=100)[-1] * 1000)
