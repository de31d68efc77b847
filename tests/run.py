"""Runs every test in the environment it is for: the SDK's here, each component's in its family's, two suites at a time.

.venv/bin/python -m tests.run [pytest options]
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from penstock.local.envs import environment

from .families import ROOT, pythons, run, variables
from .folders import SDK_TEST, SHARED, files_by_family


@dataclass(frozen=True)
class Suite:
    """Tests that share an environment."""

    name: str
    python: Path
    paths: list[Path]
    variables: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a suite ended."""

    suite: Suite
    code: int
    seconds: float
    output: str


def main() -> int:
    """Returns the exit code: 0 if every test passed."""
    suites = [*_families(), _sdk()]
    with ThreadPoolExecutor(2) as pool:
        outcomes = []
        for outcome in pool.map(_run, suites):
            print(f"\n===== {outcome.suite.name}\n{outcome.output}", flush=True)
            outcomes.append(outcome)
    print("\n===== summary")
    for outcome in outcomes:
        print(f"{outcome.suite.name:<8} {'passed' if outcome.code == 0 else 'FAILED'} in {outcome.seconds:.0f} s")
    return 0 if all(outcome.code == 0 for outcome in outcomes) else 1


def _run(suite: Suite) -> Outcome:
    started = time.monotonic()
    arguments = [
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--durations=5",
        f"--rootdir={ROOT}",
        f"--config-file={ROOT / 'pyproject.toml'}",
        *sys.argv[1:],
        *map(str, suite.paths),
    ]
    done = run(suite.python, arguments, suite.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return Outcome(suite, done.returncode, time.monotonic() - started, done.stdout)


def _sdk() -> Suite:
    tests = ROOT / "tests"
    folders = [
        tests / name
        for name in ("penstock", "pipelines", "doubles", "identity", "recordings", "e2e/on_doubles", "components/test_contract.py")
    ]
    files = [file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("test_*.py"))]
    files += (ROOT / "tests" / "components").glob(f"*/{SDK_TEST}")
    shared = [ROOT / "tests" / folder for folder in SHARED]
    return Suite(
        "sdk", Path(sys.executable), sorted(file for file in files if not any(file.is_relative_to(folder) for folder in shared)), pythons()
    )


def _families() -> list[Suite]:
    """Gives each family's tests a process of their own: TFMA makes Keras another one for whoever imports it later."""
    largest_first = sorted(files_by_family(ROOT / "components").items(), key=lambda item: -len(item[1]))
    made = [(family, environment(family), files) for family, files in largest_first if files]
    return [Suite(family, item.python, files, variables(item)) for family, item, files in made]


if __name__ == "__main__":
    sys.exit(main())
