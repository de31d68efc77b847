"""Encodes the values that pass between tasks so that no backend changes them: metadata of artifacts, output parameters, parameters.

Kubeflow fails a task with a null in its metadata and gives lists, dicts and bools back as something else; it keeps numbers as doubles; Argo
expands `{{...}}`, Kubernetes `$$` and `$(NAME)`, wherever they stand; and a run with a character beyond U+FFFF never ends, since the API
server's tables hold three bytes of UTF-8. Such a value travels as `MARK` and its JSON, in ASCII, its dollars and double braces escaped.
"""

import json
import math
from typing import Any

MARK = "penstock-json:"
# What a backend replaces or expands.
SUBSTITUTED = ("$$", "$(", "{{")
# The largest whole number that a double, and with it protobuf and JSON, counts to.
LARGEST_WHOLE = 1 << 53
_LARGEST_CHARACTER = "\uffff"
_LISTS, _DICTS = "list", "struct"


def encode(value: Any, *, structured: bool = False) -> Any:
    """Returns a value as it travels; one that no backend changes stays as it is.

    Args:
        value: A JSON value.
        structured: Whether lists, dicts and bools may stay too, as they may in parameters, and what is in them travels. Not null, which
            kfp.local refuses there.
    """
    if structured and isinstance(value, dict):
        return {encode(name): encode(item, structured=True) for name, item in value.items()}
    if structured and isinstance(value, list):
        return [encode(item, structured=True) for item in value]
    if is_passed_on(value) or (structured and isinstance(value, bool)):
        return value
    text = json.dumps(value, sort_keys=True).replace("$", r"\u0024").replace("{{", r"\u007b\u007b")
    return f"{MARK}{text}"


def decode(value: Any) -> Any:
    """Returns what a value was before it travelled; whole numbers are ints again, which protobuf does not have."""
    if isinstance(value, str) and value.startswith(MARK):
        try:
            return json.loads(value.removeprefix(MARK))
        except (ValueError, RecursionError):
            return value  # text of another program
    if isinstance(value, dict):
        return {str(decode(name)): decode(item) for name, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return whole(value)


def whole(value: Any) -> Any:
    """Returns a JSON value whose whole numbers are ints, however deep they lie: protobuf has floats only."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_WHOLE else value


def encode_metadata(metadata: dict[str, Any], schema_title: str = "") -> dict[str, Any]:
    """Returns an artifact's metadata as it travels.

    Args:
        metadata: Its metadata.
        schema_title: Its type. Kubeflow's own pages draw ClassificationMetrics, whose lists and dicts must stay.
    """
    structured = schema_title.endswith("ClassificationMetrics")
    return {encode(name): encode(value, structured=structured and isinstance(value, (list, dict))) for name, value in metadata.items()}


def decode_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns an artifact's metadata as it was; of anybody's artifact, also what Kubeflow makes of lists and dicts."""
    return {str(decode(name)): decode(_unwrapped(value)) for name, value in metadata.items()}


def is_passed_on(value: Any) -> bool:
    """Tells whether every backend gives a text or a number on as it is; of nothing else do they."""
    if isinstance(value, str):
        return not value.startswith(MARK) and _is_plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= LARGEST_WHOLE if isinstance(value, int) else math.isfinite(value)


def _is_plain(text: str) -> bool:
    is_wide = any(character > _LARGEST_CHARACTER or "\ud800" <= character <= "\udfff" for character in text)
    return not is_wide and not any(mark in text for mark in SUBSTITUTED)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if (kind == _LISTS and isinstance(inner, list)) or (kind == _DICTS and isinstance(inner, dict)):
            return inner
    return value
