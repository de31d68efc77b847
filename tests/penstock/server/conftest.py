"""What the tests of the model server share."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.components.protocol import fingerprint
from penstock.components.release import serving

from .processes import NAME, Server


@pytest.fixture
def start(tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]) -> Iterator[Callable[..., Server]]:
    """Starts servers with one model, by KServe's arguments."""
    servers: list[Server] = []

    def start(model: Path, *options: str, **variables: str) -> Server:
        port = free_ports()
        command = ["--model_name", NAME, "--model_dir", str(model), "--http_port", str(port)]
        if "--grpc_port" not in options:
            command += ["--grpc_port", "0"]
        servers.append(Server(tmp_path, family_environment | variables, port, *command, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def placed(saved_models: Path, tmp_path: Path) -> Path:
    """A model beside its record, as it lies in a bucket."""
    place = tmp_path / "placed"
    shutil.copytree(saved_models / "first" / "model", place / "model")
    probe = json.loads((saved_models / "first" / "probe.json").read_text())
    serving.write_release(place, serving.Release(fingerprint(place / "model"), "7", probe))
    return place / "model"
