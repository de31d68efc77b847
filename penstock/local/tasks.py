"""The tasks of a run: the task of each thread, and its result."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kfp import dsl

from penstock.components.protocol import redact
from penstock.components.protocol.values import decode

from ..errors import UserError

_SHORT = 40
_current = threading.local()


@dataclass
class Task:
    """One task of a run, or one iteration of it.

    Attributes:
        name: Its name in the run, which is also its folder's and its log's.
        component: The Penstock component that it runs; empty for a task of another kind.
        state: `running`, `cached`, `done` or `failed`.
        figure: The one figure that matters: the last that it printed, or its summary.
        outputs: Output parameters and artifacts, by name.
        log: Its log; None if no process was started.
        reports: The HTML pages that it wrote, even if it failed.
        error: Why it failed, where the log does not say.
        started: When it started, on the monotonic clock.
        seconds: How long it took.
        retries: How often the pipeline lets it start again after a failure.
    """

    name: str
    component: str = ""
    state: str = "running"
    figure: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    log: Path | None = None
    reports: list[Path] = field(default_factory=list)
    error: str = ""
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    retries: int = 0


class View(Protocol):
    """The view of the tasks. Iterations of a loop call it from several threads."""

    def started(self, task: Task) -> None:
        """A process of the task has started."""

    def logged(self, task: Task, line: str) -> None:
        """The task's log has a new line."""

    def progressed(self, task: Task) -> None:
        """The task has a new figure."""

    def finished(self, task: Task) -> None:
        """The task is cached, done or failed."""

    def skipped(self, condition: str, values: dict[str, Any]) -> None:
        """What lies behind a condition will not run."""

    def broken(self, message: str) -> None:
        """The pipeline, rather than a task, cannot go on."""

    def noted(self, message: str) -> None:
        """There is something to know that does not end the run."""


def reason(error: Exception) -> str:
    """Returns why something went wrong, in one line."""
    if isinstance(error, UserError):
        return redact(error.message)
    message = " ".join(str(error).split())
    return redact(message if message and isinstance(error, (ValueError, OSError, RuntimeError)) else f"{type(error).__name__}: {message}")


def current() -> Task:
    """Returns the task that this thread is running."""
    return _current.task


def begin(name: str) -> Task:
    """Makes a task that is now what this thread is running."""
    _current.task = Task(name)
    return _current.task


def pages(outputs: dict[str, Any]) -> list[dsl.HTML]:
    """Returns the HTML pages among a task's outputs."""
    return [value for value in outputs.values() if isinstance(value, dsl.HTML)]


def summary_of(outputs: dict[str, Any]) -> str:
    """Returns the first summary among a task's outputs, or an empty text."""
    summaries = (value.metadata.get("summary") for value in outputs.values() if isinstance(value, dsl.Artifact))
    return decode(next(filter(None, summaries), ""))


def figure_of(outputs: dict[str, Any], latest: str) -> str:
    """Returns the one figure that matters: a summary among the outputs, the task's latest figure, or short output parameters."""
    if figure := summary_of(outputs) or latest:
        return figure
    parameters = {name: decode(value) for name, value in outputs.items() if isinstance(value, (str, int, float))}
    short = {name: value for name, value in parameters.items() if len(str(value)) < _SHORT}
    return ", ".join(f"{name} {value}" for name, value in sorted(short.items()))
