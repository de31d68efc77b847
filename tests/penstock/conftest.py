"""What the tests of the command line share: the command, as a person types it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import UserError
from penstock.local.engines import Engine, find_engine

from ..command import WARM_COMMAND, variables


@pytest.fixture
def penstock(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Returns `penstock(*arguments)`, which runs the command in the test's folder."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [WARM_COMMAND, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def container_engine() -> Engine:
    """The container engine of this machine."""
    try:
        return find_engine()
    except UserError as error:
        pytest.skip(error.message)
