"""The answers of a model in the form of a V1 response, and their comparison."""

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# TensorFlow Serving's sign of a tensor whose values are not text: https://www.tensorflow.org/tfx/serving/api_rest#output_of_binary_values.
_BINARY = "_bytes"


def to_json(value: Any, name: str = "") -> Any:
    """Returns values as V1's JSON has them: bytes as text, or as `{"b64": ...}` where they are not UTF-8, or the name ends in `_bytes`.

    Args:
        value: The value, in lists, and in dicts by name.
        name: Its name.
    """
    if isinstance(value, dict):
        return {key: to_json(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item, name) for item in value]
    if not isinstance(value, bytes):
        return value
    if not name.endswith(_BINARY):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return {"b64": base64.b64encode(value).decode()}


def map_leaves(value: Any, function: Callable[[Any], Any]) -> Any:
    """Returns nested lists with a function applied to whatever in them is not a list."""
    return [map_leaves(item, function) for item in value] if isinstance(value, list) else function(value)


def to_rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Returns the values of each row, by the columns' names."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def to_predictions(columns: Mapping[str, list[Any]]) -> list[Any]:
    """Returns the predictions of a V1 response: each row's value where there is one output, else its values by the outputs' names."""
    return next(iter(columns.values())) if len(columns) == 1 else to_rows(columns)


@dataclass(frozen=True)
class Mismatch:
    """A value of a prediction that is not the known one.

    Attributes:
        place: Where it is, such as `logits[3]`; empty for the prediction itself.
        answered: The value.
        known: The one that is known.
        allowed: How far apart two numbers there may be.
    """

    place: str
    answered: Any
    known: Any
    allowed: float


def is_close(answer: Any, known: Any, tolerance: float) -> bool:
    """Tells whether two predictions of a V1 response have the same structure, and the same values in it.

    Numbers are close if they differ by no more than the tolerance times the largest magnitude in their output's row, or 1 if that is less:
    the error of a float32 sum grows with its terms, not with its result. Other values must be of one type and equal. Axes of size one do
    not count: `0.3` and `[0.3]` are the same prediction, `[[1], [2, 3]]` and `[[1, 2], [3]]` are not.
    """
    return not any(differences(answer, known, tolerance))


def differences(answer: Any, known: Any, tolerance: float) -> Iterator[Mismatch]:
    """Yields the values in which two predictions differ; see `is_close`."""
    for name, left, right in _outputs(answer, known):
        pairs = list(_pairs(left, right))
        allowed = tolerance * max([1.0, *(_magnitude(value) for _, *values in pairs for value in values)])
        for place, ours, theirs in pairs:
            if not _are_close(ours, theirs, allowed):
                yield Mismatch(name + place, ours, theirs, allowed)


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
    pairs = (pair for _, left, right in _outputs(answer, known) for pair in _pairs(left, right))
    return max((_distance(left, right) for _, left, right in pairs), default=0.0)


def largest_part(answer: Any, known: Any) -> float:
    """Returns the least tolerance within which two predictions are close; infinity where they differ in anything but numbers."""
    return max((_distance(one.answered, one.known) / one.allowed for one in differences(answer, known, 1e-9)), default=0.0) * 1e-9


def _are_close(left: Any, right: Any, allowed: float) -> bool:
    if not _are_numbers(left, right):
        return type(left) is type(right) and left == right
    try:
        return math.isclose(left, right, rel_tol=0.0, abs_tol=allowed)
    except OverflowError:  # whole numbers that no float holds
        return left == right


def _magnitude(value: Any) -> float:
    try:
        return abs(value) if _are_numbers(value) and math.isfinite(value) else 0.0
    except OverflowError:
        return 0.0


def _distance(left: Any, right: Any) -> float:
    if _are_close(left, right, 0.0):
        return 0.0
    try:
        apart = abs(float(left) - float(right)) if _are_numbers(left, right) else math.inf
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(apart) else apart


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _outputs(answer: Any, known: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yields what two predictions have for each output, by its name."""
    if isinstance(answer, dict) and isinstance(known, dict) and answer.keys() == known.keys():
        for name in answer:
            for inner, left, right in _outputs(answer[name], known[name]):
                yield f"{name}.{inner}" if inner else name, left, right
    else:
        yield "", answer, known


def _pairs(answer: Any, known: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yields the values of an output side by side with their place, and whatever differs in structure as it is."""
    (left,), (right,) = _squeezed([answer]), _squeezed([known])
    yield from _side_by_side("", left, right)


def _side_by_side(place: str, left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (ours, theirs) in enumerate(zip(left, right, strict=True)):
            yield from _side_by_side(f"{place}[{number}]", ours, theirs)
    else:
        yield place, left, right


def _squeezed(values: list[Any]) -> list[Any]:
    """Takes the axes of size one out of a tensor, given all that lies at one depth of it."""
    while values and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [item for (item,) in values]
    inner = [item for value in values if isinstance(value, list) for item in value]
    if not inner:
        return values
    items = iter(_squeezed(inner))
    return [[next(items) for _ in value] if isinstance(value, list) else value for value in values]
