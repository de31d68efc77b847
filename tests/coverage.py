"""Coverage: which lines the processes of the tests run. Shown on request; no figure is enforced.

A task that `penstock run` starts is not measured: it sees nothing but its family's packages.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from penstock.local.interpreters import running_version

from .families import ROOT, overlay

FOLDER = ROOT / "build" / "coverage"
TABLE = FOLDER / "coverage.md"
_SETTINGS = ROOT / "pyproject.toml"


def begin() -> None:
    """Forgets what was measured before."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)


def measured(python: Path, version: str, variables: dict[str, str]) -> dict[str, str]:
    """Returns variables under which an interpreter, and those that it starts, are measured.

    Args:
        python: The interpreter.
        version: Its version, as `3.12`.
        variables: Its other variables.
    """
    folders = [variables.get("PYTHONPATH", ""), str(ROOT / "tests" / "measuring"), str(overlay("coverage", python, version))]
    return variables | {
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
        "COVERAGE_PROCESS_START": str(_SETTINGS),
        "COVERAGE_FILE": str(FOLDER / "data"),
    }


def report() -> None:
    """Writes the figures of every file, as a table in Markdown, and prints the last line, which is of all of them."""
    environment = os.environ | measured(Path(sys.executable), running_version(), {})
    del environment["COVERAGE_PROCESS_START"]
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet", f"--rcfile={_SETTINGS}"], cwd=ROOT, env=environment, check=True)
    shown = [*coverage, "report", "--format=markdown", f"--rcfile={_SETTINGS}"]
    table = subprocess.run(shown, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    TABLE.write_text(table, encoding="utf-8")
    print(f"\n===== coverage, in {TABLE}\n{table.splitlines()[-1]}")
