"""Runs trials side by side: one process each, as many as there are devices."""

import math
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError

from . import trial_process
from .processes import LONGEST_WAIT, Child, death, end_all
from .searching import Devices
from .trial_process import Setting, run_trial
from .trials import COMPLETED, FAILED, OUT_OF_TIME, STOPPED, Trial

# As many trials must have completed before one is stopped for being worse than half of them.
_PEERS = 3


@dataclass
class _Running:
    number: int
    slot: int
    hyperparameters: dict[str, Any]
    child: Child
    began: float = field(default_factory=time.monotonic)
    curve: list[float] = field(default_factory=list)
    is_stopped: bool = False

    def ended(self, status: str, score: float | None = None, **found: Any) -> Trial:
        seconds = round(time.monotonic() - self.began, 2)
        return Trial(self.number, status, self.hyperparameters, score, seconds, curve=tuple(self.curve), **found)


class Processes:
    """The processes that trials run in. Use it as a context manager, which ends those that are left.

    Attributes:
        count: How many there may be at a time.
    """

    def __init__(self, setting: Setting, logs: Path, objective: str, direction: str, devices: Devices) -> None:
        """Starts nothing yet.

        Args:
            setting: What the trials have in common.
            logs: The folder that takes what each prints.
            objective: The metric.
            direction: `min` or `max`.
            devices: What the trials run on.
        """
        self.count = devices.count
        self._setting, self._logs, self._objective, self._devices = setting, logs, objective, devices
        self._sign = -1 if direction == "max" else 1
        self._running: list[_Running] = []

    @property
    def free(self) -> list[int]:
        """The slots in which no trial runs."""
        return sorted(set(range(self.count)) - {each.slot for each in self._running})

    def start(self, number: int, slot: int, hyperparameters: dict[str, Any]) -> None:
        """Starts a trial."""
        log, device = self._logs / f"{number:03d}.log", self._devices.gpu(slot)
        child = Child(run_trial, (log, device, self._setting, hyperparameters))
        self._running.append(_Running(number, slot, hyperparameters, child))

    def wait(self, done: list[Trial], until: float, early_stopping: bool) -> list[Trial]:
        """Waits until a trial ends, answering those that go on.

        Args:
            done: The trials that have ended before.
            until: When all that run are ended, as `time.monotonic` counts.
            early_stopping: Whether to stop those that are worse than half of `done`.

        Returns:
            The trials that have ended: one, or all at the deadline.

        Raises:
            TaskError: The module cannot be used for any trial.
        """
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return self.end_all()
            for pipe in wait([each.child.pipe for each in self._running], min(left, LONGEST_WAIT)):
                each = next(each for each in self._running if each.child.pipe is pipe)
                if ended := self._hear(each, done, early_stopping):
                    return [ended]

    def _hear(self, each: _Running, done: list[Trial], early_stopping: bool) -> Trial | None:
        """Takes one message; returns the trial if it was the last one."""
        try:
            kind, content = each.child.pipe.recv()
        except (EOFError, OSError):
            return self._remove(each, each.ended(FAILED, reason=death(each.child.wait())))
        if kind == trial_process.UNUSABLE:
            raise TaskError(content)
        if kind == trial_process.FAILED:
            return self._remove(each, each.ended(FAILED, reason=content))
        if kind == trial_process.DONE:
            return self._remove(each, self._judge(each, content))
        if self._objective in content:
            each.curve.append(content[self._objective])
        each.is_stopped = early_stopping and self._cannot_win(each.curve, done)
        with suppress(OSError):  # it has ended meanwhile, which the next message says
            each.child.pipe.send(not each.is_stopped)
        return None

    def _judge(self, each: _Running, content: dict[str, Any]) -> Trial:
        metrics, run_id = content["metrics"], content["run_id"]
        score = metrics.get(self._objective)
        if score is None:
            logged = f"it logged {', '.join(sorted(metrics))}" if metrics else "it logged nothing"
            reason = f"{self._setting.run_fn} logged no {self._objective!r} ({logged}); set objective to a metric that it logs"
        elif not math.isfinite(score):
            reason = f"{self._objective} is {score}; look for NaN or inf in the transformed Examples, or narrow the search space"
        else:
            status = STOPPED if each.is_stopped else COMPLETED
            return each.ended(status, score=score, metrics=metrics, tracking_run_id=run_id)
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        return each.ended(FAILED, reason=reason, metrics=finite, tracking_run_id=run_id)

    def _cannot_win(self, curve: list[float], done: list[Trial]) -> bool:
        """Tells whether a trial's best value so far is worse than the median of what completed trials had by this epoch (Optuna's MedianPruner)."""
        peers = [trial.curve[: len(curve)] for trial in done if trial.status == COMPLETED and len(trial.curve) >= len(curve)]
        if not curve or len(peers) < _PEERS:
            return False
        return self._best(curve) > statistics.median(map(self._best, peers))

    def _best(self, curve: Any) -> float:
        return min(self._sign * value for value in curve)

    def _remove(self, each: _Running, trial: Trial) -> Trial:
        self._running.remove(each)
        each.child.end()
        return trial

    def end_all(self) -> list[Trial]:
        """Ends what still runs, and returns it."""
        running, self._running = self._running, []
        trials = [each.ended(OUT_OF_TIME) for each in running]
        end_all([each.child for each in running])
        return trials

    def __enter__(self) -> "Processes":
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what still runs."""
        self.end_all()
