"""When two answers of a model are the same, and how they are written."""

import math
from typing import Any

import pytest

from penstock.components.runtime.answers import is_close, largest_difference, to_json


@pytest.mark.parametrize(
    ("answer", "known", "same"),
    [
        (0.3, [0.3], True),
        ([0.3], [0.300009], True),
        ([0.3], [0.3001], False),
        ([1234.5], [1234.501], True),
        ([1234.5], [1235.5], False),
        ({"a": [1.0], "b": "x"}, {"b": "x", "a": [1.0]}, True),
        ({"a": [1.0], "b": "x"}, {"a": [1.0], "b": "y"}, False),
        ({"a": 1.0}, {"b": 1.0}, False),
        ([1.0, 2.0], [1.0], False),
        (True, 1, True),
        (math.nan, math.nan, False),
        (None, 0.0, False),
    ],
)
def test_is_close(answer: Any, known: Any, same: bool) -> None:
    assert is_close(answer, known, 1e-5) is same


@pytest.mark.parametrize(
    ("answer", "known", "apart"),
    [
        ({"a": [1.0, 2.0], "b": "x"}, {"a": [1.5, 2.25], "b": "x"}, 0.5),
        ("x", "y", math.inf),
        ({"a": 1.0}, {"b": 1.0}, math.inf),
        (math.nan, 1.0, math.inf),
    ],
)
def test_largest_difference(answer: Any, known: Any, apart: float) -> None:
    assert largest_difference(answer, known) == apart


def test_bytes_as_json() -> None:
    assert to_json({"who": [b"AA", b"\xff"], "n": 1}) == {"who": ["AA", {"b64": "/w=="}], "n": 1}
