"""A pusher: a process of its own, which can be killed at any moment, and which finds its imports done.

A server process imports what a pusher needs, and each pusher is forked from it; the server itself opens no connection.
"""

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

_COMPONENTS = "penstock.components"
_LEFT_SECONDS = 0.6
_TELLS_SECONDS = 1.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        __name__,
        f"{_COMPONENTS}.push_model.task",
        f"{_COMPONENTS}.control_release.task",
        f"{_COMPONENTS}.release.destinations.kserve.destination",
        f"{_COMPONENTS}.release.destinations.vertex.destination",
        f"{_COMPONENTS}.release.registry.mlflow",
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.store.model_registry.sqlalchemy_store",
        "gcsfs",
    ]
)
# multiprocessing polls all other processes when it starts one, and the exit code of each can be read only once.
_lock = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How a pusher ended.

    Attributes:
        code: The exit code; negative: the signal that ended it.
        error: What it printed to stderr.
        figure: Its last line on stdout.
    """

    code: int
    error: str
    figure: str

    def __str__(self) -> str:
        """Says how it ended, for messages."""
        return f"exit code {self.code}: {self.error[-3000:] or self.figure}"


class Pusher:
    """A component's command, as its container runs it."""

    def __init__(self, component: str, executor_input: str, environment: dict[str, str], folder: Path) -> None:
        """Prepares it.

        Args:
            component: The component's name.
            executor_input: Its executor input, as JSON.
            environment: What its environment has besides this process's.
            folder: Where `stdout` and `stderr` go.
        """
        self._folder = folder
        arguments = (f"{_COMPONENTS}.{component}", executor_input, environment, folder)
        self._process: Any = _context.Process(target=_run, args=arguments, daemon=True)

    def start(self) -> None:
        """Starts it."""
        with _lock:
            self._process.start()

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """Ends it as Kubeflow does, by a termination or a timeout: by SIGTERM, and by SIGKILL 0.6 s later (seen on 2.17.0)."""
        self._process.terminate()
        threading.Timer(_LEFT_SECONDS, self.kill).start()

    def wait(self, seconds: float) -> Ended:
        """Waits until it ends; one that does not end in time says where it is, and is killed."""
        if not wait([self._process.sentinel], seconds):
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGUSR1)
            time.sleep(_TELLS_SECONDS)
            self.kill()
        with _lock:
            self._process.join()
        error, output = (_read(self._folder / name) for name in ("stderr", "stdout"))
        return Ended(self._process.exitcode, error, output.rpartition("\n")[2])


def _read(file: Path) -> str:
    return file.read_text(errors="replace").strip() if file.exists() else ""


def _run(package: str, executor_input: str, environment: dict[str, str], folder: Path) -> None:
    from penstock.components import protocol

    os.environ.update(environment)
    folder.mkdir(parents=True, exist_ok=True)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), descriptor)
    faulthandler.register(signal.SIGUSR1, file=2)
    protocol.main(package, ["--executor_input", executor_input])
