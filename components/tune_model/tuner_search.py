"""The search of a module's own `tuner_fn`, spread over processes."""

import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import keras_tuner

from penstock.components.protocol import TaskError, local_path
from penstock.components.training.tracking import Run

from . import tuner_process
from .processes import LONGEST_WAIT, Child, death, end_all
from .searching import Devices, Place, Result, devices_of, search_run, tell
from .space import Space
from .trial_process import Setting
from .trials import COMPLETED, FAILED, OUT_OF_TIME, Trial, ranked

CHIEF = "chief"


@dataclass
class _Found:
    objective: str = ""
    direction: str = "min"
    space: Space | None = None
    trials: dict[str, Trial] = field(default_factory=dict)


def search_with_tuner(setting: Setting, place: Place) -> Result:
    """Searches as `tuner_fn` says.

    Raises:
        TaskError: `tuner_fn` cannot be used, or no trial completed.
    """
    devices = devices_of(place)
    with tempfile.TemporaryDirectory(prefix="penstock-tune-") as folder, search_run(setting, place, {}, devices) as (run, its):
        working_dir = Path(local_path(place.state_uri) if place.state_uri else folder)
        search = _TunerSearch(its, place.logs, working_dir, devices, run)
        found = search.run(Path(folder), place.max_seconds)
        assert found.space
        trials = list(found.trials.values())
        best = ranked(trials, found.direction)[0]
        run.log(tags={"best_trial_run_id": best.tracking_run_id})
    return Result(found.objective, found.direction, found.space, trials, best, run.run_id)


class _TunerSearch:
    """The processes of a search, and what they have said."""

    def __init__(self, setting: Setting, logs: Path, working_dir: Path, devices: Devices, run: Run) -> None:
        self._setting, self._logs, self._working_dir, self._devices, self._run = setting, logs, working_dir, devices, run
        self._running: dict[str, tuple[str, dict[str, Any], float]] = {}
        self._problem = ""
        self.found = _Found()

    def run(self, folder: Path, max_seconds: int) -> _Found:
        """Runs the search until the tuner is done, or the time is over.

        Args:
            folder: A folder for the socket.
            max_seconds: The time; 0: no limit.

        Raises:
            TaskError: `tuner_fn` cannot be used, or no trial completed.
        """
        until = time.monotonic() + (max_seconds or float("inf"))
        started: dict[str, Child] = {}
        try:
            for slot, name in enumerate([CHIEF, *(f"tuner{slot}" for slot in range(self._devices.count))]):
                started[name] = self._start(folder, name, slot)
            self._follow(dict(started), until)
        finally:
            end_all(started.values())
        for name in list(self._running):
            self._end(name, OUT_OF_TIME)
        self._require_result(max_seconds)
        return self.found

    def _start(self, folder: Path, name: str, slot: int) -> Child:
        device = self._devices.gpu(slot - 1)  # the chief, which comes first, needs none
        log = self._logs / f"{name}.log"
        arguments = (log, device, self._setting, self._working_dir, folder / "oracle.sock", name)
        return Child(tuner_process.run_tuner, arguments)

    def _follow(self, heard: dict[str, Child], until: float) -> None:
        """Takes what the processes send, until the workers are done, something is wrong, or the time is over."""
        while heard.keys() - {CHIEF} and not self._problem and (left := until - time.monotonic()) > 0:
            ready = wait([each.pipe for each in heard.values()], min(left, LONGEST_WAIT) if CHIEF in heard else 0)
            if not ready and CHIEF not in heard:
                return  # a worker that starts when all is done would wait for the chief for an hour
            for pipe in ready:
                name = next(name for name, each in heard.items() if each.pipe is pipe)
                if not self._hear(name, heard[name]):
                    del heard[name]

    def _hear(self, name: str, child: Child) -> bool:
        """Takes one message; returns whether the process goes on."""
        try:
            kind, content = child.pipe.recv()
        except (EOFError, OSError):
            code = child.wait()
            if code and name == CHIEF:
                self._problem = f"the tuner's chief: {death(code)}"
            elif code and name in self._running:
                self._end(name, FAILED, death(code))
            return False
        if kind == tuner_process.UNUSABLE:
            self._problem = content
        elif kind == tuner_process.SPACE:
            self._know(content)
        elif kind == tuner_process.BEGUN:
            self._running[name] = (content["trial"], content["hyperparameters"], time.monotonic())
        else:
            self._running.pop(name, None)
            self._take(content)
        return True

    def _know(self, content: dict[str, Any]) -> None:
        if self.found.space is None:
            parameters = keras_tuner.HyperParameters.from_config({"space": content["space"], "values": {}})
            self.found.objective, self.found.direction = content["objective"], content["direction"]
            self.found.space = Space(parameters, frozenset(), {}, None)
            for known in content["trials"]:
                self._record(known)

    def _take(self, content: dict[str, Any]) -> None:
        trial = self._record(content)
        trials = list(self.found.trials.values())
        tell(self._run, self.found.objective, trial, ranked(trials, self.found.direction), len(trials))

    def _record(self, content: dict[str, Any]) -> Trial:
        is_done = content["status"] == "COMPLETED" and content["score"] is not None
        trial = Trial(
            len(self.found.trials),
            COMPLETED if is_done else FAILED,
            content["hyperparameters"],
            content["score"] if is_done else None,
            content["seconds"],
            reason="" if is_done else content["reason"],
            tracking_run_id=content["run_id"],
        )
        self.found.trials[content["trial"]] = trial
        return trial

    def _end(self, name: str, status: str, reason: str = "") -> None:
        trial, hyperparameters, began = self._running.pop(name)
        seconds = round(time.monotonic() - began, 2)
        self.found.trials[trial] = Trial(len(self.found.trials), status, hyperparameters, None, seconds, reason=reason)

    def _require_result(self, max_seconds: int) -> None:
        if any(trial.status == COMPLETED for trial in self.found.trials.values()) and not self._problem:
            return
        failed = next((trial for trial in self.found.trials.values() if trial.status == FAILED and trial.reason), None)
        if failed:
            raise TaskError(f"the search of {self._setting.run_fn} failed; its first failed trial: {failed.reason}")
        if self._problem:
            raise TaskError(self._problem)
        hint = f"within {max_seconds} seconds; raise max_seconds" if max_seconds else "; see the logs of its processes"
        raise TaskError(f"no trial of {self._setting.run_fn} completed {hint}")
