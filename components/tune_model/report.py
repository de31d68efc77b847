"""The page of a search: its trials, parallel coordinates, and what mattered."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from penstock.components.evidence.page import number, write_page

from .space import Space
from .trials import COMPLETED, STOPPED, Trial, ranked

# Fewer say nothing of what mattered.
_LEAST_TRIALS = 5
_TREES = 200


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
    names = list(space.searched)
    scored = sorted((trial for trial in trials if trial.status in (COMPLETED, STOPPED)), key=lambda trial: trial.trial)
    positions = pd.DataFrame([_positions(trial, space) for trial in scored], columns=names)
    scores = pd.Series([trial.score for trial in scored], dtype=float)
    in_order = [*best, *sorted((trial for trial in trials if trial not in best), key=lambda trial: (trial.status, trial.trial))]
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Hyperparameter search",
        objective=objective,
        better="higher" if direction == "max" else "lower",
        trials=in_order,
        best=best[0],
        first=next((trial for trial in best if trial.trial == 0), None) if space.start else None,
        names=names,
        given=space.given,
        coordinates=_coordinates(positions, scores, objective, direction) if len(scored) > 1 else None,
        importance=_importance(positions, scores) if len(scored) >= _LEAST_TRIALS else None,
        least_trials=_LEAST_TRIALS,
        number=number,
        shown=_shown,
    )


def _positions(trial: Trial, space: Space) -> list[float]:
    """Returns where each of a trial's values lies between the least and the most (0 to 1), as KerasTuner has it."""
    drawn = space.drawn(trial.hyperparameters)
    return [parameter.value_to_prob(drawn[name]) for name, parameter in space.searched.items()]


def _importance(positions: pd.DataFrame, scores: pd.Series) -> dict[str, float]:
    """Returns each hyperparameter's share of the permutation importances in a random forest that was fitted to the scores."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    forest = RandomForestRegressor(_TREES, random_state=0).fit(positions, scores)
    found = permutation_importance(forest, positions, scores, n_repeats=20, random_state=0).importances_mean.clip(min=0)
    total = found.sum() or 1.0
    return dict(sorted(zip(positions.columns, found / total, strict=True), key=lambda item: -item[1]))


def _coordinates(positions: pd.DataFrame, scores: pd.Series, objective: str, direction: str) -> Markup:
    """Draws a line per trial through its values, the better the darker, as inline SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rank = scores.rank(ascending=direction == "min", pct=True)
    spread = scores.max() - scores.min()
    table = positions.assign(**{objective: (scores - scores.min()) / spread if spread else 0.5})
    table = table.assign(rank=rank).sort_values("rank", ascending=False)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "penstock", "font.family": "sans-serif"}):
        drawing = Figure(figsize=(9, 3.2), layout="constrained")
        axes = drawing.subplots()
        colors = mpl.colormaps["viridis"](table["rank"].drop_duplicates().to_numpy())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            pd.plotting.parallel_coordinates(table, "rank", ax=axes, color=[mpl.colors.to_hex(color) for color in colors])
        axes.get_legend().remove()
        axes.set_yticks([0, 1], ["least", "most"])
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return Markup(re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL))  # noqa: S704 - matplotlib escapes the names


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value)
    return str(value)
