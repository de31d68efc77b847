"""The process of a server: started on free ports, awaited, measured, and always ended."""

import logging
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from penstock.components.protocol import TaskError
from penstock.components.protocol.parent import end_with_parent
from penstock.components.protocol.printed import reason_in
from penstock.components.release.http_client import make_client

from .clients import MODEL

if TYPE_CHECKING:
    from .servers import ServerKind

_logger = logging.getLogger(__name__)
# Only this task sends requests to the server that it checks.
LOOPBACK = "127.0.0.1"
# As long as Kubernetes' start-up probes usually give a model server.
START_SECONDS = 300.0
_POLL_SECONDS = 0.02
_BROKEN_ENVIRONMENT = ("ImportError", "ModuleNotFoundError")


class CannotServe(Exception):
    """A server that ends, gives the model up or never gets ready; why, in one line."""


@dataclass(frozen=True)
class Address:
    """Where a server listens on this machine."""

    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        """The root of its REST API."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def grpc(self) -> str:
        """The target of a gRPC channel."""
        return f"{LOOPBACK}:{self.grpc_port}"


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    Attributes:
        address: Where it listens.
        start_seconds: How long it took from its command to ready.
        attempts: How often it was started.
        process: Its process.
    """

    address: Address
    start_seconds: float
    attempts: int
    process: subprocess.Popen[bytes]

    def memory_mb(self) -> float | None:
        """Returns the resident memory of its processes in MiB; None if it has ended."""
        try:
            parent = psutil.Process(self.process.pid)
            return sum(one.memory_info().rss for one in (parent, *parent.children(recursive=True))) / 2**20
        except psutil.Error:
            return None


@contextmanager
def running(kind: "ServerKind", model: Path, log: Path, attempts: int) -> Iterator[Running]:
    """Starts a server with a model, again if it does not get ready, and ends it with the block.

    Args:
        kind: The kind of server.
        model: The SavedModel's folder.
        log: The file that takes what it says.
        attempts: How often to start it.

    Raises:
        CannotServe: It did not get ready in any attempt.
        TaskError: The server itself is broken.
    """
    for attempt in range(1, attempts + 1):
        address = _free_address()
        with _process(kind.command(model, address), log) as process:
            try:
                seconds = _wait_until_ready(kind, process, address, log)
            except CannotServe as error:
                if attempt == attempts:
                    raise
                _logger.warning("attempt %d: %s", attempt, error)
                continue
            yield Running(address, seconds, attempt, process)
            return


def _free_address() -> Address:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return Address(*(one.getsockname()[1] for one in sockets))


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        try:
            # Python puts the current folder first on its path: one without a `penstock` of its own.
            process = subprocess.Popen(
                command,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
        except OSError as error:
            raise TaskError(f"the model server cannot be started ({command[0]}: {error.strerror}); install it again") from error
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kills a server and its child processes. It has no other clients, so there is nothing to finish."""
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()
    process.wait()


def _wait_until_ready(kind: "ServerKind", process: subprocess.Popen[bytes], address: Address, log: Path) -> float:
    started = time.monotonic()
    with make_client(address.url, base_url=address.url, trust_env=False, timeout=5.0) as client:
        while (seconds := time.monotonic() - started) < START_SECONDS:
            if process.poll() is not None:
                raise _ended(kind, process.returncode, _reason(log))
            with suppress(httpx.TransportError):  # it does not listen yet
                if kind.is_ready(client.get(f"/v1/models/{MODEL}")):
                    return time.monotonic() - started
            time.sleep(_POLL_SECONDS)
    raise CannotServe(f"{kind.name} was not ready after {seconds:.0f} s: {_reason(log)}")


def _ended(kind: "ServerKind", code: int, reason: str) -> Exception:
    if reason.startswith(_BROKEN_ENVIRONMENT):
        return TaskError(f"{kind.name}'s model server does not work, so the model could not be checked ({reason}); install it again")
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return CannotServe(f"{kind.name} {how} before it was ready: {reason}")


def _reason(log: Path) -> str:
    return reason_in(log.read_text(encoding="utf-8", errors="replace"))[:500]
