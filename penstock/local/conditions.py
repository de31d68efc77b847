"""A condition and its values: true, false, or an error."""

from typing import Any

from ..errors import UserError
from . import cel

_SHOWN = 200


class ConditionError(UserError):
    """A condition that cannot be evaluated."""


def evaluate(condition: str, values: dict[str, Any]) -> bool:
    """Evaluates a condition.

    Args:
        condition: The trigger policy's condition, such as `inputs.parameter_values['pipelinechannel--a-b'] == 'x'`.
        values: The values of the task's inputs, by name.

    Raises:
        ConditionError: It names a value that does not exist, is not a well-formed condition, or is neither true nor false.
    """
    try:
        result = cel.parse(condition)(values)
    except cel.CelError as error:
        raise ConditionError(f"the condition {brief(condition)} cannot be evaluated: {error}; the tasks behind it did not run") from error
    if not isinstance(result, bool):
        raise ConditionError(f"the condition {brief(condition)} is neither true nor false; the tasks behind it did not run")
    return result


def brief(condition: str) -> str:
    """Returns a condition shortened for one line of a message."""
    text = "".join(sign if sign.isprintable() else "?" for sign in condition[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
