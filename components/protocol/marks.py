"""The marks that distinguish a task's own log lines from other output.

Each starts a line; a figure comes after the time and level of a log line. A module of a user's may print them too, so of each kind the last
line counts, and a task says its last ones when nothing but itself is left to print (see `executor.command`).
"""

import re
from collections.abc import Sequence

FIGURE = "[penstock] "  # the one figure that matters now
OUTPUTS = "[penstock-outputs] "  # what the task gave back: `ExecutorOutput` in its JSON form
USAGE = "[penstock-usage] "  # what the task took of the machine, in JSON (see `usage`)
ERROR = "[penstock-error] "  # why it failed, if a user can fix it
# Versions up to 0.1.0 log figures without a time.
_FIGURE_LINE = re.compile(rf"(?:\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} INFO )?{re.escape(FIGURE)}(.*)")


def figure_in(line: str) -> str | None:
    """Returns the figure that a line of a log tells; None if it tells none."""
    found = _FIGURE_LINE.match(line)
    return found[1].strip() if found else None


def error_in(lines: Sequence[str]) -> str:
    """Returns why a task failed, as the lines of its log tell; empty if they do not."""
    return next((line.removeprefix(ERROR) for line in reversed(lines) if line.startswith(ERROR)), "")
