"""Runs each test in the environment it is for: the SDK's here, each component's in its family's, two suites at a time.

.venv/bin/python -m tests.run [--suite NAME]... [--coverage] [pytest options]

It leaves out the tests that are marked as slow, unless another `-m` is given.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from penstock.local.envs import environment
from penstock.local.interpreters import running_version

from . import coverage
from .apiserver.programs import variables as kubernetes_variables
from .doubles.kubernetes.installation import sharing
from .families import ROOT, pythons, run, variables, warm_programs
from .folders import SDK_TEST, SHARED, files_by_family
from .prometheus.fetching import variables as prometheus_variables

# After so long a test fails, and says where it hangs; the slowest that has no limit of its own takes a minute and a half on a quiet machine.
_HANGS_SECONDS = 900
# How many tests of a suite run at a time on each core, if not one: importing Feast takes longer than its tests. Two suites at a time keep the
# cores busy while tests wait; a third process of each would first have to collect all its tests and start servers of its own.
_TESTS_A_CORE = {"feast": 0.5}
# The longest suites begin first, so that in the end no core waits for one of them.
_LONGEST = ["sdk", "deploy", "tf", "serve", "tf-gpu"]
_MOST = 8  # each has servers of its own, which need up to 2 GiB
# Whose tests have a cluster each, all of one API. Those of the SDK have one that looks at all namespaces.
_WITH_CLUSTERS = "deploy"
_NO_TESTS = 5  # pytest's exit code where what was asked for is in no test of a suite


@dataclass(frozen=True)
class Suite:
    """Tests that share an environment."""

    name: str
    python: Path
    version: str
    paths: list[Path]
    variables: dict[str, str]

    @property
    def workers(self) -> int:
        """How many of its tests run at a time."""
        return min(_MOST, round((os.cpu_count() or 1) * _TESTS_A_CORE.get(self.name, 1.0)))


@dataclass(frozen=True)
class Outcome:
    """How a suite ended."""

    suite: Suite
    code: int
    seconds: float
    output: str

    @property
    def word(self) -> str:
        """What the summary says of it."""
        return {0: "passed", _NO_TESTS: "nothing"}.get(self.code, "FAILED")


def main() -> int:
    """Returns the exit code: 0 if every test passed."""
    suites = sorted([*_families(), _sdk()], key=lambda suite: [*_LONGEST, suite.name].index(suite.name))
    parser = argparse.ArgumentParser(
        prog="python -m tests.run", description="Runs the tests. Other options go to pytest.", allow_abbrev=False
    )
    parser.add_argument(
        "--suite", action="append", choices=[suite.name for suite in suites], help="run this suite alone; can be given several times"
    )
    parser.add_argument("--coverage", action="store_true", help=f"measure which lines run, and leave a table in {coverage.TABLE}")
    given, options = parser.parse_known_args()
    suites = [suite for suite in suites if not given.suite or suite.name in given.suite]
    if given.coverage:
        coverage.begin()
        suites = [replace(suite, variables=coverage.measured(suite.python, suite.version, suite.variables)) for suite in suites]
    _compile(suites)
    forks = nullcontext({}) if given.coverage else warm_programs()  # coverage measures processes from their start
    with forks as shared, ThreadPoolExecutor(2) as pool:
        suites = [replace(suite, variables=suite.variables | shared) for suite in suites]
        outcomes = []
        for outcome in pool.map(partial(_run, options), suites):
            print(f"\n===== {outcome.suite.name}\n{outcome.output}", flush=True)
            outcomes.append(outcome)
    if given.coverage:
        coverage.report()
    print("\n===== summary")
    for outcome in outcomes:
        print(f"{outcome.suite.name:<8} {outcome.word} in {outcome.seconds:.0f} s")
    codes = {outcome.code for outcome in outcomes}
    return 0 if 0 in codes and codes <= {0, _NO_TESTS} else 1


def _compile(suites: list[Suite]) -> None:
    """Compiles Penstock's code for each Python: where none may write what it compiles, thousands of processes would compile it again."""
    for python in {suite.version: suite.python for suite in suites}.values():
        subprocess.run([python, "-m", "compileall", "-q", *(ROOT / name for name in ("penstock", "components", "pipelines"))], check=True)


def _run(options: list[str], suite: Suite) -> Outcome:
    started = time.monotonic()
    arguments = [
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--durations=5",
        f"--numprocesses={suite.workers}",
        f"--timeout={_HANGS_SECONDS}",
        "-m",
        "not slow",
        f"--rootdir={ROOT}",
        f"--config-file={ROOT / 'pyproject.toml'}",
        *options,
        *map(str, suite.paths),
    ]
    with _clusters(suite) as own:
        done = run(suite.python, arguments, suite.variables | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return Outcome(suite, done.returncode, time.monotonic() - started, done.stdout)


def _clusters(suite: Suite) -> AbstractContextManager[dict[str, str]]:
    """Runs the one Kubernetes API of a suite's clusters for as long as the suite, if this machine has what it takes."""
    programs = kubernetes_variables()
    return sharing(programs) if suite.name == _WITH_CLUSTERS and len(programs) == 2 else nullcontext({})


def _sdk() -> Suite:
    tests = ROOT / "tests"
    folders = [
        tests / name
        for name in ("penstock", "pipelines", "doubles", "identity", "recordings", "infra", "e2e/on_doubles", "components/test_contract.py")
    ]
    files = [file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("test_*.py"))]
    files += (ROOT / "tests" / "components").glob(f"*/{SDK_TEST}")
    shared = [ROOT / "tests" / folder for folder in SHARED]
    return Suite(
        "sdk",
        Path(sys.executable),
        running_version(),
        sorted(file for file in files if not any(file.is_relative_to(folder) for folder in shared)),
        pythons() | kubernetes_variables() | prometheus_variables(),
    )


def _families() -> list[Suite]:
    """Gives each family's tests a process of their own: TFMA changes Keras for what imports it later."""
    largest_first = sorted(files_by_family(ROOT / "components").items(), key=lambda item: -len(item[1]))
    made = [(family, environment(family), files) for family, files in largest_first if files]
    return [Suite(family, item.python, item.version, files, variables(item)) for family, item, files in made]


if __name__ == "__main__":
    sys.exit(main())
