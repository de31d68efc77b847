"""What a task's process says on stdout and stderr, line by line."""

import json
from typing import Any

_FIGURE_MARK = "[penstock] "
_OUTPUTS_MARK = "[penstock-outputs] "
_ERROR_MARK = "error: "


def figure_in(line: str) -> str:
    """Returns the figure that matters now; empty where the line says none."""
    return line.removeprefix(_FIGURE_MARK).strip() if line.startswith(_FIGURE_MARK) else ""


def error_in(line: str) -> str:
    """Returns why the task failed, said in one line; empty where the line does not say so."""
    return line.removeprefix(_ERROR_MARK).strip() if line.startswith(_ERROR_MARK) else ""


def outputs_in(line: str) -> dict[str, Any]:
    """Returns what the task gave back, as `ExecutorOutput` in its JSON form; empty where the line does not say so."""
    if not line.startswith(_OUTPUTS_MARK):
        return {}
    try:
        outputs = json.loads(line.removeprefix(_OUTPUTS_MARK))
    except ValueError:  # the backend has cut a long line
        return {}
    return outputs if isinstance(outputs, dict) else {}
