"""Conditions: CEL as the KFP compiler writes it; true, false, or an error."""

import pytest

from penstock.local.conditions import ConditionError, evaluate


def _value(name: str) -> str:
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (f"{_value('a-b')} == 'x'", {"a-b": "x"}, True),
        (f"{_value('a')} != 'x'", {"a": "x"}, False),
        (f"int({_value('n')}) >= 3", {"n": 3.0}, True),
        (f"!(int({_value('n')}) >= 3)", {"n": 3.0}, False),
        (f"!(int({_value('n')}) >= 3) && {_value('b')} == true", {"n": 2, "b": True}, True),
        (f"{_value('n')} < 1 || {_value('n')} > 2", {"n": 3}, True),
        (f"{_value('a')} == 'a && !b || c'", {"a": "a && !b || c"}, True),
        (f"{_value('a')} == {_value('b')}", {"a": """it's "quoted" \\ """, "b": """it's "quoted" \\ """}, True),
    ],
)
def test_value(condition, values, expected):
    assert evaluate(condition, values) is expected


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (f"{_value('absent')} == 'x'", {}),
        (f"int({_value('a')}) > 1", {"a": "many"}),
        (f"{_value('a')} > 1", {"a": None}),
        (f"{_value('a')} == 'it's'", {"a": "x"}),
        (_value("a"), {"a": "blessed"}),
        ("__import__('os').getpid() > 0", {}),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(condition, values):
    with pytest.raises(ConditionError, match="nothing behind it was run"):
        evaluate(condition, values)
