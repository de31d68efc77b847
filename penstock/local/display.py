"""One line per task while a pipeline runs: name, state, elapsed time, the figure that matters."""

import os
import re
import threading
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock.components.protocol import marks, redact
from penstock.components.protocol.logs import is_verbose

from ..spec.pipeline_file import PlannedTask
from .task_log import TRACEBACK, TaskLog
from .tasks import Task

_STYLES = {
    "done": "green",
    "cached": "cyan",
    "failed": "bold red",
    "canceled": "red",
    "running": "yellow",
    "skipped": "dim",
    "waiting": "dim",
    "not run": "dim",
    "unknown": "yellow",
}
_SECONDS_BETWEEN_FIGURES = 5.0
_LOG_LINES, _LINE_LENGTH, _LOG_BYTES = 15, 2000, 1 << 18
# What kfp's compiler puts before the names of values that conditions read.
CHANNEL = "pipelinechannel--"
_VALUE = re.compile(rf"inputs\.parameter_values\['{CHANNEL}([^']+)'\]")


class Row:
    """What is known of one task."""

    def __init__(self, planned: PlannedTask) -> None:
        self.planned = planned
        self.state = "waiting"
        self.task: Task | None = None
        self.note = ""

    def cells(self) -> tuple[str, str, str, str]:
        """Returns name, state, elapsed time and figure."""
        if self.task is None:
            return self.planned.name, self.state, "", self.note
        seconds = time.monotonic() - self.task.started if self.state == "running" else self.task.seconds
        return self.planned.name, self.state, "" if self.state == "cached" else duration(seconds), self.task.figure


class Display:
    """Shows a run: a live table on a terminal, a line per event elsewhere.

    Args:
        console: Where to.
        plan: The tasks that may run.
    """

    def __init__(self, console: Console, plan: Iterable[PlannedTask]) -> None:
        self.console = console
        self.tasks: list[Task] = []
        self._rows = {planned.name: Row(planned) for planned in plan if not planned.looped}
        self._looped = [planned for planned in plan if planned.looped]
        self._width = max([len(name) for name in self._rows] + [len(planned.name) for planned in self._looped], default=0)
        self._spoken: dict[str, float] = {}
        self._lock = threading.RLock()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> "Display":
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live:
            self._live.__exit__(*error)

    def ended(self, unknown: Collection[str] = ()) -> None:
        """Shows the tasks that did not run and those with an unknown result at the end of the run."""
        with self._lock:
            for row in self._rows.values():
                if row.state == "waiting":
                    row.state = "unknown" if row.planned.name in unknown else "not run"
                    self._say(row)

    def started(self, task: Task) -> None:
        """Shows that a task's process has started."""
        self._update(task, "running")

    def logged(self, task: Task, line: str) -> None:
        """Shows a line of a task's log to who wants to see everything."""
        if is_verbose() and line.strip() and not line.startswith((marks.OUTPUTS, marks.USAGE)):
            self._print(Text(f"{task.name:<{self._width}}  {redact(line)[:_LINE_LENGTH]}", "dim"))

    def progressed(self, task: Task) -> None:
        """Shows a new figure; on a pipe, no more often than every few seconds."""
        now = time.monotonic()
        if self._live or now - self._spoken.get(task.name, task.started) < _SECONDS_BETWEEN_FIGURES:
            return
        self._spoken[task.name] = now
        self._update(task, "running")

    def finished(self, task: Task) -> None:
        """Shows how a task ended; after a failure, the end of its log."""
        with self._lock:
            self.tasks.append(task)
        self._update(task, task.state)
        if task.state == "failed":
            self._show_failure(task)

    def skipped(self, condition: str, values: dict[str, Any]) -> None:
        """Shows what a condition keeps from running, and why."""
        with self._lock:
            for row in self._rows.values():
                if row.state == "waiting" and condition in row.planned.conditions:
                    row.state, row.note = "skipped", _reason(condition, values)
                    self._say(row)

    def broken(self, message: str) -> None:
        """Shows why the pipeline cannot go on."""
        self._print(Text(f"error: {message}", "red"))

    def noted(self, message: str) -> None:
        """Shows what is worth knowing, and does not end the run."""
        self._print(Text(message, "yellow"))

    def idle(self) -> list[tuple[str, str, str]]:
        """Returns the name and the state of each task that did not end, and why."""
        return [
            (row.planned.name, row.state if row.task is None else "canceled", row.note)
            for row in self._rows.values()
            if row.task not in self.tasks
        ]

    def _update(self, task: Task, state: str) -> None:
        with self._lock:
            row = self._rows.setdefault(task.name, Row(PlannedTask(task.name, task.name, (), True)))
            row.task, row.state = task, state
            self._say(row)

    def _say(self, row: Row) -> None:
        if not self._live:
            name, state, elapsed, figure = row.cells()
            self.console.print(
                f"{name:<{self._width}}  {state:<7}  {elapsed:>7}  {figure}".rstrip(), markup=False, highlight=False, soft_wrap=True
            )

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for row in self._rows.values():
                name, state, elapsed, figure = row.cells()
                table.add_row(
                    name, Text(state, _STYLES[state]), Text(elapsed, justify="right"), Text(figure, overflow="ellipsis", no_wrap=True)
                )
        return table

    def _show_failure(self, task: Task) -> None:
        place = f"; log: {task.log}" if task.log else ""
        lines = "".join(f"    {line}\n" for line in _last_lines(task))
        self._print(Text.assemble((lines, "dim"), (f"{task.name}: {task.error or 'it failed'}{place}", "red")))

    def _print(self, text: Text) -> None:
        """Prints above the live table. Not under the lock: the table is drawn with the console's own, and asks for this one."""
        self.console.print(text, soft_wrap=True)


def _last_lines(task: Task) -> list[str]:
    """Returns the end of a task's log; without the tracebacks if a component has given the reason of its failure in one line."""
    lines = _end_of(task.log) if task.log and task.log.exists() else []
    if task.component and task.error and task.error == TaskLog(lines).reason and TRACEBACK in lines:
        lines = lines[: lines.index(TRACEBACK)]
    return [redact(line)[:_LINE_LENGTH] for line in lines if not line.startswith((marks.ERROR, marks.USAGE))][-_LOG_LINES:]


def _end_of(log: Path) -> list[str]:
    """Returns the last lines of a log, however long it is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
        return file.read().decode(errors="replace").splitlines()


def duration(seconds: float) -> str:
    """Returns seconds as people read them: `0.4 s`, `12 s`, `3 m 04 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02} s" if minutes else f"{rest} s"


def _reason(condition: str, values: dict[str, Any]) -> str:
    """Returns the values that kept a condition from being met; where one is not known, the condition."""
    names = list(dict.fromkeys(_VALUE.findall(condition)))
    if not names or not all(f"{CHANNEL}{name}" in values for name in names):
        return "runs only if " + _VALUE.sub(r"\1", condition)
    return redact(f"because {', '.join(f'{name} = {values[CHANNEL + name]}' for name in names)}")
