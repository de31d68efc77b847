"""A server process with one model, asked over its ports."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

NAME = "flights"
ROW = {"distance": 100.0, "carrier": "AA", "month": 1}
V1, V2, GRPC = f"/v1/models/{NAME}:predict", f"/v2/models/{NAME}/infer", "/inference.GRPCInferenceService/ModelInfer"
TYPES = {"distance": "FP32", "carrier": "BYTES", "month": "INT64"}


# In a server's environment: it is no fork of another process, which has an environment and an ID of its own.
COLD = {"PENSTOCK_SERVE_PYTHON": sys.executable}


def server_command(environment: dict[str, str], *options: str) -> list[str]:
    """Returns the command of a server with an environment."""
    return [environment.get("PENSTOCK_SERVE_PYTHON", sys.executable), "-m", "penstock.server", *options]


class Server:
    """A server process with one model; with `COLD` in its environment, `process` is itself."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int, *options: str) -> None:
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(server_command(environment, *options), env=environment, stdout=log, stderr=log, cwd=folder)
        self.grpc_port = 0
        # Beyond the connections that it keeps, httpcore closes one that is idle, also one that another thread begins to use.
        keeping = httpx.Limits(max_keepalive_connections=None)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, limits=keeping)

    def ready(self, route: str = "/v2/health/ready") -> "Server":
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.http.get(route).status_code == 200:
                    return self
            except httpx.ConnectError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def predict(self, instances: Any, route: str = V1) -> httpx.Response:
        return self.http.post(route, json={"instances": instances})

    def connect(self, content: bytes = b"", timeout: float = 30) -> socket.socket:
        """Opens a connection, and sends something."""
        connection = socket.create_connection(("127.0.0.1", self.http.base_url.port), timeout)
        connection.sendall(content)
        return connection

    def require_unharmed(self) -> None:
        """Nothing that was sent counts as an error of the server, is in its log, or keeps it from answering."""
        assert self.predict([ROW]).status_code == 200
        assert {count for key, count in self.samples("penstock_requests_total").items() if key[1] == "500"} == {0}
        log = self.log.read_text()
        assert "Traceback" not in log, log[-5000:]

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(self.http.get("/metrics").text)
        found = [sample for family in families for sample in family.samples if sample.name == name]
        return {(sample.labels["version"], sample.labels.get("code", "")): sample.value for sample in found}

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def serving(model: Path, folder: Path, environment: dict[str, str], free_ports: Callable[[], int], *options: str) -> Iterator[Server]:
    """Gives a server that is ready, on both of its ports."""
    port, grpc_port = free_ports(), free_ports()
    given = ["--model_name", NAME, "--model_dir", str(model), "--http_port", str(port), "--grpc_port", str(grpc_port), *options]
    server = Server(folder, environment, port, *given)
    server.grpc_port = grpc_port
    try:
        yield server.ready()
    finally:
        server.process.kill()
        server.process.wait()


def rest(connection: socket.socket) -> bytes:
    """Returns what comes until the server closes the connection."""
    answer = b""
    try:
        while part := connection.recv(1 << 16):
            answer += part
    except ConnectionError:
        pass
    return answer


def v2(*rows: dict[str, Any], **columns: list[Any]) -> dict[str, Any]:
    """Returns the V2 request for rows, or for columns, which may differ in length."""
    columns = columns or {name: [row[name] for row in rows] for name in TYPES}
    return {
        "inputs": [{"name": name, "shape": [len(columns[name])], "datatype": kind, "data": columns[name]} for name, kind in TYPES.items()]
    }
