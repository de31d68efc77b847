"""Runs every test in the environment it is for: the SDK's here, each component's in its family's, two suites at a time.

.venv/bin/python tests/run.py [pytest options]
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import filelock
import uv

from penstock.caches import cache_root
from penstock.code import code_path
from penstock.envs import Environment, environment
from penstock.lean_kfp import import_kfp

ROOT = Path(__file__).resolve().parent.parent
# Tests that belong to no component: the folder, and the family whose libraries they need.
SHARED = {
    "components/runtime": "tf",
    "components/runtime/destinations": "deploy",
    "components/runtime/registry": "deploy",
    "doubles/kubernetes": "deploy",
    "doubles/vertex": "deploy",
    "penstock/server": "serve",
    "pipelines/flight_delay": "tf",
}
SDK_TEST = "test_component.py"
# What is laid over each family's environment, and over one family's alone; each has a lock in requirements/.
PYTEST, DOUBLES = "pytest", {"deploy": "doubles"}


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
    command = [
        str(suite.python),
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
    # Python puts the current folder first on its path: an empty one, so that every suite imports the installed package.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | suite.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    return Outcome(suite, done.returncode, time.monotonic() - started, done.stdout)


def _sdk() -> Suite:
    folders = [ROOT / "tests" / "penstock", ROOT / "tests" / "pipelines", ROOT / "tests" / "components" / "test_contract.py"]
    files = [file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("test_*.py"))]
    files += (ROOT / "tests" / "components").glob(f"*/{SDK_TEST}")
    shared = [ROOT / "tests" / folder for folder in SHARED]
    return Suite(
        "sdk", Path(sys.executable), sorted(file for file in files if not any(file.is_relative_to(folder) for folder in shared)), _pythons()
    )


def _families() -> list[Suite]:
    """Groups the components' tests, and the shared ones, by the environment that they run in."""
    paths: dict[str, list[Path]] = {}
    families = _family_by_folder() | SHARED
    for folder, family in families.items():
        others = [ROOT / "tests" / other for other in families if other.startswith(f"{folder}/")]
        found = [
            file
            for file in sorted((ROOT / "tests" / folder).rglob("test_*.py"))
            if file.name != SDK_TEST and not any(file.is_relative_to(other) for other in others)
        ]
        paths.setdefault(environment(family).family, []).extend(found)
    return [_suite(environment(family), files) for family, files in sorted(paths.items(), key=lambda item: -len(item[1])) if files]


def _suite(item: Environment, files: list[Path]) -> Suite:
    overlays = [_overlay(name, item) for name in (PYTEST, DOUBLES.get(item.family)) if name]
    variables = _pythons() | {
        "PYTHONPATH": os.pathsep.join(map(str, [code_path(), *overlays])),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }
    return Suite(item.family, item.python, files, variables)


def _family_by_folder() -> dict[str, str]:
    """Reads each component's family from the image of its interface."""
    import_kfp()
    import penstock.components as library
    from penstock.local.commands import family_of

    images = {name: getattr(library, name).component_spec.implementation.container.image for name in library.__all__}
    return {f"components/{name}": family_of(image) for name, image in images.items()}


def _pythons() -> dict[str, str]:
    return {f"PENSTOCK_{family.upper()}_PYTHON": str(environment(family).python) for family in ("tf", "tfdv", "deploy", "serve")}


def _overlay(name: str, item: Environment) -> Path:
    """Installs a lock beside an environment, not into it: environments hold what the images hold."""
    lock = ROOT / "requirements" / f"{name}.txt"
    folder = cache_root() / "overlays" / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}-py{item.version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            install = [uv.find_uv_bin(), "pip", "install", "-q", "--python", str(item.python), "--target", str(folder), "--require-hashes"]
            subprocess.run([*install, "-r", str(lock)], check=True)
            (folder / ".complete").touch()
    return folder


if __name__ == "__main__":
    sys.exit(main())
