"""Reads the verdict of a gate from its evidence, with the reason if it is negative."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.protocol.errors import TaskError

from .blessing import doubt

_REMEDY = "run the gate again"


@dataclass(frozen=True)
class Verdict:
    """A gate's verdict.

    Attributes:
        word: The verdict of the gate, such as `blessed`.
        passed: Whether the gate has passed.
        reason: The reason if it did not pass, in one line; else empty.
    """

    word: str
    passed: bool
    reason: str = ""


def read_verdict(folder: Path) -> Verdict:
    """Reads the verdict of validate_examples, evaluate_model, check_serving or monitor_model. Evidence that contradicts itself has not passed.

    Args:
        folder: The evidence: the artifact `anomalies`, `evaluation`, `serving_check` or `monitoring`.

    Raises:
        TaskError: There is no verdict, or it cannot be read.
    """
    found = [name for name in _PASSING if (folder / name).is_file()]
    if len(found) != 1:
        raise TaskError(
            f"{folder} contains no verdict of a gate ({' or '.join(_PASSING)}); give the anomalies of validate_examples, the evaluation "
            "of evaluate_model, the serving_check of check_serving or the monitoring of monitor_model"
        )
    [name] = found
    passing, contradiction = _PASSING[name]
    content = stored.read(folder / name, "the verdict", _REMEDY)
    word = content.get("verdict")
    if word != passing:
        return Verdict(str(word), False, _reason(content) or f"the gate's verdict is {word!r}, not {passing!r}; see its report")
    against = contradiction(content)
    return Verdict(passing, not against, against and f"{folder / name} says {passing!r}, but {against}; {_REMEDY}")


def _reason(content: dict[str, Any]) -> str:
    """Returns a gate's reason: its own line, or the first of several."""
    if isinstance(reason := content.get("reason"), str) and reason:
        return reason
    reasons = content.get("reasons")
    if not isinstance(reasons, list) or not reasons:
        return ""
    more = f", and {len(reasons) - 1} more (see the report)" if len(reasons) > 1 else ""
    return f"{content['verdict']}: {reasons[0]}{more}".replace("_", " ", 1)


def _anomalies(content: dict[str, Any]) -> str:
    findings = content.get("findings")
    errors = (
        [each for each in findings if not isinstance(each, dict) or each.get("severity") == "ERROR"] if isinstance(findings, list) else [0]
    )
    return "it has Anomalies of severity ERROR" if errors or content.get("anomaly_count") != 0 else ""


def _reasons(content: dict[str, Any]) -> str:
    return f"gives reasons against it ({content['reasons']!r:.80})" if content.get("reasons") else ""


# The file of each gate, the verdict that lets pass, and what speaks against that verdict in the same file.
_PASSING: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "verdict.json": ("passed", _anomalies),
    "blessing.json": ("blessed", doubt),
    "check.json": ("passed", _reasons),
    "monitoring.json": ("ok", _reasons),
}
