"""Real model servers for what stands behind a double's URLs: one process for each model and name, kept for the whole test run."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import penstock
from penstock.components.protocol import fingerprint

from ..ports import free_port

START_SECONDS = 300.0
_QUICK = {"trust_env": False, "verify": False}  # reading the certificates takes longer than asking does
_COUNTERS = re.compile(r"(?P<series>[a-zA-Z_:][\w:]*?(?:_total|_count|_sum|_bucket)(?:\{.*\})?) (?P<value>\S+)")


class ModelDoesNotLoad(Exception):
    """A model server that ended, or never became ready, with this model.

    Attributes:
        exit_code: How its process ended.
        log: Its last output.
    """

    def __init__(self, exit_code: int, log: str) -> None:
        super().__init__(f"the model server ended with {exit_code}: {log}")
        self.exit_code = exit_code
        self.log = log


@dataclass(frozen=True)
class ModelServer:
    """A running model server.

    Attributes:
        url: Where it listens, such as `http://127.0.0.1:41003`.
        name: The name of its model.
        fingerprint: The SHA-256 of its model's bytes.
    """

    url: str
    name: str
    fingerprint: str

    def counters(self) -> dict[str, float]:
        """Returns the counters of its metrics, by series; it has counted for every test that it served so far."""
        return read_counters(httpx.get(f"{self.url}/metrics", timeout=30, **_QUICK).text)


def read_counters(metrics: str) -> dict[str, float]:
    """Reads the counters, by series, from Prometheus' text format."""
    matches = map(_COUNTERS.fullmatch, metrics.splitlines())
    return {match["series"]: float(match["value"]) for match in matches if match}


def without_counters(metrics: str, before: dict[str, float]) -> str:
    """Takes what was counted before out of metrics in Prometheus' text format, as if the server had started then."""

    def newer(line: str) -> str:
        match = _COUNTERS.fullmatch(line)
        return f"{match['series']} {float(match['value']) - before.get(match['series'], 0.0)}" if match else line

    return "".join(f"{newer(line)}\n" for line in metrics.splitlines())


@dataclass
class ModelServers:
    """A pool of model servers. Use it as a context manager, or end it with `close`.

    Attributes:
        python: The Python of the serve family's environment.
    """

    python: str = field(default_factory=lambda: os.environ["PENSTOCK_SERVE_PYTHON"])

    def __post_init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-model-servers-"))
        self._outcomes: dict[tuple[str, ...], ModelServer | ModelDoesNotLoad] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "ModelServers":
        """Starts nothing yet."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends every server."""
        self.close()

    def get(self, model: Path, name: str, expected: str = "") -> ModelServer:
        """Returns a server that is ready with a model, under a name; starts one where there is none, which takes seconds.

        Args:
            model: The SavedModel; it is copied, so that a server keeps its bytes.
            name: The model's name in URLs.
            expected: The fingerprint that the server expects; empty: none.

        Raises:
            ModelDoesNotLoad: The server ended, or is not ready after five minutes. It is not tried again: the bytes are the same.
        """
        found = fingerprint(model)
        key = (
            (found, name) if expected in ("", found) else (found, name, expected)
        )  # a server that finds the expected fingerprint behaves as without one
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # two models start at the same time, one model only once
            if key not in self._outcomes:
                self._outcomes[key] = self._start(model, *key)
        outcome = self._outcomes[key]
        if isinstance(outcome, ModelDoesNotLoad):
            raise outcome
        return outcome

    def close(self) -> None:
        """Ends every server."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, model: Path, digest: str, name: str, expected: str = "") -> ModelServer | ModelDoesNotLoad:
        folder = self._folder / f"{name}-{digest}"
        shutil.copytree(model, folder / "model", dirs_exist_ok=True)
        http, grpc = free_port(), free_port()
        arguments = ["--model_name", name, "--model_dir", str(folder / "model"), "--http_port", str(http), "--grpc_port", str(grpc)]
        arguments += ["--fingerprint", expected] if expected else []
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, "-m", "penstock.server", *arguments], cwd=folder, env=_environment(), stdout=output, stderr=output
            )
        self._processes.append(process)
        url = f"http://127.0.0.1:{http}"
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if _is_ready(f"{url}/v2/models/{name}/ready"):
                return ModelServer(url, name, digest)
            time.sleep(0.1)
        process.kill()
        is_there = log.exists()  # unless the pool was closed meanwhile
        return ModelDoesNotLoad(process.wait(), log.read_text(errors="replace")[-2000:].strip() if is_there else "")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(penstock.__file__).parents[1]), "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, **_QUICK).status_code == 200
    except httpx.TransportError:
        return False
