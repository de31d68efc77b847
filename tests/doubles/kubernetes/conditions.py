"""The conditions of a status."""

from typing import Any

Condition = dict[str, Any]


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Condition:
    """Makes a condition: `True`, `False` or `Unknown`, with a reason and a message where there is something to say."""
    texts = {"reason": reason, "message": message}
    return {"type": kind, "status": status} | {key: text for key, text in texts.items() if text}


def unknown() -> list[Condition]:
    """Returns the conditions of what was not looked into yet, or cannot be: without a reason."""
    return [condition(kind, "Unknown") for kind in ("IngressReady", "PredictorReady", "Ready")]


def of_ready(kind: str, ready: Condition) -> Condition:
    """Makes a condition that says what another says."""
    return ready | {"type": kind}


def with_ready(conditions: list[Condition], *, stopped: bool = False) -> list[Condition]:
    """Adds `Ready`, which is PredictorReady and IngressReady, and `Stopped`, and sorts by type, as Knative does."""
    named = {one["type"]: one for one in conditions}
    parts = [named["PredictorReady"], named["IngressReady"]]
    worst = next((one for wanted in ("False", "Unknown") for one in parts if one["status"] == wanted), None)
    ready = of_ready("Ready", worst) if worst else condition("Ready", "True")
    return sorted([*conditions, ready, condition("Stopped", str(stopped))], key=lambda one: one["type"])
