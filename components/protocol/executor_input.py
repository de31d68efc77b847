"""Reads an executor input, and reports an invalid one in one line before anything is changed.

Format: `ExecutorInput` of kfp's pipeline_spec.proto, in its JSON form.
"""

import json
import math
from typing import Any, NoReturn

from .errors import TaskError
from .redacting import redact

_DEEPEST = 100
_INT64 = 1 << 63
_LONGEST_PATH = 4096


def parse(text: str) -> dict[str, Any]:
    """Reads an executor input.

    Args:
        text: What the backend fills in for `{{$}}`.

    Raises:
        TaskError: It is not JSON, or not what the protocol says.
    """
    try:
        executor_input = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "it is nested too deeply"
        raise TaskError(
            f"--executor_input is not JSON: {reason}; pass the executor input that the backend inserts for {{{{$}}}}"
        ) from error
    if fault := find_fault(executor_input):
        _refuse(*fault)
    whole = _object(executor_input or [], "the whole")
    inputs = _object(whole.get("inputs"), "inputs")
    _object(inputs.get("parameterValues"), "inputs.parameterValues")
    for name, entry in _object(inputs.get("artifacts"), "inputs.artifacts").items():
        _check_artifacts(entry, f"inputs.artifacts.{name}")
    outputs = _object(whole.get("outputs"), "outputs")
    for name, entry in _object(outputs.get("artifacts"), "outputs.artifacts").items():
        if not _check_artifacts(entry, f"outputs.artifacts.{name}"):
            _refuse(f"outputs.artifacts.{name}", "does not name an artifact")
    for name, entry in _object(outputs.get("parameters"), "outputs.parameters").items():
        _check_path(_object(entry, f"outputs.parameters.{name}").get("outputFile"), f"outputs.parameters.{name}.outputFile")
    if outputs.get("outputFile") is not None:
        _check_path(outputs["outputFile"], "outputs.outputFile")
    return whole


def _refuse(where: str, what: str) -> NoReturn:
    raise TaskError(f"the executor input is damaged: {where} {what}; pass the one that the backend inserts for {{{{$}}}}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def find_fault(values: Any, whole: str = "the whole") -> tuple[str, str] | None:
    """Looks for what JSON or Python allows and no backend takes or sends: it would break somewhere in the middle of a task.

    Args:
        values: JSON values.
        whole: What they are called.

    Returns:
        The place and the description of the first fault, or None.
    """
    level = [(whole, values)]
    for _ in range(_DEEPEST):
        below: list[tuple[str, Any]] = []
        for where, value in level:
            if isinstance(value, dict):
                if not all(isinstance(name, str) for name in value):
                    return where, "has a name that is not text"
                below += ((f"{where}.{name}".removeprefix("the whole."), item) for name, item in value.items())
                below += (("a name", name) for name in value)
            elif isinstance(value, list):
                below += ((f"{where}[{place}]", item) for place, item in enumerate(value))
            elif isinstance(value, str) and ("\0" in value or not _is_encodable(value)):
                return where, "has a character that no text has"
            elif isinstance(value, (int, float)) and not (math.isfinite(value) if isinstance(value, float) else -_INT64 <= value < _INT64):
                return where, "is not a 64-bit number"
            elif not isinstance(value, (str, int, float, type(None))):  # YAML has dates and more
                return where, f"is a {type(value).__name__}, which JSON does not support"
        level = below
        if not level:
            return None
    return whole, f"is nested deeper than {_DEEPEST}"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(value: Any, where: str) -> dict[str, Any]:
    """Returns an object; nothing counts as an empty one."""
    if value is not None and not isinstance(value, dict):
        _refuse(where, f"is not an object but {redact(json.dumps(value))[:60]}")
    return value or {}


def _check_artifacts(entry: Any, where: str) -> bool:
    """Checks an `ArtifactList`; tells whether it names an artifact."""
    artifacts = _object(entry, where).get("artifacts")
    if artifacts is not None and not isinstance(artifacts, list):
        _refuse(f"{where}.artifacts", f"is not a list but {redact(json.dumps(artifacts))[:60]}")
    for artifact in artifacts or []:
        if artifact is None:
            _refuse(where, "has an artifact that is null")
        fields = _object(artifact, where)
        _object(fields.get("metadata"), f"{where}.metadata")
        _object(fields.get("type"), f"{where}.type")
        if not isinstance(fields.get("name") or "", str):
            _refuse(f"{where}.name", "is not text")
        if fields.get("customPath"):
            _check_path(fields["customPath"], f"{where}.customPath")
        _check_path(fields.get("uri"), f"{where}.uri")
    return bool(artifacts)


def _check_path(value: Any, where: str) -> None:
    if not isinstance(value, str) or not value.strip():
        _refuse(where, f"is not a path but {redact(json.dumps(value))[:60]}")
    if len(value.encode()) > _LONGEST_PATH:
        _refuse(where, f"is longer than {_LONGEST_PATH} bytes")
