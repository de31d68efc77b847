"""The verdict: one word, with the reasons for it. What could not be computed is never `ok`."""

from typing import Any

from penstock.components.evidence.monitoring import DEGRADED, DRIFT, NO_DATA, OK, SKEW, TOO_FEW

from .config import MonitoringConfig
from .drift import DRIFTED, NO_VALUES


def decide(
    rows: int,
    nothing: str,
    compared: dict[str, dict[str, Any]],
    quality: dict[str, Any] | None,
    skew: dict[str, Any] | None,
    config: MonitoringConfig,
    ahead: int = 0,
) -> tuple[str, list[str]]:
    """Gives the verdict.

    Args:
        rows: The rows of the model in the window.
        nothing: Why there is no row that counts; empty if there is one.
        compared: What `drift.compare` says of each feature and prediction.
        quality: What was found where labels have come; None where none were given.
        skew: What `skew.judge` says of the features that were fetched; None where they were not compared.
        config: How many rows a verdict needs.
        ahead: The rows of the log that are later than now.

    Returns:
        The word, and the reasons: none where all is well.
    """
    if nothing:
        return NO_DATA, [nothing]
    if rows < config.min_rows:
        return TOO_FEW, [f"{rows:,} rows are fewer than min_rows, {config.min_rows:,}"]
    degraded = list(quality["reasons"]) if quality else []
    drifted = [reason for found in compared.values() if found["status"] == DRIFTED for reason in found["reasons"]]
    unknown = [reason for found in compared.values() if found["status"] == NO_VALUES for reason in found["reasons"]]
    unknown += list(quality["unknown"]) if quality else []
    skewed = list(skew["reasons"]) if skew else []
    unknown += list(skew["unknown"]) if skew else []
    if ahead:
        unknown.append(f"{ahead:,} rows of the log are later than now: the clocks of the server and of this machine differ; correct one")
    if not compared:
        unknown.append("no feature was compared")
    for word, reasons in ((DEGRADED, degraded), (SKEW, skewed), (DRIFT, drifted), (TOO_FEW, unknown)):
        if reasons:
            return word, [*reasons, *(reason for reason in (*degraded, *skewed, *drifted, *unknown) if reason not in reasons)]
    return OK, []
