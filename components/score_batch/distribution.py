"""How the scores are distributed, beside the predictions of the whole evaluation."""

from typing import Any

import numpy as np

from penstock.components.evidence.distances import kolmogorov_smirnov, sampling_limit
from penstock.components.evidence.scores import Distribution, Scores

_BINS = 20
# A few numbers far away do not stretch what is drawn.
_DRAWN = 0.999


def compare(scores: Scores, evaluated: Scores) -> dict[str, dict[str, Any]]:
    """Describes each output's scores for the manifest and the page, in bins of equal width, which have the same ends for both.

    Args:
        scores: Of the rows.
        evaluated: Of the evaluation.
    """
    return {name: _compared(ours, evaluated.get(name)) for name, ours in sorted(scores.items()) if ours.rows}


def _compared(ours: Distribution, theirs: Distribution | None) -> dict[str, Any]:
    known = [each for each in (ours, theirs) if each and each.rows]
    low, high = min(each.quantile(1 - _DRAWN) for each in known), max(each.quantile(_DRAWN) for each in known)
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    ends = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    described: dict[str, Any] = {"ends": ends.tolist(), "counts": ours.histogram(ends).tolist(), "mean": ours.mean, "evaluated": None}
    if theirs and theirs.rows:
        described["evaluated"] = {
            "rows": theirs.rows,
            "counts": theirs.histogram(ends).tolist(),
            "mean": theirs.mean,
            "distance": kolmogorov_smirnov(theirs.counts, ours.counts),
            "chance": sampling_limit(theirs.rows, ours.rows),
        }
    return described
