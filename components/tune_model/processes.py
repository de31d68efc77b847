"""Processes of a search: forks of this one, which has imported what they need, and has run nothing of TensorFlow's, which a fork would break."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.training.gpus import visible_gpus

LONGEST_WAIT = 3600.0  # seconds; poll(2) takes no infinity
_END_SECONDS = 10.0
_forks = multiprocessing.get_context("fork")


class Child:
    """A process in a group of its own, which is ended with what it has started; a context in which it runs.

    Attributes:
        pipe: The connection to it.
    """

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Starts it.

        Args:
            target: What it runs; it makes a session of its own at first.
            arguments: Its arguments, after the other end of the pipe.
        """
        self.pipe, theirs = multiprocessing.Pipe()
        self._process = _forks.Process(target=target, args=(theirs, *arguments))
        self._process.start()
        theirs.close()

    def wait(self) -> int | None:
        """Waits a little for its end, and returns its exit code, or the negative number of the signal that ended it."""
        self._process.join(_END_SECONDS)
        return self._process.exitcode

    def terminate(self) -> None:
        """Asks it to end."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ends it, if it does not do so itself within a little time, and what it has started."""
        self.pipe.close()
        self.wait()
        self._signal(signal.SIGKILL)
        self._process.join()

    def _signal(self, number: int) -> None:
        assert self._process.pid
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def __enter__(self) -> "Child":
        """It runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        end_all([self])


def end_all(children: Collection[Child]) -> None:
    """Ends processes; all are asked first, so that they clean up at the same time."""
    for each in children:
        each.terminate()
    for each in children:
        each.end()


def find_gpus() -> list[str]:
    """Returns the GPUs as `visible_gpus` does, and leaves this process fit for forks.

    Raises:
        TaskError: TensorFlow fails at it.
    """
    with Child(_send_gpus, ()) as child:
        try:
            return child.pipe.recv()
        except EOFError as error:
            raise TaskError("TensorFlow cannot list the GPUs; see the log for its error, and check the driver") from error


def _send_gpus(pipe: Connection) -> None:
    os.setsid()
    pipe.send(visible_gpus())


def death(code: int | None) -> str:
    """Says how a process ended that told nothing."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; it may need more memory: lower `processes`, or give the task more" if name == "SIGKILL" else "; see its log"
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {code}; see its log"
