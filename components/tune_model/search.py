"""The search over `run_fn`'s hyperparameters: KerasTuner says what to try, processes try it, and the state says what was found."""

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from penstock.components.protocol import TaskError
from penstock.components.training.tracking import Run

from .oracle import direction_of, make_oracle
from .running import Processes
from .searching import Place, Result, devices_of, search_run, tell
from .space import Space, read_space
from .state import State, files_in, put_files, read_state, still_valid, write_state
from .trial_process import Setting
from .trials import COMPLETED, FAILED, OUT_OF_TIME, STOPPED, Trial, ranked

# Such a row of failures has one cause, which the next trials have too.
_MOST_FAILURES = 3


@dataclass(frozen=True)
class Wanted:
    """What is searched, and when a search and a trial end: the parameters of tune_model."""

    search_space: dict[str, Any]
    hyperparameters: dict[str, Any]
    objective: str
    direction: str
    algorithm: str
    max_trials: int
    early_stopping: bool
    shard: int
    seed: int


def search_run_fn(wanted: Wanted, setting: Setting, place: Place) -> Result:
    """Searches, or goes on with a search whose state there is.

    Raises:
        TaskError: The search space or the state cannot be used, or no trial completed.
    """
    wanted = replace(wanted, direction=direction_of(wanted.objective, wanted.direction))
    space = read_space(wanted.search_space, wanted.hyperparameters)
    oracle = make_oracle(wanted.algorithm, space, wanted.objective, wanted.direction, wanted.max_trials, wanted.seed)
    about = asdict(wanted)
    lasting = {name: value for name, value in about.items() if name not in ("max_trials", "early_stopping")}
    state = read_state(place.state_uri, wanted.shard, lasting | setting.training.logged | setting.tags)
    devices = devices_of(place, wanted.max_trials)
    with (
        tempfile.TemporaryDirectory(prefix="penstock-tune-") as folder,
        search_run(setting, place, about, devices, state.tracking_run_id) as (run, its),
        Processes(its, place.logs, wanted.objective, wanted.direction, devices) as running,
    ):
        search = _Search(oracle, space, wanted, state, place, Path(folder))
        search.run(running, run)
        best = search.best()
        run.log(tags={"best_trial_run_id": best.tracking_run_id})
    return Result(wanted.objective, wanted.direction, space, search.trials, best, run.run_id)


class _Search:
    """A search that goes on from a state."""

    def __init__(self, oracle: Any, space: Space, wanted: Wanted, state: State, place: Place, folder: Path) -> None:
        put_files(folder, state.oracle)
        # It reads the files, and has the trials that were running run again.
        self._tuner = BaseTuner(oracle, directory=str(folder), project_name="oracle")
        self.trials = still_valid(state.trials)
        self._wanted, self._oracle, self._space, self._folder = wanted, oracle, space, folder
        self._identity, self._place = state.identity, place
        self._began = time.monotonic() - state.seconds

    def run(self, processes: Processes, run: Run) -> None:
        """Runs trials until there are enough, the space is exhausted, or the time is over.

        Raises:
            TaskError: Several trials in a row failed.
        """
        until = self._began + (self._place.max_seconds or float("inf"))
        while True:
            while processes.free and time.monotonic() < until and self._start(processes):
                pass
            if len(processes.free) == processes.count:
                return
            ended = processes.wait(self.trials, until, self._wanted.early_stopping)
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
        done = sum(each.status != OUT_OF_TIME for each in self.trials)
        tell(run, self._wanted.objective, trial, ranked(self.trials, self._wanted.direction), done, self._wanted.max_trials)

    def _tell(self, trial: Trial) -> None:
        ended = self._oracle.get_trial(next(name for name in self._oracle.trials if int(name) == trial.trial))
        ended.status = TrialStatus.COMPLETED if trial.status in (COMPLETED, STOPPED) else TrialStatus.INVALID
        if trial.score is not None:
            self._oracle.update_trial(ended.trial_id, {self._wanted.objective: trial.score})
        self._oracle.end_trial(ended)

    def _save(self, run: Run) -> None:
        self._tuner.save()
        seconds = round(time.monotonic() - self._began, 1)
        write_state(
            self._place.state_uri,
            self._wanted.shard,
            State(self._identity, seconds, run.run_id, tuple(self.trials), files_in(self._folder)),
        )

    def _check_failures(self) -> None:
        last = [trial for trial in self.trials if trial.status != OUT_OF_TIME][-_MOST_FAILURES:]
        if len(last) == _MOST_FAILURES and all(trial.status == FAILED for trial in last):
            raise TaskError(f"{_MOST_FAILURES} trials in a row failed, the first of them: {last[0].reason}")

    def best(self) -> Trial:
        """Returns the best trial.

        Raises:
            TaskError: None completed.
        """
        if best := ranked(self.trials, self._wanted.direction):
            return best[0]
        failed = [trial for trial in self.trials if trial.status == FAILED]
        if failed:
            raise TaskError(f"no trial completed, and {len(failed)} failed, the first of them: {failed[0].reason}")
        raise TaskError(f"no trial completed within {self._place.max_seconds} seconds; raise max_seconds")
