"""Requests and answers of the V1 and V2 protocols, as logs keep them, into rows."""

import math
from typing import Any

import orjson

from penstock.components.evidence.answers import to_rows


class Unreadable(ValueError):
    """A body that follows neither protocol, or that cannot be read without its headers."""


def instances_of(body: bytes) -> list[Any]:
    """Returns the rows of a request.

    Raises:
        Unreadable: It is not one.
    """
    content = _object(body)
    return _list(content["instances"]) if "instances" in content else _tensors(content.get("inputs"))


def predictions_of(body: bytes) -> tuple[list[Any], str | None]:
    """Returns the rows of an answer, and the version that gave it; None where it does not say.

    Raises:
        Unreadable: It is not one.
    """
    content = _object(body)
    if "predictions" in content:
        return _list(content["predictions"]), None
    rows = _tensors(content.get("outputs"))
    single = [next(iter(row.values())) if len(row) == 1 else row for row in rows]
    return single, content.get("model_version") or None


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise Unreadable("not a JSON object")
    return content


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable("not a list of rows")
    return value


def _tensors(tensors: Any) -> list[dict[str, Any]]:
    """Returns the rows of V2's tensors. Binary data after the JSON cannot be parsed without the headers, which no log keeps."""
    if not isinstance(tensors, list) or not tensors:
        raise Unreadable("neither V1 nor V2")
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        try:
            name, shape, data = tensor["name"], tensor["shape"], tensor["data"]
            values = _flat(data)
            rows = shape[0] if shape else 1
            width = math.prod(shape[1:])
        except (TypeError, KeyError) as error:
            raise Unreadable(f"a tensor without {error}") from error
        if len(values) != rows * width:
            raise Unreadable(f"the tensor {name!r:.40} has {len(values)} values for the shape {shape!r:.40}")
        columns[name] = values if width == 1 else [values[row * width : (row + 1) * width] for row in range(rows)]
    if len({len(column) for column in columns.values()}) != 1:
        raise Unreadable("tensors with different numbers of rows")
    return to_rows(columns)


def _flat(data: Any) -> list[Any]:
    return [leaf for value in data for leaf in (_flat(value) if isinstance(value, list) else [value])]
