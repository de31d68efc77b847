"""How far a feature of the window lies from the reference, by every measure, and whether that is more than it may."""

from statistics import NormalDist
from typing import Any

import numpy as np

from penstock.components.evidence import distances

from .bins import Bins, CategoryBins, Counts, NumberBins
from .config import (
    INFINITY_NORM,
    JENSEN_SHANNON,
    KOLMOGOROV_SMIRNOV,
    POPULATION_STABILITY,
    WASSERSTEIN,
    MonitoringConfig,
)

SAME, MOVED, DRIFTED, NO_VALUES = "same", "moved", "drifted", "no_values"
_BINS, _ROWS_OF_BIN = 10, 20
_RARE = 0.005
_DEVIATIONS = NormalDist().inv_cdf(1 - distances.CHANCE / 2)
_SHOWN_CATEGORIES = 12


def compare(name: str, bins: Bins, reference: Counts, window: Counts, config: MonitoringConfig) -> dict[str, Any]:
    """Compares a feature.

    Returns:
        `status`, which is `drifted` where a measure is beyond its threshold and beyond what chance gives samples of these sizes, `moved`
        where it is beyond chance alone, `same`, or `no_values`; `reasons`; every measure with its threshold and what chance gives; the
        shares of missing, new and invalid values; and the bins to draw.
    """
    measure, threshold = config.limit(name, bins.is_number)
    measures = _measures(bins, reference, window)
    judged = measures.get(measure)
    checks = [] if judged is None else [_check(measure, judged["value"], threshold, judged["chance"])]
    checks.append(_missing(reference, window, threshold))
    new = _new(bins, window)
    invalid = window.invalid / window.values if window.values else 0.0
    checks.append(_check("invalid", invalid, config.max_invalid, 0.0))
    reasons = [_reason(name, check) for check in checks if check["status"] == DRIFTED]
    if judged is None and not reasons:
        reasons = [f"{name} has no value in {'the window' if not window.values else 'the reference'} to compare"]
    statuses = {check["status"] for check in checks}
    status = DRIFTED if DRIFTED in statuses else NO_VALUES if judged is None else MOVED if MOVED in statuses else SAME
    return {
        "status": status,
        "reasons": reasons,
        "kind": "number" if bins.is_number else "category",
        "measure": measure,
        "threshold": threshold,
        "value": None if judged is None else judged["value"],
        "chance": None if judged is None else judged["chance"],
        "measures": measures,
        "rows": window.rows,
        "missing": window.missing / window.rows if window.rows else None,
        "reference_missing": reference.missing / reference.rows if reference.rows else None,
        "invalid": invalid,
        "new": new,
        "mean": window.mean if bins.is_number else None,
        "reference_mean": reference.mean if bins.is_number else None,
        "bins": _drawn(bins, reference, window),
    }


def _measures(bins: Bins, reference: Counts, window: Counts) -> dict[str, dict[str, float]]:
    rows, others = window.values, reference.values
    if not rows or not others:
        return {}
    theirs, ours = _merged(bins, reference.bins, window.bins)
    chance, divergence = distances.sampling_limit(rows, others), distances.divergence_limit(len(ours), rows, others)
    found = {
        POPULATION_STABILITY: (distances.population_stability(theirs, ours), divergence),
        JENSEN_SHANNON: (distances.jensen_shannon(theirs, ours), distances.divergence_limit_in_bits(len(ours), rows, others)),
        INFINITY_NORM: (distances.infinity_norm(*((theirs, ours) if bins.is_number else (reference.bins, window.bins))), chance),
    }
    if isinstance(bins, NumberBins):
        found[KOLMOGOROV_SMIRNOV] = (distances.kolmogorov_smirnov(reference.bins, window.bins), chance)
        if reference.deviation > 0:
            found[WASSERSTEIN] = _wasserstein(bins, reference, window)
    return {measure: {"value": value, "chance": by_chance} for measure, (value, by_chance) in found.items()}


