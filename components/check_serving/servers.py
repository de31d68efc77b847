"""The servers of a serving check: how each starts, when it is ready, and its clients."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import grpc
import httpx

from .clients import CHANNEL_OPTIONS, MODEL, Client, V1Client, V2Client, V2GrpcClient, http_client, v2_inputs
from .processes import LOOPBACK, Address, CannotServe
from .tensorflow_serving import PredictionServiceClient, serving_default_inputs


class ServerKind(Protocol):
    """A kind of model server.

    Attributes:
        name: What people call it.
        log: The name of its log.
        protocols: What it answers to, of `v1`, `v2` and `grpc`.
    """

    name: str
    log: str
    protocols: tuple[str, ...]

    def command(self, model: Path, address: Address) -> list[str]:
        """Returns the command that serves a SavedModel."""

    def is_ready(self, answer: httpx.Response) -> bool:
        """Reads what it says at `/v1/models/NAME`.

        Raises:
            CannotServe: It has given the model up.
        """

    async def client(self, protocol: str, http: httpx.AsyncClient, channel: grpc.aio.Channel) -> Client:
        """Returns its client of a protocol.

        Raises:
            RequestFailed: It does not say what the model's inputs are.
        """


class PenstockServer:
    """Penstock's own model server, in this family's environment: the one that every destination runs."""

    name = "Penstock"
    log = "penstock.log"
    protocols: tuple[str, ...] = ("v1", "v2", "grpc")

    def command(self, model: Path, address: Address) -> list[str]:
        """Returns the command, with KServe's argument names."""
        listens = ["--host", LOOPBACK, "--http_port", str(address.http_port), "--grpc_port", str(address.grpc_port)]
        return [sys.executable, "-m", "penstock.server", "--model_name", MODEL, "--model_dir", str(model.absolute()), *listens]

    def is_ready(self, answer: httpx.Response) -> bool:
        """Reads KServe's V1 health: 503 until the model is ready."""
        return answer.status_code == 200 and answer.json().get("ready") is True

    async def client(self, protocol: str, http: httpx.AsyncClient, channel: grpc.aio.Channel) -> Client:
        """Returns a client of one of KServe's protocols."""
        if protocol == "v1":
            return V1Client(http)
        specs = await v2_inputs(http)
        return V2Client(http, specs) if protocol == "v2" else V2GrpcClient(channel, specs)


class TensorFlowServing:
    """`tensorflow_model_server`; its REST API is V1, and its gRPC is its own.

    It listens on all addresses of the machine for as long as the check takes, and has no option that says otherwise.
    """

    name = "TensorFlow Serving"
    log = "tensorflow_serving.log"
    protocols: tuple[str, ...] = ("v1", "grpc")

    def __init__(self, executable: str, folder: Path) -> None:
        """Keeps where to link the model to: this server looks for numbered versions below a folder."""
        self._executable = executable
        self._folder = folder

    def command(self, model: Path, address: Address) -> list[str]:
        """Returns the command; a model that does not load the first time is not tried again by the server itself."""
        version = self._folder / "1"
        version.unlink(missing_ok=True)
        version.symlink_to(model.absolute(), target_is_directory=True)
        return [
            self._executable,
            f"--model_name={MODEL}",
            f"--model_base_path={self._folder.absolute()}",
            f"--port={address.grpc_port}",
            f"--rest_api_port={address.http_port}",
            "--max_num_load_retries=0",
        ]

    def is_ready(self, answer: httpx.Response) -> bool:
        """Reads the version's state, of TensorFlow Serving's `ModelVersionStatus`."""
        if answer.status_code != 200:
            return False
        (status,) = answer.json()["model_version_status"]
        if status["state"] == "END":
            raise CannotServe(f"{self.name} cannot load the model: {status['status']['error_message']}")
        return status["state"] == "AVAILABLE"

    async def client(self, protocol: str, http: httpx.AsyncClient, channel: grpc.aio.Channel) -> Client:
        """Returns a client of its REST API or of its `PredictionService`."""
        return V1Client(http) if protocol == "v1" else PredictionServiceClient(channel, await serving_default_inputs(http))


@asynccontextmanager
async def connected(kind: ServerKind, protocol: str, address: Address) -> AsyncIterator[Client]:
    """Connects a client of a protocol to a server that is ready.

    Raises:
        RequestFailed: The server does not say what the model's inputs are.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client(address.url))
        options: list[tuple[str, Any]] = CHANNEL_OPTIONS
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address.grpc, options=options))
        yield await kind.client(protocol, http, channel)
