"""The two kinds of patch that a custom resource takes."""

import copy
from typing import Any


class PatchError(Exception):
    """A JSON patch that does not apply."""


def merge(target: Any, patch: Any) -> Any:
    """Applies a JSON merge patch (RFC 7386): null deletes, a list replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def apply(target: Any, operations: list[dict[str, Any]]) -> Any:
    """Applies a JSON patch (RFC 6902): `add`, `remove`, `replace` and `test`.

    Raises:
        PatchError: An operation is unknown, its path does not exist, or its test fails.
    """
    patched = copy.deepcopy(target)
    for operation in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            holder = patched
            for part in parents:
                holder = holder[_key(holder, part)]
            _operate(holder, _key(holder, last), operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchError(f"{operation['op']} operation does not apply: doc is missing path: {operation['path']}") from error
    return patched


def _operate(holder: Any, key: Any, operation: dict[str, Any]) -> None:
    name, value = operation["op"], operation.get("value")
    if name == "add" and isinstance(holder, list):
        holder.insert(key, value)
    elif name == "add":
        holder[key] = value
    elif name == "remove":
        del holder[key]
    elif name == "replace":
        holder[key]  # it must be there
        holder[key] = value
    elif name == "test":
        if holder[key] != value:
            raise PatchError(f"testing value {operation['path']} failed")
    else:
        raise PatchError(f"unexpected kind: {name}")


def _key(holder: Any, part: str) -> Any:
    if not isinstance(holder, list):
        return part
    return len(holder) if part == "-" else int(part)
