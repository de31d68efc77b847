"""The search over `run_fn`'s hyperparameters: KerasTuner says what to try, processes try it, and the state says what was found."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from penstock.components.protocol import TaskError, figure
from penstock.components.training.tracking import Run

from .running import Processes
from .space import Space
from .state import State, files_in, put_files, still_valid, write_state
from .trials import COMPLETED, FAILED, OUT_OF_TIME, STOPPED, Trial, ranked

# Such a row of failures has one cause, which the next trials have too.
_MOST_FAILURES = 3


@dataclass(frozen=True)
class Limits:
    """When a search ends, and when a trial does.

    Attributes:
        max_trials: The trials.
        max_seconds: The seconds of all attempts together; 0: no limit.
        early_stopping: Whether to stop trials that cannot win.
    """

    max_trials: int
    max_seconds: int
    early_stopping: bool


class Search:
    """A search that goes on from a state."""

    def __init__(
        self, oracle: Any, space: Space, objective: str, direction: str, limits: Limits, state: State, state_uri: str, folder: Path
    ) -> None:
        """Restores the oracle.

        Args:
            oracle: Says what to try.
            space: What is searched.
            objective: The metric.
            direction: `min` or `max`.
            limits: When it ends.
            state: Where it goes on.
            state_uri: Where its state is kept; empty: nowhere.
            folder: A scratch folder for the oracle's files.
        """
        put_files(folder, state.oracle)
        self._tuner = BaseTuner(
            oracle, directory=str(folder), project_name="oracle"
        )  # reads the files; what ran in the end is to run again
        self.trials = still_valid(state.trials)
        self._oracle, self._space, self._folder = oracle, space, folder
        self._objective, self._direction, self._limits = objective, direction, limits
        self._identity, self._uri = state.identity, state_uri
        self._began = time.monotonic() - state.seconds

    def run(self, processes: Processes, run: Run) -> None:
        """Runs trials until there are enough, the space is exhausted, or the time is over.

        Raises:
            TaskError: Several trials in a row failed.
        """
        until = self._began + (self._limits.max_seconds or float("inf"))
        while True:
            while processes.free and time.monotonic() < until and self._start(processes):
                pass
            if len(processes.free) == processes.count:
                return
            ended = processes.wait(self.trials, until, self._limits.early_stopping)
            for trial in ended:
                self._take(trial, run)
            self._save(run)
            self._check_failures()

    def _start(self, processes: Processes) -> bool:
        """Starts a trial; returns whether there was one to start."""
        slot = processes.free[0]
        asked = self._oracle.create_trial(f"process{slot}")
        if asked.status != TrialStatus.RUNNING:
            return False
        processes.start(int(asked.trial_id), slot, self._space.values(asked.hyperparameters.values))
        return True

    def _take(self, trial: Trial, run: Run) -> None:
        self.trials.append(trial)
        if trial.status != OUT_OF_TIME:  # the oracle keeps it as one that runs, and asks for it first if the search goes on
            self._tell(trial)
        best = ranked(self.trials, self._direction)
        done = sum(each.status != OUT_OF_TIME for each in self.trials)
        outcome = f"{self._objective} {trial.score:.4f}" if trial.score is not None else trial.status.replace("_", " ")
        figure(f"trial {done}/{self._limits.max_trials}: {outcome}" + (f", best {best[0].score:.4f}" if best else ""))
        if best:
            run.log({f"best_{self._objective}": best[0].score or 0.0}, step=done)

    def _tell(self, trial: Trial) -> None:
        ended = self._oracle.get_trial(next(name for name in self._oracle.trials if int(name) == trial.trial))
        ended.status = TrialStatus.COMPLETED if trial.status in (COMPLETED, STOPPED) else TrialStatus.INVALID
        if trial.score is not None:
            self._oracle.update_trial(ended.trial_id, {self._objective: trial.score})
        self._oracle.end_trial(ended)

    def _save(self, run: Run) -> None:
        self._tuner.save()
        seconds = round(time.monotonic() - self._began, 1)
        write_state(self._uri, State(self._identity, seconds, run.run_id, tuple(self.trials), files_in(self._folder)))

    def _check_failures(self) -> None:
        last = [trial for trial in self.trials if trial.status != OUT_OF_TIME][-_MOST_FAILURES:]
        if len(last) == _MOST_FAILURES and all(trial.status == FAILED for trial in last):
            raise TaskError(f"{_MOST_FAILURES} trials in a row failed, the first of them: {last[0].reason}")

    def best(self) -> Trial:
        """Returns the best trial.

        Raises:
            TaskError: None completed.
        """
        if best := ranked(self.trials, self._direction):
            return best[0]
        failed = [trial for trial in self.trials if trial.status == FAILED]
        if failed:
            raise TaskError(f"no trial completed, and {len(failed)} failed, the first of them: {failed[0].reason}")
        raise TaskError(f"no trial completed within {self._limits.max_seconds} seconds; raise max_seconds")
