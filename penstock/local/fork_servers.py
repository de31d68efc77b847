"""Imports ahead: while one task runs, a process imports what the tasks to come need, and then becomes each of them by a fork.

TensorFlow takes longer to import than many a task takes to run. Tasks with the same interpreter and environment variables share such a
process. It runs no task itself, so none sees another's state.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..kfp_adapter.orchestrator import EXECUTE_SINGLE_TASK
from . import tasks
from .fork_server import ForkServer
from .processes import Process, start_process
from .task_code import module_command

# System libraries of other systems do not survive a fork, for which Python's multiprocessing forks on Linux alone.
CAN_FORK = sys.platform == "linux"


@dataclass(frozen=True)
class Planned:
    """A task to come.

    Attributes:
        name: Its name in the run.
        python: The interpreter of its family.
        module: The module that its command runs, which is the component's package.
        variables: Its whole environment.
        apart: What keeps it from sharing a process with others; the same for tasks that can share one.
    """

    name: str
    python: Path
    module: str
    variables: dict[str, str]
    apart: str = ""

    @property
    def shares(self) -> tuple[Any, ...]:
        """What tasks of one fork server have in common."""
        return self.python, self.apart, *sorted(self.variables.items())

    def is_run_by(self, command: list[str], variables: dict[str, str]) -> bool:
        """Tells whether a command with these environment variables is this task's."""
        whole = module_command(self.python, self.module)
        return command[: len(whole)] == whole and variables == self.variables


class ForkServers:
    """The fork servers of a run, each from the first task that is not found in the cache until the last of its own has ended.

    Args:
        plan: The tasks for which it is worth while, in the order in which they run.
    """

    def __init__(self, plan: Iterable[Planned]) -> None:
        self._unfinished = {task.name: task for task in plan}
        self._begun: set[str] = set()
        self._servers: dict[tuple[Any, ...], ForkServer] = {}
        # By thread: loops and conditions run tasks that are not in the plan, but equal one that is.
        self._used: dict[int, tuple[Any, ...]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Follows a run, and ends what is left in the end."""
        try:
            with EXECUTE_SINGLE_TASK.wrapped(self._following):
                yield
        finally:
            with self._lock:
                self._unfinished.clear()
                self._used.clear()
                self._close()

    def start(self, command: list[str], variables: dict[str, str], sink: IO[bytes]) -> Process:
        """Starts a task, as a fork if its server is there; see `start_process`."""
        with self._lock:
            task = next((task for task in self._unfinished.values() if task.is_run_by(command, variables)), None)
            server = self._servers.get(task.shares) if task else None
            if task and server:
                self._used[threading.get_ident()] = task.shares
        return (server.start if server else start_process)(command, variables, sink)

    def prepare(self) -> None:
        """Starts the server of the next task, unless it is there. No other: what needs it later would take processors from the tasks now."""
        with self._lock:
            to_come = [task for name, task in self._unfinished.items() if name not in self._begun]
            if to_come and (shares := to_come[0].shares) not in self._servers:
                modules = dict.fromkeys(f"{task.module}.task" for task in to_come if task.shares == shares)
                with suppress(OSError):  # there is no room for it: the task will say so, if there is none then
                    self._servers[shares] = ForkServer(to_come[0].python, list(modules), to_come[0].variables)

    def _following(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(**task: Any) -> Any:
            name = tasks.current().name
            with self._lock:
                self._begun.add(name)
            try:
                return execute(**task)
            finally:
                with self._lock:
                    self._unfinished.pop(name, None)
                    self._used.pop(threading.get_ident(), None)
                    self._close()

        return run

    def _close(self) -> None:
        """Ends the servers whose tasks have all ended, as these would end with them."""
        needed = {task.shares for task in self._unfinished.values()}.union(self._used.values())
        for shares in self._servers.keys() - needed:
            self._servers.pop(shares).close()
