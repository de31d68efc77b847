"""The answers of a model in the words of a V1 response, and whether two of them are the same."""

import base64
import math
from collections.abc import Iterator
from typing import Any


def to_json(value: Any) -> Any:
    """Returns values as V1's JSON has them: bytes as text where they are UTF-8, as `{"b64": ...}` where they are not."""
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def is_close(answer: Any, known: Any, tolerance: float) -> bool:
    """Tells whether two predictions of a V1 response have the same values by name.

    Numbers are alike within the tolerance, absolute or relative to the larger one, whichever allows more: float32 answers in the
    thousands differ by more than answers between 0 and 1. All else is alike if equal; `0.3` and `[0.3]` are the same prediction.
    """
    pairs = _pairs(answer, known)
    return pairs is not None and all(
        math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance) if _are_numbers(left, right) else left == right
        for left, right in pairs
    )


def largest_difference(answer: Any, known: Any) -> float:
    """Returns how far apart the numbers of two predictions are at most; infinity where they differ in anything else."""
    pairs = _pairs(answer, known)
    if pairs is None:
        return math.inf
    apart = [abs(left - right) if _are_numbers(left, right) else 0.0 if left == right else math.inf for left, right in pairs]
    return math.inf if any(map(math.isnan, apart)) else max(apart, default=0.0)


def _pairs(answer: Any, known: Any) -> list[tuple[Any, Any]] | None:
    """Returns the values of two predictions side by side; None if their names differ."""
    left, right = list(_leaves(answer)), list(_leaves(known))
    if [name for name, _ in left] != [name for name, _ in right]:
        return None
    return [(ours, theirs) for (_, ours), (_, theirs) in zip(left, right, strict=True)]


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of an answer, each with its output's name."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(value[key], f"{name}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value
