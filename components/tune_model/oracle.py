"""KerasTuner's oracles: they say which hyperparameters to try next."""

import sys
from typing import Any

from keras_tuner import Objective
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, RandomSearchOracle

from penstock.components.protocol import TaskError

from .space import Space

MIN, MAX = "min", "max"
# Of metrics whose name says it: what `direction` is where it is not given.
_LESS_IS_BETTER = ("loss", "error", "crossentropy", "deviance", "divergence", "mse", "mae", "rmse", "mape", "msle")
_MORE_IS_BETTER = ("auc", "accuracy", "acc", "precision", "recall", "f1_score", "r2_score", "iou")


def direction_of(objective: str, direction: str) -> str:
    """Returns `min` or `max`, as given or as the objective's name says.

    Raises:
        TaskError: The direction is neither, or the name does not say it.
    """
    if direction in (MIN, MAX):
        return direction
    if direction:
        raise TaskError(f"direction is {direction!r:.40}; give 'min' or 'max', or leave it empty")
    for known, endings in ((MIN, _LESS_IS_BETTER), (MAX, _MORE_IS_BETTER)):
        if objective.lower().endswith(endings):
            return known
    raise TaskError(
        f"the name of the objective {objective!r:.80} does not say whether less or more is better; set direction to 'min' or 'max'"
    )


class _StartsWith:
    """Tries given values first."""

    start: dict[str, Any] | None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next values, in KerasTuner's form."""
        if self.start and not self.trials:  # type: ignore[attr-defined]
            return {"status": TrialStatus.RUNNING, "values": self.start}
        found = super().populate_space(trial_id)  # type: ignore[misc]
        tried = [trial.hyperparameters.values for trial in self.trials.values()]  # type: ignore[attr-defined]
        if found["values"] in tried:  # the Gaussian process may come back to where it was, which would say nothing new
            return RandomSearchOracle.populate_space(self, trial_id)
        return found


class _Bayesian(_StartsWith, BayesianOptimizationOracle):
    pass


class _Random(_StartsWith, RandomSearchOracle):
    pass


_KINDS: dict[str, Any] = {"bayesian": _Bayesian, "random": _Random}


def make_oracle(algorithm: str, space: Space, objective: str, direction: str, max_trials: int, seed: int) -> Any:
    """Returns an oracle that counts no failures: whoever runs the trials does.

    Raises:
        TaskError: The algorithm is unknown.
    """
    if algorithm not in _KINDS:
        raise TaskError(f"algorithm is {algorithm!r:.40}; give {' or '.join(map(repr, _KINDS))}")
    # A Gaussian process learns from random points; of KerasTuner's default, three per dimension, a short search would have nothing else.
    options = {"num_initial_points": max(3, max_trials // 3)} if algorithm == "bayesian" else {}
    oracle = _KINDS[algorithm](
        objective=Objective(objective, direction),
        max_trials=max_trials,
        hyperparameters=space.parameters,
        seed=seed + 1,  # 0 would be any
        max_consecutive_failed_trials=sys.maxsize,
        **options,
    )
    oracle.start = space.start
    oracle.verbose = 0
    return oracle
