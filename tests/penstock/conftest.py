"""What the tests of the command line share: the command, as a person types it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("penstock"))
# The tests run inside pytest's own folders; what a person's shell has set must not decide them.
_NEUTRAL = ("MLFLOW_TRACKING_URI", "PENSTOCK_SERVE_PYTHON", "PENSTOCK_GIT_COMMIT")


def variables() -> dict[str, str]:
    """Returns the environment of a person who has set nothing."""
    return {name: value for name, value in os.environ.items() if name not in _NEUTRAL}


@pytest.fixture
def penstock(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Returns `penstock(*arguments)`, which runs the command in the test's folder."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [COMMAND, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False)

    return run
