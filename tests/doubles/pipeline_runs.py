"""What runs the pipelines that a double is sent: `penstock run`'s machinery, in a process of its own.

    run = PipelineRun(folder, spec, {"rows": 7})
    run.wait()

Then `run.state` and `run.tasks["train-model"].outputs` say what became of it.
"""

import copy
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from ..command import variables

_ROOT = Path(__file__).resolve().parents[2]
# One that has imported already, or another one where the tests run with a version of kfp that cannot run pipelines here.
_PYTHON = os.environ.get("PENSTOCK_DOUBLES_PYTHON", sys.executable)
# How long an interrupted run has to end its tasks; it kills them after ten seconds itself.
_GRACE_SECONDS = 20.0
_BETWEEN_KEYS = "."
_ITERATION = "-iteration-"
_ENDED = {"cached", "done", "failed", "skipped"}


@dataclass
class ObservedTask:
    """A task of a run.

    Attributes:
        path: The keys that lead to it from the root of the compiled file: of the DAGs that it lies in (conditions, loops,
            pipelines), each loop's followed by the number of the iteration, and its own.
        state: `waiting`, `running`, `cached`, `done`, `failed`, `skipped` (a condition kept it from running) or `not run`.
        started: When its process started; for one without a process, when it ended.
        ended: When it ended.
        error: Why it failed, if it gave a reason.
        log: What its process printed; None without a process.
        attempts: How many processes it has started.
        outputs: KFP's ExecutorOutput in JSON form: `parameterValues`, and `artifacts` with their metadata.
    """

    path: tuple[str, ...]
    state: str = "waiting"
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    log: Path | None = None
    attempts: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its key in its DAG; in a loop, below the loop's and the iteration (`for-loop-1/0/say`)."""
        first = next((place for place, name in enumerate(self.path) if name.isdigit()), None)
        return self.path[-1] if first is None else "/".join(self.path[first - 1 :])


class PipelineRun:
    """A run of a compiled pipeline, which has started.

    Attributes:
        root: Where artifacts, logs and cached outputs lie.
        created: When it was made.
        ended: When it ended.
        error: Why the pipeline could not go on, where that is not a task's failure.
        is_stopped: Whether a backend would have stopped telling of it.
    """

    def __init__(
        self,
        folder: Path,
        spec: dict[str, Any],
        parameters: dict[str, Any],
        *,
        caching: bool = True,
        uploads_failed: bool = True,
        workflow: str = "",
    ) -> None:
        """Starts it.

        Args:
            folder: `penstock run`'s root; runs of one folder share cached outputs.
            spec: The PipelineSpec in JSON form.
            parameters: The pipeline's parameters; relative paths among them lie in the checkout.
            caching: Whether outputs may be taken from the cache.
            uploads_failed: Whether what a task has made is there although it has failed.
            workflow: The Argo workflow's name, where what passes between tasks goes through Kubeflow's hands.
        """
        self.root = folder
        self.created = _now()
        self.ended: datetime | None = None
        self.error = ""
        self.is_stopped = False
        self._lock = threading.Lock()
        self._tasks: dict[str, ObservedTask] = {}
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="submitted-", dir=folder))
        files = [_write(place / "pipeline.yaml", _with_own_components(spec)), _write(place / "parameters.yaml", _typed(spec, parameters))]
        flags = [
            *([] if caching else ["--fresh"]),
            *([] if uploads_failed else ["--drop-failed"]),
            *(["--workflow", workflow] if workflow else []),
        ]
        command = [_PYTHON, "-m", f"{__package__}.observed_run", *map(str, files), str(folder), *flags]
        # The module is found in the working directory.
        environment = {name: value for name, value in variables().items() if name != "PYTHONSAFEPATH"}
        with (place / "run.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def state(self) -> str:
        """`running`, `done`, `failed` or `canceled`."""
        if self._reader.is_alive():
            return "running"
        return {0: "done", 128 + signal.SIGTERM: "canceled", -signal.SIGTERM: "canceled"}.get(self._process.returncode, "failed")

    @property
    def tasks(self) -> dict[str, ObservedTask]:
        """Its tasks as they are now, by key, in the order in which they are planned; iterations follow as they come."""
        with self._lock:
            return {task.key: copy.copy(task) for task in self._tasks.values()}

    def cancel(self) -> None:
        """Asks it to end its tasks, and to end; one that has ended is left alone."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it has ended; tells whether it has."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    def close(self) -> None:
        """Ends it for good."""
        self.cancel()
        if not self.wait(_GRACE_SECONDS):
            os.killpg(self._process.pid, signal.SIGKILL)
            self.wait()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                with self._lock:
                    self._take(event)
        self._process.wait()
        with self._lock:
            self._settle()

    def _take(self, event: dict[str, Any]) -> None:
        if "stopped" in event:
            self.is_stopped = True
            return
        if "task" not in event:
            self.error = event["error"]
            return
        path = _path(event["task"])
        task = self._tasks.setdefault("/".join(path), ObservedTask(path))
        task.state, task.error, task.outputs = event["state"], event.get("error", ""), event.get("outputs", {})
        task.attempts += task.state == "running"
        if event.get("log"):
            task.log = Path(event["log"])
        if task.state != "waiting":
            task.started = task.started or _now()
        task.ended = _now() if task.state in _ENDED else None

    def _settle(self) -> None:
        """Ends what the end of the process has ended."""
        self.ended = _now()
        for key, task in list(self._tasks.items()):
            if task.state == "running":
                task.state, task.ended = "failed", self.ended
            elif task.state == "waiting" and self._has_iterations(task):
                del self._tasks[key]
            elif task.state == "waiting":
                task.state = "not run"

    def _has_iterations(self, task: ObservedTask) -> bool:
        """Tells whether a task of a loop has been replaced by those of the loop's iterations."""
        return any(_without_iterations(other.path) == task.path for other in self._tasks.values() if other is not task)


def _path(name: str) -> tuple[str, ...]:
    """Reads a task's path from its name in the run: `for-loop-1-iteration-0/for-loop-1.say`."""
    *iterations, task = name.split("/")
    numbers = iter(iteration.rpartition(_ITERATION) for iteration in iterations)
    loop, _, number = next(numbers, ("", "", ""))
    path: list[str] = []
    for key in task.split(_BETWEEN_KEYS):
        path.append(key)
        if key == loop:
            path.append(number)
            loop, _, number = next(numbers, ("", "", ""))
    return tuple(path)


def _without_iterations(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in path if not key.isdigit())


def _with_own_components(spec: dict[str, Any]) -> dict[str, Any]:
    """Gives each task a component of its own, named by its path: kfp.local knows a task by its component, which others may share."""
    copied = copy.deepcopy(spec)
    copied["components"] = dict(_components(spec, copied["root"], ()))
    return copied


def _components(spec: dict[str, Any], component: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, task in component["dag"]["tasks"].items():
        inner = copy.deepcopy(spec["components"][task["componentRef"]["name"]])
        name = f"comp-{_BETWEEN_KEYS.join([*path, key])}"
        task["componentRef"]["name"] = name
        if "dag" in inner:
            yield from _components(spec, inner, (*path, key))
        yield name, inner


def _typed(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Makes whole numbers whole again: in a protobuf Value each is a float."""
    kinds = {name: given.get("parameterType") for name, given in spec["root"].get("inputDefinitions", {}).get("parameters", {}).items()}
    return {
        name: int(value) if kinds.get(name) == "NUMBER_INTEGER" and isinstance(value, float) else value
        for name, value in parameters.items()
    }


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _now() -> datetime:
    return datetime.now(timezone.utc)
