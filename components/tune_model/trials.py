"""What became of each trial, and the artifact that says so."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.data import stored

COMPLETED, STOPPED, FAILED, OUT_OF_TIME = "completed", "stopped", "failed", "out_of_time"
# TFX's name for it, and its content.
BEST_FILE = "best_hyperparameters.txt"


@dataclass(frozen=True)
class Trial(stored.Stored):
    """One trial.

    Attributes:
        trial: Its number, from 0.
        status: `completed`; `stopped` early, as it was worse than half of the others; `failed`; or `out_of_time`.
        hyperparameters: What `run_fn` got.
        score: The objective in the end; None unless the trial completed or was stopped.
        seconds: From the start of its process to the end.
        metrics: The last value of every metric.
        curve: The objective after each epoch.
        reason: Why it failed.
        tracking_run_id: Its MLflow run.
    """

    trial: int
    status: str
    hyperparameters: dict[str, Any]
    score: float | None
    seconds: float
    metrics: dict[str, Any] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    reason: str = ""
    tracking_run_id: str = ""


def ranked(trials: list[Trial], direction: str) -> list[Trial]:
    """Returns the completed trials, the best first; of equals, the earliest."""
    sign = -1 if direction == "max" else 1
    completed = [trial for trial in trials if trial.status == COMPLETED and trial.score is not None]
    return sorted(completed, key=lambda trial: (sign * (trial.score or 0.0), trial.trial))


def write_trials(folder: Path, objective: str, direction: str, trials: list[Trial], best: dict[str, Any]) -> None:
    """Writes `trials.json` and, as TFX's Tuner does, `best_hyperparameters.txt`.

    Args:
        folder: The artifact's.
        objective: The metric.
        direction: `min` or `max`.
        trials: All of them.
        best: The best one's hyperparameters, as KerasTuner's config.
    """
    content = {"objective": objective, "direction": direction, "trials": [stored.to_object(trial) for trial in trials]}
    (folder / "trials.json").write_text(stored.dump(content, indent=1), encoding="utf-8")
    (folder / BEST_FILE).write_text(json.dumps(best), encoding="utf-8")
