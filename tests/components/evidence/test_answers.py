"""When two answers of a model are the same, and how they are written."""

import math
from typing import Any

import pytest

from penstock.components.evidence.answers import Mismatch, differences, is_close, largest_difference, largest_part, to_json


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
        ([-0.0697, -19.45], [-0.06979, -19.45], True),
        ([-0.0697], [-0.06979], False),
        ({"a": [-0.0697], "b": -19.45}, {"a": [-0.06979], "b": -19.45}, False),
        ([[-0.0697], [-19.45]], [[-0.0700], [-19.45]], False),
        (math.nan, math.nan, False),
        (math.inf, math.inf, True),
        ([1.0, math.inf], [2.0, math.inf], False),
        ([1.0, 10**400], [2.0, 10**400], False),
        (math.inf, 1.0, False),
        (math.inf, -math.inf, False),
        (10**400, 10**400, True),
        (10**400, 1.0, False),
        (1, 1.0, True),
        (True, 1, False),
        (False, 0.0, False),
        (True, True, True),
        (None, 0.0, False),
        (None, None, True),
        ("1", 1, False),
        ("a", ["a"], True),
        ([[1], [2, 3]], [[1, 2], [3]], False),
        ([[1], [2, 3]], [[1], [2, 3]], True),
        ([[1], [2, 3]], [1, [2, 3]], False),
        ([[1, 2], [3, 4]], [1, 2, 3, 4], False),
        ([[1, 2, 3], [4, 5, 6]], [[1, 2], [3, 4], [5, 6]], False),
        ([[[1, 2]], [[3, 4]]], [[1, 2], [3, 4]], True),
        ([[1], [2]], [1, 2], True),
        ([[1], [2]], [[1, 2]], True),
        ([[[[0.5]]]], 0.5, True),
        ([], [[]], True),
        ([], [[], []], False),
        ([[], []], [[], []], True),
        ([], 0.0, False),
        ([], None, False),
        ([[], [1]], [1], False),
        ([[1], []], [[], [1]], False),
        ({}, [], False),
        ({"a": [1]}, [1], False),
        ({"a": [[1], [2, 3]]}, {"a": [[1, 2], [3]]}, False),
        ({"a": [[1.0]], "b": 2}, {"a": 1.0, "b": [2]}, True),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, False),
        ({"a": [1.0, 2.0], "b": []}, {"a": [1.0], "b": [2.0]}, False),
        ({"a": {"b": 1}}, {"a/b": 1}, False),
        ([{"b64": "/w=="}, {"b64": "/g=="}], [{"b64": "/w=="}, {"b64": "/g=="}], True),
        ([{"b64": "/w=="}, {"b64": "/g=="}], [{"b64": "/g=="}, {"b64": "/w=="}], False),
    ],
)
def test_is_close(answer: Any, known: Any, same: bool) -> None:
    assert is_close(answer, known, 1e-5) is same
    assert is_close(known, answer, 1e-5) is same
    assert math.isfinite(largest_difference(answer, known)) or not same


@pytest.mark.parametrize(
    ("answer", "known", "apart"),
    [
        ({"a": [1.0, 2.0], "b": "x"}, {"a": [1.5, 2.25], "b": "x"}, 0.5),
        ("x", "y", math.inf),
        ({"a": 1.0}, {"b": 1.0}, math.inf),
        (math.nan, 1.0, math.inf),
        (math.inf, math.inf, 0.0),
        (math.inf, 1.0, math.inf),
        (10**400, 1.0, math.inf),
        (True, 1, math.inf),
        ([[1], [2, 3]], [[1, 2], [3]], math.inf),
        ([[1.0], [2.0]], [1.5, 2.0], 0.5),
        ([1.0, 2.0], [1.0], math.inf),
        ([], [], 0.0),
    ],
)
def test_largest_difference(answer: Any, known: Any, apart: float) -> None:
    assert largest_difference(answer, known) == apart


def test_bytes_as_json() -> None:
    assert to_json({"who": [b"AA", b"\xff"], "n": 1}) == {"who": ["AA", {"b64": "/w=="}], "n": 1}


def test_names_that_say_that_values_are_no_text() -> None:
    assert to_json({"image_bytes": [b"AA"], "n": 1}) == {"image_bytes": [{"b64": "QUE="}], "n": 1}
    assert to_json([[b"AA"]], "image_bytes") == [[{"b64": "QUE="}]]


def test_differences_say_where_they_are() -> None:
    found = differences({"logits": [[1.0, -200.0], [3.0, 4.0]], "word": "a"}, {"logits": [[1.0, -200.0], [3.1, 4.001]], "word": "b"}, 1e-5)
    assert list(found) == [Mismatch("logits[1][0]", 3.0, 3.1, 2e-3), Mismatch("word", "a", "b", 1e-5)]


def test_the_tolerance_that_would_be_enough() -> None:
    assert largest_part([1.0, -19.45], [1.001, -19.45]) == pytest.approx(0.001 / 19.45)
    assert largest_part({"p": 0.5}, {"p": 0.5}) == 0.0
    assert largest_part(["a"], ["a", ""]) == math.inf
