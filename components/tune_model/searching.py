"""What both kinds of search share: where they run, and what they find."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.components.protocol import figure
from penstock.components.training.tracking import Run, tracked_run

from .processes import find_gpus
from .space import Space
from .trial_process import Setting
from .trials import Trial


@dataclass(frozen=True)
class Place:
    """Where a search runs, and for how long.

    Attributes:
        logs: The folder that takes what each process prints.
        state_uri: Where its state is kept; empty: nowhere.
        processes: How many trials run at a time; 0: one per device.
        logged: What the MLflow run says of the search.
        max_seconds: The time; 0: no limit.
    """

    logs: Path
    state_uri: str
    processes: int
    logged: dict[str, Any]
    max_seconds: int


@dataclass(frozen=True)
class Result:
    """What a search has found.

    Attributes:
        objective: The metric.
        direction: `min` or `max`.
        space: What was searched.
        trials: All trials.
        best: The best one.
        tracking_run_id: The MLflow run of the search.
    """

    objective: str
    direction: str
    space: Space
    trials: list[Trial]
    best: Trial
    tracking_run_id: str


@dataclass(frozen=True)
class Devices:
    """What the trials run on.

    Attributes:
        names: The GPUs; empty if there are none.
        count: How many trials may run at a time.
    """

    names: list[str]
    count: int

    def gpu(self, slot: int) -> str | None:
        """Returns the GPU for one of the trials that run at a time; None if there are none."""
        return self.names[slot % len(self.names)] if self.names else None


def devices_of(place: Place, most: int = 0) -> Devices:
    """Returns what the trials run on.

    Args:
        place: What was asked for.
        most: The number of trials; 0: unknown.
    """
    names = find_gpus()
    count = place.processes or len(names) or _cores()
    return Devices(names, min(count, most or count))


@contextmanager
def search_run(setting: Setting, place: Place, logged: dict[str, Any], devices: Devices, run_id: str = "") -> Iterator[tuple[Run, Setting]]:
    """Gives the MLflow run of a search, and the setting of its trials: child runs, which share the cores.

    Args:
        setting: What the trials have in common.
        place: Where the search runs.
        logged: What the run says besides `place.logged`.
        devices: What the trials run on.
        run_id: A run to go on with; empty: a new one.
    """
    with tracked_run(setting.tracking_uri, setting.experiment, place.logged | logged, setting.tags, run_id) as run:
        threads = max(1, _cores() // devices.count)
        yield run, replace(setting, threads=threads, tags=setting.tags | {"mlflow.parentRunId": run.run_id})


def tell(run: Run, objective: str, trial: Trial, best: list[Trial], done: int, most: int = 0) -> None:
    """Says how a trial ended, and logs the best score so far.

    Args:
        run: The MLflow run of the search.
        objective: The metric.
        trial: The trial.
        best: The completed trials, the best first.
        done: How many trials have ended.
        most: How many there will be; 0: unknown.
    """
    number = f"{done}/{most}" if most else str(done)
    outcome = f"{objective} {trial.score:.4f}" if trial.score is not None else trial.status.replace("_", " ")
    figure(f"trial {number}: {outcome}" + (f", best {best[0].score:.4f}" if best else ""))
    if best:
        run.log({f"best_{objective}": best[0].score or 0.0}, step=done)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
