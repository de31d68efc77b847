"""Runs the example's compiled pipeline as a person does, and reads off when each task started and ended."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import measure

PIPELINE = Path("compiled/flight_delay_training.yaml")
MODEL = "flight_delay"
PUSH = "push-model"
CHECK = "check-serving"
_EVENT = re.compile(r"^(?P<task>[a-z][a-z0-9-]*) +(?P<state>running|done|cached)\b")
_RUN = re.compile(r"^run +(?P<folder>\S.*)$")
_NOT_RELEASED = 3


@dataclass(frozen=True)
class Run:
    """One `penstock run`.

    Attributes:
        cost: What it cost; the tasks' processes included.
        seconds: Each task that was not cached, from the start of its process until the orchestrator had its outputs.
        busy: How long at least one of them ran; some run side by side.
        reused: The tasks that were cached.
        folder: The run's folder.
    """

    cost: measure.Cost
    seconds: dict[str, float]
    busy: float
    reused: set[str]
    folder: Path

    @property
    def without_push(self) -> float:
        """The whole run, less push_model, which is the last task."""
        return self.cost.seconds - self.seconds.get(PUSH, 0.0)

    @property
    def without_check(self) -> float:
        """The same, less check_serving, beside which nothing runs."""
        return self.without_push - self.seconds.get(CHECK, 0.0)

    @property
    def rest(self) -> float:
        """What no task accounts for: the command's start and end, and what the orchestrator does between tasks."""
        return self.cost.seconds - self.busy

    @property
    def evaluation(self) -> Path:
        """The Evaluation's folder."""
        return next(self.folder.glob("evaluate-model/evaluation"))

    @property
    def blessing(self) -> dict[str, Any]:
        """The Evaluation's verdict and what it rests on."""
        return json.loads((self.evaluation / "blessing.json").read_text(encoding="utf-8"))


class Place:
    """A root of runs, cache and tracking, and a destination to push to, of its own. Use it as a context manager.

    Args:
        folder: Where both lie.
        flights: The folder with the raw rows.
    """

    def __init__(self, folder: Path, flights: Path) -> None:
        self.folder = folder
        self.serving = folder / "serving"
        self.port = free_port()
        self._parameters = {"input_uri": f"{flights}/*.parquet", "destination": f"local://{self.serving}?port={self.port}", "min_rows": 1}

    def run(self, name: str, fresh: bool = False, **parameters: Any) -> Run:
        """Runs the pipeline.

        Args:
            name: What to call the log.
            fresh: Whether to run every task, whatever is cached.
            parameters: Parameters beside those of the place.
        """
        values = [f"--param={key}={value}" for key, value in (self._parameters | parameters).items()]
        command = [*_penstock(), "run", PIPELINE, f"--root={self.folder / 'root'}", *values, *(["--fresh"] if fresh else [])]
        cost = measure.run(command, self.folder / f"{name}.log", good=(0, _NOT_RELEASED))
        folder = next(Path(match["folder"]) for _, line in cost.lines if (match := _RUN.match(line)))
        events = [(at, match["task"], match["state"]) for at, line in cost.lines if (match := _EVENT.match(line))]
        spans = _task_spans(events)
        seconds = {task: end - start for task, (start, end) in spans.items()}
        return Run(cost, seconds, _covered(spans.values()), {task for _, task, state in events if state == "cached"}, folder)

    def stop(self) -> None:
        """Stops the model server, if there is one."""
        if self.serving.exists():
            subprocess.run([*_penstock(), "serve", "stop", str(self.serving)], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _penstock() -> list[str]:
    """The command of the environment that this process runs in."""
    return [str(Path(sys.executable).with_name("penstock"))]


def _task_spans(events: list[tuple[float, str, str]]) -> dict[str, tuple[float, float]]:
    """Returns when each task started and ended; a running task has several events."""
    started: dict[str, float] = {}
    for at, task, state in events:
        if state == "running":
            started.setdefault(task, at)
    return {task: (started[task], at) for at, task, state in events if state == "done"}


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Returns the seconds that lie in any of the spans."""
    covered, until = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
