"""The log lines of a task's process."""

import json
from collections.abc import Iterable
from typing import Any

from penstock.components.protocol import marks

TRACEBACK = "Traceback (most recent call last):"


class TaskLog:
    """What a task has reported so far. Of each kind the last line counts: any code may print such lines before the task ends.

    Attributes:
        figure: The figure that matters now.
        reason: Why it failed, in one line; empty where a traceback tells more, or no reason was given.
        outputs: What it gave back, as `ExecutorOutput` in its JSON form.
        usage: What it took of the machine (see `components.protocol.usage`).
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.figure = ""
        self.reason = ""
        self.outputs: dict[str, Any] = {}
        self.usage: dict[str, Any] = {}
        for line in lines:
            self.read_line(line)

    def read_line(self, line: str) -> None:
        """Takes in the next line."""
        if (figure := marks.figure_in(line)) is not None:
            self.figure = figure
        elif line.startswith(marks.OUTPUTS):
            self.outputs = _outputs(line.removeprefix(marks.OUTPUTS))
        elif line.startswith(marks.USAGE):
            self.usage = _usage(line.removeprefix(marks.USAGE))
        elif line.startswith(marks.ERROR):
            self.reason = line.removeprefix(marks.ERROR).strip()
        elif TRACEBACK in line:
            self.reason = ""


def _outputs(text: str) -> dict[str, Any]:
    """Returns an `ExecutorOutput`; empty if a backend has truncated the line, or it is invalid."""
    try:
        outputs = json.loads(text)
        first = [entry["artifacts"][0] for entry in outputs.get("artifacts", {}).values()]
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
        return {}
    whole = [
        outputs.get("parameterValues", {}),
        *first,
        *(artifact.get("metadata", {}) for artifact in first if isinstance(artifact, dict)),
    ]
    return outputs if all(isinstance(part, dict) for part in whole) else {}


def _usage(text: str) -> dict[str, Any]:
    """Returns what a task took; empty if the line is truncated or invalid."""
    try:
        usage = json.loads(text)
        numbers = [usage[name] for name in ("seconds", "cpu_seconds", "memory_bytes")]
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}
    return usage if all(isinstance(number, (int, float)) for number in numbers) else {}
