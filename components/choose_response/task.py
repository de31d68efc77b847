"""Chooses what follows from a monitoring."""

from typing import Any, NamedTuple

from penstock.components.evidence.monitoring import DEGRADED, DRIFT, OK, read_monitoring
from penstock.components.protocol import Input, TaskError, figure

NONE, ALERT, ROLLBACK, RETRAIN = "none", "alert", "rollback", "retrain"


class Outputs(NamedTuple):
    """The output parameters of choose_response."""

    response: str


def choose_response(monitoring: Input, on_degraded: str = "alert", on_drifted: str = "alert") -> Outputs:
    """Chooses a response; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter or the monitoring cannot be used.
    """
    _require("on_degraded", on_degraded, (ALERT, ROLLBACK, RETRAIN))
    _require("on_drifted", on_drifted, (ALERT, RETRAIN))
    monitoring.require_written()
    found = read_monitoring(monitoring.path)
    verdict = found["verdict"]
    wanted = {OK: NONE, DEGRADED: on_degraded, DRIFT: on_drifted}.get(verdict, ALERT)
    doubt = _doubt(wanted, found)
    response = ALERT if doubt else wanted
    figure(f"{verdict.replace('_', ' ')}: {response}{f', no {wanted}: {doubt}' if doubt else ''}")
    return Outputs(response)


def _doubt(response: str, found: dict[str, Any]) -> str:
    """Returns why a response is not known to help; empty if it is."""
    if response == RETRAIN and (found.get("feature_skew") or {}).get("reasons"):
        return "features are served that are not those to train on, which no training corrects"
    if response != ROLLBACK:
        return ""
    predecessor = found.get("predecessor")
    if not isinstance(predecessor, dict):
        return "no predecessor was measured"
    return "" if predecessor.get("better") is True else str(predecessor.get("reason") or "the predecessor is not better")


def _require(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise TaskError(f"{name} is {given!r:.40}; give {', '.join(known)}")
