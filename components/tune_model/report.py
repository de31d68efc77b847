"""The page of a search: its trials, parallel coordinates, and what mattered."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from penstock.components.evidence.page import number, write_page

from .coordinates import draw
from .space import Space
from .trials import COMPLETED, FAILED, OUT_OF_TIME, STOPPED, Trial, ranked

# Fewer say nothing of what mattered.
_LEAST_TRIALS = 5
_TREES = 200
# More choices do not fit on an axis.
_MOST_CHOICES = 8
_ORDER = (COMPLETED, STOPPED, OUT_OF_TIME, FAILED)


def write_report(path: Path, objective: str, direction: str, trials: list[Trial], space: Space) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        objective: The metric.
        direction: `min` or `max`.
        trials: All trials.
        space: What was searched.
    """
    best = ranked(trials, direction)
    scored = sorted((trial for trial in trials if trial.status in (COMPLETED, STOPPED)), key=lambda trial: trial.trial)
    positions = np.array([_positions(trial, space) for trial in scored])
    scores = np.array([trial.score for trial in scored], float)
    is_apart = len(set(scores)) > 1
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Hyperparameter search",
        objective=objective,
        better="higher" if direction == "max" else "lower",
        trials=[
            *best,
            *sorted((trial for trial in trials if trial not in best), key=lambda trial: (_ORDER.index(trial.status), trial.trial)),
        ],
        statuses={status: count for status in _ORDER if (count := sum(trial.status == status for trial in trials))},
        best=best[0],
        first=next((trial for trial in best if trial.trial == 0), None) if space.start else None,
        names=list(space.searched),
        given=space.given,
        coordinates=_coordinates(positions, scores, space, objective, direction, scored.index(best[0])) if len(scored) > 1 else None,
        importance=_importance(positions, scores, list(space.searched)) if len(scored) >= _LEAST_TRIALS and is_apart else None,
        scored=len(scored),
        least_trials=_LEAST_TRIALS,
        number=number,
        shown=_shown,
    )


def _positions(trial: Trial, space: Space) -> list[float]:
    """Returns where each of a trial's values lies between the least and the most (0 to 1), as KerasTuner has it."""
    drawn = space.drawn(trial.hyperparameters)
    return [parameter.value_to_prob(drawn[name]) for name, parameter in space.searched.items()]


def _importance(positions: np.ndarray, scores: np.ndarray, names: list[str]) -> dict[str, float]:
    """Returns each hyperparameter's share of the permutation importances in a random forest that was fitted to the scores."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    forest = RandomForestRegressor(_TREES, random_state=0).fit(positions, scores)
    found = permutation_importance(forest, positions, scores, n_repeats=20, random_state=0).importances_mean.clip(min=0)
    total = found.sum() or 1.0
    return dict(sorted(zip(names, found / total, strict=True), key=lambda item: -item[1]))


def _coordinates(positions: np.ndarray, scores: np.ndarray, space: Space, objective: str, direction: str, best: int) -> str:
    """Draws the values of the trials and, on the last axis, their scores."""
    least, most = scores.min(), scores.max()
    heights = (scores - least) / (most - least) if most > least else np.full(len(scores), 0.5)
    _, ranks = np.unique(-scores if direction == "max" else scores, return_inverse=True)
    ends = {0.0: number(least), 1.0: number(most)} if most > least else {0.5: number(least)}
    labels = [*map(_labels, space.searched.values()), ends]
    return draw([*space.searched, objective], labels, np.column_stack([positions, heights]), ranks, best)


def _labels(parameter: Any) -> dict[float, str]:
    """Returns what stands on the axis of one of KerasTuner's hyperparameters: the ends of its range, or its choices."""
    if hasattr(parameter, "min_value"):
        values = [parameter.min_value, parameter.max_value]
    else:
        values = [*parameter.values]
        values = values if len(values) <= _MOST_CHOICES else [values[0], values[-1]]
    return {parameter.value_to_prob(value): _shown(value) for value in values}


def _shown(value: Any) -> str:
    """Returns a value of a hyperparameter as people write it in a search space."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
