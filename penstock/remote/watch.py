"""Shows a run on a backend in the same way as `penstock run`."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import tenacity
from kfp import dsl
from rich.console import Console

from ..errors import UserError
from ..kfp_adapter.dsl import create_artifact_instance
from ..local.conditions import ConditionError, evaluate
from ..local.display import CHANNEL, Display
from ..local.report import Ending
from ..local.task_log import TaskLog
from ..local.tasks import Task, figure_of, pages, summary_of
from ..spec.containers import component_of
from ..spec.pipeline_file import PipelineFile
from .target import (
    CACHED,
    CANCELED,
    DONE,
    ENDED,
    FAILED,
    RUNNING,
    SKIPPED,
    UNKNOWN,
    BackendUnavailable,
    LogGone,
    NotYet,
    Run,
    Target,
    TaskState,
)

_Answer = TypeVar("_Answer")
_SECONDS_BETWEEN_LOOKS = 2.0
_LONGEST_PAUSE = 30.0
_GATE = re.compile(rf"inputs\.parameter_values\['{CHANNEL}([^']+)-verdict'\]")
_MET = re.compile(rf"{_GATE.pattern} == '([^']*)'")
_SERVING_GATE = "check_serving"
_FINISHED = {DONE, CACHED, FAILED, CANCELED}
_ITERATION = re.compile(r"([^/]+)/(\d+)/")


class Watch:
    """Follows one run to its end.

    Args:
        target: Where it runs.
        pipeline: The compiled file, for the tasks to come and the reasons of those that are skipped; None if it is not at hand.
        parameters: The run's parameters.
        console: Where to show it.
        patience: For how long a backend may be away, in seconds; the run does not mind.
    """

    def __init__(
        self, target: Target, pipeline: PipelineFile | None, parameters: dict[str, Any], console: Console, patience: float = 900.0
    ) -> None:
        self._patience = patience
        self._target = target
        self._console = console
        self._plan = {planned.key: planned for planned in (pipeline.plan() if pipeline else [])}
        self._components = _components(pipeline) if pipeline else {}
        self._values = {f"{CHANNEL}{name}": value for name, value in ((_defaults(pipeline) if pipeline else {}) | parameters).items()}
        self._tasks: dict[str, Task] = {}
        self._gone: list[str] = []
        self._held_back = self._is_unsure = False

    def follow(self, run_id: str) -> Ending:
        """Shows the run until it has ended.

        Raises:
            UserError: The backend refuses to tell, or has not answered for too long.
        """
        with Display(self._console, self._plan.values()) as display:
            while (run := self._ask(lambda: self._target.run(run_id), display)).state not in ENDED:
                self._show(run, display)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            self._show(run, display)
            self._learn(run)
            self._show_skipped(run, display)
            unknown = self._unknown(run)
            display.ended(unknown)
            if run.state == FAILED and run.error and not any(task.state == FAILED for task in display.tasks):
                display.broken(run.error)
        found = [page.uri for task in display.tasks for page in pages(task.outputs)]
        place, gone = run.url or run.id, tuple(self._gone)
        return Ending(place, display.tasks, run.state, _seconds(run), found, self._held_back, unknown, self._is_unsure, gone)

    def _ask(self, question: Callable[[], _Answer], display: Display, *, awaits: bool = True) -> _Answer:
        """Asks again and again where there is no answer; where it is one that comes later, only if it is to be awaited."""
        asking = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, BackendUnavailable) and (awaits or not isinstance(error, NotYet))
            ),
            wait=tenacity.wait_exponential(multiplier=_SECONDS_BETWEEN_LOOKS, max=_LONGEST_PAUSE),
            stop=tenacity.stop_after_delay(self._patience),
            before_sleep=lambda state: display.noted(f"{_reason(state)}; the run continues; retrying"),
            reraise=True,
        )
        return asking(question)

    def _show(self, run: Run, display: Display) -> None:
        for state in run.tasks:
            task = self._tasks.get(state.key)
            if state.state == RUNNING and task is None:
                task = self._tasks[state.key] = self._task(state)
                display.started(task)
            if state.state in _FINISHED and (task is None or task.state == RUNNING):
                task = self._tasks[state.key] = task or self._task(state)
                self._finish(task, state, run.id, display)
                display.finished(task)

    def _task(self, state: TaskState) -> Task:
        key = state.key.rpartition("/")[2]
        iterations = "".join(f"{loop}-iteration-{number}/" for loop, number in _ITERATION.findall(state.key))
        task = Task(iterations + (self._plan[key].name if key in self._plan else key), self._components.get(key, ""))
        if state.started:
            task.started -= (datetime.now(timezone.utc) - state.started).total_seconds()
        return task

    def _finish(self, task: Task, state: TaskState, run_id: str, display: Display) -> None:
        task.state, task.outputs = state.state, state.outputs
        if state.started and state.ended:
            task.seconds = (state.ended - state.started).total_seconds()
        if state.state == FAILED or (state.state != CANCELED and not summary_of(task.outputs)):
            self._read_log(task, state, run_id, display)
        task.figure = figure_of(task.outputs, task.figure)
        task.error = task.error or state.error
        self._values |= {f"{CHANNEL}{state.key}-{name}": value for name, value in task.outputs.items()}

    def _read_log(self, task: Task, state: TaskState, run_id: str, display: Display) -> None:
        """Takes from a task's log what the backend does not tell; keeps the log of one that failed."""
        log = self._logs / f"{task.name.replace('/', '.')}.log" if state.state == FAILED else None

        def read() -> TaskLog:
            reader = TaskLog()
            with (log or Path(os.devnull)).open("w", encoding="utf-8") as file:
                for line in self._target.logs(run_id, state.key):
                    file.write(f"{line}\n")
                    reader.read_line(line)
            return reader

        try:
            reader = self._ask(read, display, awaits=bool(log))
        except LogGone:
            self._gone += [task.name] if task.component else []  # another task may have printed nothing
            return
        except UserError:  # no container was started for it: then nothing more can be known
            return
        task.log, task.figure = log, reader.figure or task.figure
        if state.state == FAILED:
            task.error = reader.reason
        else:  # what the backend tells outweighs what a log says
            task.outputs = dict(_outputs(reader.outputs)) | task.outputs

    @cached_property
    def _logs(self) -> Path:
        """Where the logs of tasks that failed are kept for the person to read."""
        return Path(tempfile.mkdtemp(prefix="penstock-logs-"))

    def _learn(self, run: Run) -> None:
        """Derives verdicts that are not reported from the conditions that are known to have been met."""
        for key in (_last(state) for state in run.tasks if state.state in _FINISHED):
            for met in filter(None, map(_MET.fullmatch, self._conditions(key))):
                gate, verdict = met.groups()
                self._values.setdefault(f"{CHANNEL}{gate}-verdict", verdict)
                if gate in self._tasks:
                    self._tasks[gate].outputs.setdefault("verdict", verdict)

    def _show_skipped(self, run: Run, display: Display) -> None:
        """Shows which conditions were not met: what lies behind them has not run although the run is done."""
        for state in (state for state in run.tasks if state.state == SKIPPED):
            self._skip([state.closed] if state.closed else self._unmet(_last(state)), display)
        reported = set(map(_last, run.tasks))
        for key in (key for key in self._plan if run.state == DONE and key not in reported):
            self._skip(self._known_unmet(key), display)

    def _skip(self, closed: list[str], display: Display) -> None:
        """Shows the tasks that a condition skipped: by the only unmet condition, or by the first if it is unknown which was not met."""
        holding = [self._keeps_from_running(condition) for condition in closed]
        held_back = bool(holding) and all(holding)
        self._held_back |= held_back
        self._is_unsure |= not held_back and any(each is not False for each in holding)
        for condition in closed[:1]:
            display.skipped(condition, self._values)

    def _conditions(self, key: str) -> tuple[str, ...]:
        return self._plan[key].conditions if key in self._plan else ()

    def _known_unmet(self, key: str) -> list[str]:
        """Returns the outermost condition of a task that is known not to have been met, if there is one."""
        return [condition for condition in self._conditions(key) if self._is_met(condition) is False][:1]

    def _unmet(self, key: str) -> list[str]:
        """Returns the same; where it is not known, all that may not have been met."""
        return self._known_unmet(key) or [condition for condition in self._conditions(key) if self._is_met(condition) is None]

    def _is_met(self, condition: str, values: dict[str, Any] | None = None) -> bool | None:
        """Returns whether a condition was met, or would have been with other values; None if unknown."""
        try:
            return evaluate(condition, self._values | (values or {}))
        except ConditionError:
            return None

    def _keeps_from_running(self, condition: str) -> bool | None:
        """Tells whether a condition that was not met would have been if a gate had let pass; None if unknown."""
        gates = set(_GATE.findall(condition))
        passing = {f"{CHANNEL}{gate}-verdict": "passed" if self._components.get(gate) == _SERVING_GATE else "blessed" for gate in gates}
        return self._is_met(condition, passing) if gates else False

    def _unknown(self, run: Run) -> tuple[str, ...]:
        """Returns the tasks whose result is unknown although the run is done."""
        if run.state != DONE:
            return ()
        silent = {_last(state) for state in run.tasks if state.state == UNKNOWN}
        unlisted = self._plan.keys() - set(map(_last, run.tasks))
        silent |= {key for key in unlisted if not self._plan[key].looped and not self._known_unmet(key)}
        names = [self._plan[key].name if key in self._plan else key for key in sorted(silent)]
        return tuple(names) if run.tasks else ("its tasks",)


def _last(state: TaskState) -> str:
    """Returns a task's key in its DAG, without the loops that it lies in."""
    return state.key.rpartition("/")[2]


def _defaults(pipeline: PipelineFile) -> dict[str, Any]:
    inputs = pipeline.document["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: spec["defaultValue"] for name, spec in inputs.items() if "defaultValue" in spec}


def _components(pipeline: PipelineFile) -> dict[str, str]:
    """Returns the Penstock component that each task of a DAG runs, by the task's key."""
    containers = {name: component_of(list(container.command)) for name, container in pipeline.containers()}
    return {planned.key: containers.get(planned.name, "") for planned in pipeline.plan()}


def _outputs(output: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields parameters and artifacts of an `ExecutorOutput`."""
    yield from output.get("parameterValues", {}).items()
    for name, entry in output.get("artifacts", {}).items():
        yield name, create_artifact_instance(entry["artifacts"][0], dsl.Artifact)


def _seconds(run: Run) -> float:
    return (run.ended - run.created).total_seconds() if run.ended and run.created else 0.0


def _reason(state: tenacity.RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return error.message if isinstance(error, BackendUnavailable) else "no answer"
