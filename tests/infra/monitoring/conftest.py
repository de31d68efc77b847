"""What the tests of alerts and dashboards share."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ...prometheus.programs import HOW, find

MONITORING = Path(__file__).resolve().parents[3] / "infra" / "monitoring"


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Returns `path(name)` of one of Prometheus' programs; without it, the test is skipped."""

    def path(name: str) -> str:
        found = find(name)
        if not found:
            pytest.skip(f"there is no {name}: `make prometheus` fetches it, or {HOW}")
        return found

    return path


@pytest.fixture(scope="session")
def say(program: Callable[[str], str]) -> Callable[..., str]:
    """Returns `run(name, *arguments)`, which runs a program that has to succeed and returns its output."""

    def run(name: str, *arguments: str | Path) -> str:
        done = subprocess.run([program(name), *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
