"""How the scores are distributed, beside those of the rows with known answers that the Evaluation has."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.components.evidence.blessing import EmptyProbe, read_probe
from penstock.components.evidence.distances import kolmogorov_smirnov, sampling_limit

_BINS = 20


@dataclass
class Distribution:
    """The scores of one output, counted in bins of equal width; what is beyond the ends is in the first and the last bin.

    Attributes:
        ends: The ends of the bins.
        counts: The scores in each.
        total: Their sum.
    """

    ends: np.ndarray
    counts: np.ndarray = field(default_factory=lambda: np.zeros(_BINS))
    total: float = 0.0

    @classmethod
    def over(cls, values: np.ndarray) -> "Distribution":
        """Makes bins over the range of some scores: 0 to 1 for what may be probabilities."""
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        return cls(np.linspace(low, high if high > low else low + 1, _BINS + 1))

    def add(self, values: np.ndarray) -> None:
        """Counts scores."""
        self.counts = self.counts + np.histogram(np.clip(values, self.ends[0], self.ends[-1]), self.ends)[0]
        self.total += float(values.sum(dtype=np.float64))

    @property
    def mean(self) -> float | None:
        """The mean of the scores."""
        return self.total / float(self.counts.sum()) if self.counts.sum() else None


def score_columns(schema: pa.Schema, outputs: list[str]) -> list[str]:
    """Returns the outputs that are one number for each row."""
    return [name for name in outputs if pa.types.is_floating(schema.field(name).type)]


def evaluated_scores(evaluation: Path | None, outputs: list[str]) -> dict[str, np.ndarray]:
    """Returns the candidate's scores that the Evaluation has: of the requests of its probe.

    Args:
        evaluation: The Evaluation's folder; None for none.
        outputs: The outputs to look for.
    """
    if evaluation is None:
        return {}
    try:
        predictions = read_probe(evaluation)["predictions"]
    except EmptyProbe:
        return {}
    is_named = isinstance(predictions[0], dict)
    found = {name: [each.get(name) if is_named else each for each in predictions] for name in outputs}
    numbers = {name: [_number(each) for each in values] for name, values in found.items()}
    return {name: np.array(values) for name, values in numbers.items() if None not in values}


def compare(scores: dict[str, Distribution], evaluated: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Describes each output's scores for the manifest and the page."""
    described = {}
    for name, ours in scores.items():
        described[name] = {"ends": ours.ends.tolist(), "counts": ours.counts.astype(int).tolist(), "mean": ours.mean, "evaluated": None}
        if name in evaluated and ours.counts.sum():
            theirs = Distribution(ours.ends)
            theirs.add(evaluated[name])
            described[name]["evaluated"] = {
                "rows": len(evaluated[name]),
                "counts": theirs.counts.astype(int).tolist(),
                "mean": theirs.mean,
                "distance": kolmogorov_smirnov(theirs.counts, ours.counts),
                "chance": sampling_limit(len(evaluated[name]), int(ours.counts.sum())),
            }
    return described


def _number(value: Any) -> float | None:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
