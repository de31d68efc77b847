"""The command, as a person types it who has set nothing."""

import os
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("penstock"))
# The same, as a fork of a process that has imported already; not for tests of what the process itself is: its terminal, its ID, its memory.
WARM_COMMAND = os.environ.get("PENSTOCK_TEST_COMMAND", COMMAND)
# What a person's shell has set must not decide a test.
_NEUTRAL = ("MLFLOW_TRACKING_URI", "PENSTOCK_SERVE_PYTHON", "PENSTOCK_GIT_COMMIT")


def variables() -> dict[str, str]:
    """Returns the environment of a person who has set nothing."""
    return {name: value for name, value in os.environ.items() if name not in _NEUTRAL}
