"""Training-serving skew: how many of the features that a server fetched differ from what retrieve_features trains on."""

from datetime import datetime, timedelta
from typing import Any

from penstock.components.evidence.feature_skew import KINDS
from penstock.components.evidence.logs.window import Window
from penstock.components.protocol import TaskError

from .config import MonitoringConfig

SAME, DIFFERS, SKEWED, NOT_COMPARED = "same", "differs", "skewed", "not_compared"


def require_model(compared: dict[str, Any], model_name: str) -> None:
    """Makes sure that features were compared of the model that is monitored.

    Raises:
        TaskError: They are another model's.
    """
    other = compared["model_name"]
    if other and model_name and other != model_name:
        raise TaskError(
            f"feature_skew is about the model {other!r:.80}, and model_name is {model_name!r:.80}; compare the features of this one"
        )


def judge(compared: dict[str, Any], window: Window, fingerprint: str, config: MonitoringConfig) -> dict[str, Any]:
    """Judges what compare_features found.

    Args:
        compared: The contents of `feature_skew.json`.
        window: The window that is monitored.
        fingerprint: The model that is monitored; empty where the log does not tell.
        config: The limit, and how many rows a verdict needs.

    Returns:
        What the Monitoring has of it: `features`, with the status of each, `reasons` for features that are skewed, and `unknown`.
    """
    ranked = sorted(compared["features"].items(), key=lambda item: -(item[1]["share"] or 0))
    features = {name: found | {"status": _status(found["share"], config.max_feature_skew)} for name, found in ranked}
    unknown = [*compared["unknown"]]
    if not compared["unknown"] and compared["compared"] < config.min_rows:
        unknown.append(f"{compared['compared']:,} rows with fetched features are fewer than min_rows, {config.min_rows:,}")
    if _overlap(compared["window"], window) < (window.end - window.start) / 2:
        unknown.append(
            f"the features were compared from {compared['window']['start']} to {compared['window']['end']}, which is another window"
        )
    if compared["fingerprint"] and not fingerprint.startswith(compared["fingerprint"]):
        unknown.append(f"the features were compared for the model {compared['fingerprint'][:12]}")
    return {
        "window": compared["window"],
        "rows": compared["compared"],
        "limit": config.max_feature_skew,
        "features": {name: {key: value for key, value in found.items() if key != "examples"} for name, found in features.items()},
        "reasons": [_reason(name, found, config) for name, found in features.items() if found["status"] == SKEWED],
        "unknown": [f"feature skew: {reason}" for reason in unknown],
    }


def _status(share: float | None, limit: float) -> str:
    if share is None:
        return NOT_COMPARED
    return SKEWED if share > limit else DIFFERS if share else SAME


def _reason(name: str, found: dict[str, Any], config: MonitoringConfig) -> str:
    kinds = ", ".join(f"{found[kind]:,} {kind}" for kind in KINDS if found[kind])
    return f"{name}: {found['share']:.2%} of the served values differ from those that were known ({kinds}), above {config.max_feature_skew:.2%}"


def _overlap(compared: dict[str, str], window: Window) -> timedelta:
    start, end = (datetime.fromisoformat(compared[name]) for name in ("start", "end"))
    return min(end, window.end) - max(start, window.start)