def _merged(bins: Bins, reference: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merges bins until each has enough rows: numbers by the reference's quantiles, categories the rare and the new ones into one."""
    if isinstance(bins, CategoryBins):
        kept = reference / reference.sum() >= max(_RARE, _ROWS_OF_BIN / 4 / window.sum())
        kept[-1] = False
        return tuple(np.append(counts[kept], counts[~kept].sum()) for counts in (reference, window))  # type: ignore[return-value]
    wanted = int(np.clip(window.sum() // _ROWS_OF_BIN, 2, _BINS))
    starts = _groups(reference, wanted)
    return np.add.reduceat(reference, starts), np.add.reduceat(window, starts)


def _groups(reference: np.ndarray, wanted: int) -> np.ndarray:
    """Returns where each of some groups of bins starts, which have about the same number of the reference's values."""
    middle = (np.cumsum(reference) - reference / 2) / reference.sum()
    group = np.minimum((middle * wanted).astype(int), wanted - 1)
    return np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1])


def _wasserstein(bins: NumberBins, reference: Counts, window: Counts) -> tuple[float, float]:
    """Returns the distance over the reference's standard deviation, and what chance gives."""
    low, high = min(reference.least, window.least, bins.ends[0]), max(reference.most, window.most, bins.ends[-1])
    places = np.concatenate([[low], bins.ends, [high]])
    share = np.clip(np.cumsum(reference.bins) / reference.values, 0, 1)
    spread = float(np.sum(np.sqrt(share * (1 - share)) * np.diff(places)))
    chance = _DEVIATIONS * spread * np.sqrt(1 / window.values + 1 / reference.values)
    return distances.wasserstein(reference.bins, window.bins, places) / reference.deviation, float(chance / reference.deviation)


def _missing(reference: Counts, window: Counts, threshold: float) -> dict[str, Any]:
    if not window.rows or not reference.rows:
        return _check("missing", 0.0, threshold, 0.0)
    apart = abs(window.missing / window.rows - reference.missing / reference.rows)
    return _check("missing", apart, threshold, distances.sampling_limit(window.rows, reference.rows))


def _new(bins: Bins, window: Counts) -> float | None:
    """Returns the share of values that the reference does not have; None where that is not known."""
    if not window.values:
        return None
    if isinstance(bins, CategoryBins):
        return float(window.bins[-1] / window.values) if bins.is_complete else None
    return float((window.bins[0] + window.bins[-1]) / window.values)


def _check(what: str, value: float, threshold: float, chance: float) -> dict[str, Any]:
    """Judges a figure; what is not a number has drifted."""
    status = SAME if value <= chance else MOVED if value <= threshold else DRIFTED
    return {"what": what, "value": value, "threshold": threshold, "chance": chance, "status": status}


def _reason(name: str, check: dict[str, Any]) -> str:
    what = {"missing": "the share of missing values changed by", "invalid": "values that the Schema does not allow:"}
    subject = what.get(check["what"], f"{check['what'].replace('_', ' ')} is")
    return f"{name}: {subject} {check['value']:.4g}, above {max(check['threshold'], check['chance']):.4g}"


def _drawn(bins: Bins, reference: Counts, window: Counts) -> list[dict[str, Any]]:
    """Returns the bins that the page draws, the reference's and the window's shares in each."""
    total, others = max(window.values, 1), max(reference.values, 1)
    if isinstance(bins, CategoryBins):
        shown = min(_SHOWN_CATEGORIES, len(bins.categories))
        names = [*bins.categories.to_pylist()[:shown], "other"]
        theirs, ours = ([*counts[:shown].tolist(), float(counts[shown:].sum())] for counts in (reference.bins, window.bins))
        return [{"name": name, "reference": r / others, "window": w / total} for name, r, w in zip(names, theirs, ours, strict=True)]
    starts = _groups(reference.bins, 20) if reference.values else np.array([0])
    ends = np.append(bins.ends, np.inf)[np.append(starts[1:], len(bins.ends) + 1) - 1]
    theirs, ours = (np.add.reduceat(counts, starts).tolist() for counts in (reference.bins, window.bins))
    return [
        {"name": f"up to {_near(end):.4g}" if np.isfinite(end) else "above", "reference": r / others, "window": w / total}
        for end, r, w in zip(ends.tolist(), theirs, ours, strict=True)
    ]


def _near(end: float) -> float:
    """Returns an end as people read it: the greatest number below 0 is 0."""
    return end if abs(end) > np.finfo(float).tiny else 0.0
