"""The blessing of a model's bytes, and the checks of it before a release."""

from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.protocol.artifacts import Input
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import file_sha256

from .probe import is_probe

# The requests with known answers, and what a serving check calls the SHA-256 of theirs; those of 0.1.0 do not have it.
PROBE, PROBE_SHA256 = "probe.json", "probe_sha256"


class EmptyProbe(TaskError):
    """A probe without requests: the evaluation found none that clients could send to the model."""


def require_blessing(model: Input, evaluation: Path) -> dict[str, Any]:
    """Reads an Evaluation's `blessing.json`, and refuses unless it blesses exactly this model's bytes.

    Args:
        model: The model.
        evaluation: The Evaluation's folder.

    Returns:
        The blessing; its `["model"]["fingerprint"]` is the model's.

    Raises:
        TaskError: The model or the blessing is missing, or the blessing is for other bytes, has a verdict other than `blessed`, or has thresholds that
            say otherwise.
    """
    blessing = read_blessing(evaluation, "release only a blessed model")
    if not model.path.is_dir() or not any(model.path.iterdir()):
        raise TaskError(f"the model at {model.path} does not exist; train it again")
    blessed = field(blessing, "model", "fingerprint")
    if blessed != model.fingerprint:
        raise TaskError(
            f"the Evaluation at {evaluation} blesses a model with other bytes ({str(blessed)[:12]}) than those of the model at "
            f"{model.path} ({model.fingerprint[:12]}); evaluate this model"
        )
    return blessing


def read_blessing(evaluation: Path, remedy: str) -> dict[str, Any]:
    """Reads an Evaluation's `blessing.json`, and refuses unless it blesses a model.

    Args:
        evaluation: The Evaluation's folder.
        remedy: What to do where it says anything but `blessed`.

    Raises:
        TaskError: There is no blessing, or it says anything but `blessed`, or has thresholds that say otherwise.
    """
    blessing = _read_object(evaluation / "blessing.json", "the blessing")
    if blessing.get("verdict") != "blessed":
        raise TaskError(f"the Evaluation at {evaluation} says {blessing.get('verdict')!r}, not 'blessed'; {remedy}")
    if against := doubt(blessing):
        raise TaskError(f"the Evaluation at {evaluation} says 'blessed', but {against}; evaluate the model again")
    return blessing


def require_check(serving_check: Path, fingerprint: str) -> dict[str, Any]:
    """Reads a serving check's `check.json`, and refuses unless exactly these bytes have passed, and its probe is the one that they passed.

    Args:
        serving_check: The serving check's folder.
        fingerprint: The fingerprint of the model's bytes.

    Returns:
        The check.

    Raises:
        TaskError: It is missing, is for other bytes or another probe, or has a verdict other than `passed`.
    """
    check = _read_object(serving_check / "check.json", "the serving check", "check the model with check_serving")
    if check.get("verdict") != "passed":
        raise TaskError(f"the serving check at {serving_check} says {check.get('verdict')!r}, not 'passed'; release only a checked model")
    if reasons := check.get("reasons"):
        raise TaskError(
            f"the serving check at {serving_check} says 'passed', but contains reasons for a failure ({reasons!r:.80}); check the model "
            "with check_serving"
        )
    checked = field(check, "model", "fingerprint")
    if checked != fingerprint:
        raise TaskError(
            f"the serving check at {serving_check} is for a model with other bytes ({str(checked)[:12]}) than the model's "
            f"({fingerprint[:12]}); check this model with check_serving"
        )
    if PROBE_SHA256 in check and check[PROBE_SHA256] != _sha256(serving_check / PROBE):
        raise TaskError(
            f"the serving check at {serving_check} does not match the requests in its {PROBE}; check the model with check_serving"
        )
    return check


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise TaskError(f"the probe cannot be read at {path} ({error}); check the model with check_serving") from error


def read_probe(folder: Path) -> dict[str, Any]:
    """Reads `probe.json` of an Evaluation or a serving check: `instances` as V1 requests have them, the `predictions` for them, and a `tolerance`.

    Raises:
        TaskError: There is no probe, it is malformed or (`EmptyProbe`) has no requests: a model whose answers cannot be checked may
            not serve.
    """
    path = folder / PROBE
    probe = _read_object(path, "the probe")
    if probe.get("instances") == probe.get("predictions") == []:
        raise EmptyProbe(f"{path} contains no requests with known answers; export the model with serving_default and evaluate it again")
    if not is_probe(probe):
        raise TaskError(
            f"{path} must hold as many predictions as instances, at least one, and a tolerance from 0 to below 1; evaluate the model again"
        )
    return probe


def field(blessing: dict[str, Any], *names: str) -> Any:
    """Returns what a blessing says at a path of names, such as `"baseline", "version"`; None where it says nothing."""
    value: Any = blessing
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def doubt(blessing: dict[str, Any]) -> str:
    """Says what speaks against a verdict of `blessed`; empty where nothing does."""
    thresholds = blessing.get("thresholds")
    if not isinstance(thresholds, list) or not thresholds:
        return "it has no thresholds"
    passed = [field(threshold, "passed") for threshold in thresholds]
    if not all(one is True or one is None for one in passed):
        return "one of its thresholds has not passed"
    return "" if True in passed or blessing.get("rubber_stamp") is True else "nothing was measured"


def _read_object(path: Path, what: str, remedy: str = "evaluate the model again") -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{what} cannot be read at {path} ({error}); {remedy}") from error
    return stored.load(text, f"{what} at {path}", remedy)
