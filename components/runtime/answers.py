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
    """Tells whether two predictions of a V1 response have the same structure, and the same values in it.

    Numbers are alike within the tolerance, absolute or relative to the larger one, whichever allows more: float32 answers in the
    thousands differ by more than answers between 0 and 1. All else is alike if it is of one type and equal. Axes of size one do not
    count: `0.3` and `[0.3]` are the same prediction, `[[1], [2, 3]]` and `[[1, 2], [3]]` are not.
    """
    return all(_are_alike(left, right, tolerance) for left, right in _pairs(answer, known))


def wrong_answer(answers: list[Any], probe: dict[str, Any]) -> str:
    """Says which of the answers to a probe's requests is not the one that is known; empty if all are."""
    expected = probe["predictions"]
    if len(answers) != len(expected):
        return f"{len(answers)} answers to {len(expected)} requests"
    wrong = (
        f"request {number} was answered {answer!r:.80}, not {known!r:.80}"
        for number, (answer, known) in enumerate(zip(answers, expected, strict=True))
        if not is_close(answer, known, probe["tolerance"])
    )
    return next(wrong, "")


def largest_difference(answer: Any, known: Any) -> float:
    """Returns how far apart the numbers of two predictions are at most; infinity where they differ in anything else."""
    return max((_apart(left, right) for left, right in _pairs(answer, known)), default=0.0)


def _are_alike(left: Any, right: Any, tolerance: float) -> bool:
    if not _are_numbers(left, right):
        return type(left) is type(right) and left == right
    try:
        return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # whole numbers that no float holds
        return left == right


def _apart(left: Any, right: Any) -> float:
    if _are_alike(left, right, 0.0):
        return 0.0
    try:
        apart = abs(float(left) - float(right)) if _are_numbers(left, right) else math.inf
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(apart) else apart


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _pairs(answer: Any, known: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the values of two predictions side by side, and whatever differs in structure as it is."""
    (left,), (right,) = _squeezed([answer]), _squeezed([known])
    yield from _side_by_side(left, right)


def _side_by_side(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        for name in left:
            yield from _pairs(left[name], right[name])
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for ours, theirs in zip(left, right, strict=True):
            yield from _side_by_side(ours, theirs)
    else:
        yield left, right


def _squeezed(values: list[Any]) -> list[Any]:
    """Takes the axes of size one out of a tensor, given all that lies at one depth of it."""
    while values and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [item for (item,) in values]
    inner = [item for value in values if isinstance(value, list) for item in value]
    if not inner:
        return values
    items = iter(_squeezed(inner))
    return [[next(items) for _ in value] if isinstance(value, list) else value for value in values]
