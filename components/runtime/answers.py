"""Whether two answers of a model are the same."""

import math
from collections.abc import Iterator
from typing import Any


def is_close(answer: Any, known: Any, tolerance: float) -> bool:
    """Tells whether two predictions of a V1 response have the same values by name.

    Numbers are alike within the absolute tolerance, all else if equal; `0.3` and `[0.3]` are the same prediction.
    """
    left, right = list(_leaves(answer)), list(_leaves(known))
    return len(left) == len(right) and all(a[0] == k[0] and _alike(a[1], k[1], tolerance) for a, k in zip(left, right, strict=True))


def _alike(left: Any, right: Any, tolerance: float) -> bool:
    are_numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (left, right))
    return math.isclose(left, right, rel_tol=0.0, abs_tol=tolerance) if are_numbers else left == right


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
