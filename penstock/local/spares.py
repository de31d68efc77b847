"""The next task's process, started ahead: while one task runs, another process imports what the next one needs.

A spare runs the task that it was started for, or none: it never sees another task's state. It has that task's environment variables from the start, and
no arguments before the task begins.
"""

import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..kfp_adapter.orchestrator import EXECUTE_SINGLE_TASK
from . import tasks
from .processes import Process, Start, start_process
from .task_code import module_command

_MODULE = "penstock.components.protocol.spare"


@dataclass(frozen=True)
class Planned:
    """A task to come.

    Attributes:
        name: Its name in the run.
        python: The interpreter of its family.
        module: The module that its command runs, which is the component's package.
        variables: Its whole environment.
    """

    name: str
    python: Path
    module: str
    variables: dict[str, str]

    def is_run_by(self, command: list[str], variables: dict[str, str]) -> bool:
        """Tells whether a command with these environment variables is this task's."""
        whole = module_command(self.python, self.module)
        return command[: len(whole)] == whole and variables == self.variables


class _Spare:
    """A process that waits for its task."""

    def __init__(self, task: Planned) -> None:
        self.task = task
        self._socket, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as printed:
            self._process = subprocess.Popen(
                module_command(task.python, _MODULE, task.module),
                env=task.variables,
                stdin=theirs.fileno(),
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self, command: list[str], variables: dict[str, str], sink: IO[bytes]) -> Process:
        """Has the process run its task, of which `command` is `python CODE MODULE ARGUMENTS...`; see `start_process`."""
        try:
            with self._socket, tempfile.TemporaryFile("w+", encoding="utf-8") as order:
                json.dump(command[2:], order)
                order.seek(0)
                socket.send_fds(self._socket, [b"."], [order.fileno(), sink.fileno()])
        except OSError:  # it was ended from outside, or the disk is full
            self.end()
            return start_process(command, variables, sink)
        return self._process

    def end(self) -> None:
        """Ends a process that is not needed."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


class Spares:
    """At most one spare: for the first of the tasks that are still to come.

    Args:
        plan: The tasks for which it is worth while, in the order in which they run.
    """

    def __init__(self, plan: Iterable[Planned]) -> None:
        self._to_come = {task.name: task for task in plan}
        self._spare: _Spare | None = None
        self._lock = threading.Lock()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Follows a run, and ends what is left in the end."""
        try:
            with EXECUTE_SINGLE_TASK.wrapped(self._following):
                yield
        finally:
            with self._lock:
                self._to_come.clear()
                self._end()

    def take(self, command: list[str], variables: dict[str, str]) -> Start:
        """Returns what starts a task: its spare, which no other task gets, or a new process."""
        with self._lock:
            if self._spare is None or not self._spare.task.is_run_by(command, variables):
                return start_process
            spare, self._spare = self._spare, None
            return spare.start

    def prepare(self) -> None:
        """Makes the spare be that of the next task."""
        with self._lock:
            task = next(iter(self._to_come.values()), None)
            if self._spare and self._spare.task is not task:
                self._end()
            if task and not self._spare:
                with suppress(OSError):  # there is no room for it: the task will say so, if there is none then
                    self._spare = _Spare(task)

    def _following(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(**task: Any) -> Any:
            with self._lock:
                self._to_come.pop(tasks.current().name, None)
            return execute(**task)

        return run

    def _end(self) -> None:
        if self._spare:
            self._spare.end()
            self._spare = None
