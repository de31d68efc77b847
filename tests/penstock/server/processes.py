"""A server process with one model, asked over its ports."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

NAME = "flights"
ROW = {"distance": 100.0, "carrier": "AA", "month": 1}


class Server:
    """A server process with one model."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int, *options: str) -> None:
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "penstock.server", *options], env=environment, stdout=log, stderr=log, cwd=folder
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)

    def ready(self, route: str = "/v2/health/ready") -> "Server":
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.http.get(route).status_code == 200:
                    return self
            except httpx.ConnectError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def predict(self, instances: Any, route: str = f"/v1/models/{NAME}:predict") -> httpx.Response:
        return self.http.post(route, json={"instances": instances})

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(self.http.get("/metrics").text)
        found = [sample for family in families for sample in family.samples if sample.name == name]
        return {(sample.labels["version"], sample.labels.get("code", "")): sample.value for sample in found}

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)
