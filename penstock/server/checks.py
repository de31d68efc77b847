"""Checks a request before it is processed."""

import itertools
from typing import Any

from kserve import InferRequest
from kserve.errors import InvalidInput

from .limits import Limits
from .saved_model import SIGNATURE

_NESTED = frozenset({dict, list})


def check_request(payload: Any, limits: Limits, text: bytes = b"") -> None:
    """Checks a V1 body or a V2 request.

    Args:
        payload: The body's values, or the request.
        limits: What it may have.
        text: The body, where it is there: as many brackets as most have are soon counted.

    Raises:
        InvalidInput: It has too many rows, or its values are nested too deep.
    """
    if isinstance(payload, InferRequest):
        _check_rows(max((tensor.shape[0] for tensor in payload.inputs if tensor.shape), default=1), limits)
        return
    instances = payload.get("instances") if isinstance(payload, dict) else None
    if isinstance(instances, list):
        _check_rows(len(instances), limits)
        # Rows that are objects have a bracket each, and no value is in two of them.
        rows = len(instances) if text and set(map(type, instances)) == {dict} else 0
        if not text or text.count(b"{") + text.count(b"[") - rows >= limits.max_nesting:
            check_nesting(instances, limits)


def v1_instances(request: Any) -> Any:
    """Returns the `instances` of a V1 body.

    Raises:
        InvalidInput: It is invalid, or uses a feature that this server does not support.
    """
    if not isinstance(request, dict):
        raise InvalidInput('the request must be a JSON object with "instances"')
    if "inputs" in request:
        raise InvalidInput('"inputs", the column format, is not supported; send rows as "instances"')
    signature = request.get("signature_name", SIGNATURE)
    if signature not in ("", SIGNATURE):  # TensorFlow Serving takes an empty name for none
        raise InvalidInput(f'"signature_name" {signature!r:.60} is not supported; this server uses only {SIGNATURE!r}')
    return request.get("instances")


def check_nesting(value: Any, limits: Limits) -> None:
    """Looks how deep JSON values are nested, level by level: Python itself ends at a depth that JSON does not.

    Raises:
        InvalidInput: They are nested too deep.
    """
    level = [value]
    for _ in range(limits.max_nesting + 1):
        children = itertools.chain.from_iterable(node.values() if type(node) is dict else node for node in level)
        level = [child for child in children if type(child) in _NESTED]
        if not level:
            return
    raise InvalidInput(f"the values are nested more than {limits.max_nesting} deep")


def _check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.max_rows:
        raise InvalidInput(f"the request has {rows:,} rows, more than the limit of {limits.max_rows:,}; send fewer rows per request")
