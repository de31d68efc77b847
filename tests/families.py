"""The environments that tests run in: a family's, with what only tests need laid over it.

`python -m tests.families deploy -m tests.chaos` runs Python with these arguments in one of them.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uv

from penstock.local.caches import cache_root, keep
from penstock.local.envs import Environment, environment
from penstock.local.task_code import code_path

from .apiserver.programs import variables as kubernetes_variables
from .doubles.warm_python import WarmPython
from .prometheus.fetching import variables as prometheus_variables

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ("tf", "tfdv", "feast", "deploy", "serve")
# What is laid over each family's environment, and over one family's alone; each has a lock in requirements/.
_PYTEST, _DOUBLES = "pytest", {"deploy": "doubles"}
# What some users lay over a family's environment.
_DVC = ROOT / "images" / "tf" / "requirements-dvc.txt"
# What commands import in the end, as they do it.
IMPORTS = [
    "penstock.kfp_adapter.lazy_import:import_kfp",
    "penstock.cli",
    "penstock.cost.bill",
    "penstock.local.run",
    "penstock.cli.run_page",
    "penstock.components.evidence.page",
    "penstock.local.refusals",
    "penstock.lint.rules",
    "penstock.compile.generate",
    "penstock.remote.connect",
    "penstock.remote.submission",
    "penstock.remote.watch",
    "penstock.remote.kubeflow.target",
    "penstock.remote.vertex.target",
    "penstock.remote.vertex.job",
    "penstock.remote.vertex.schedules",
    "kfp.client",
    "google.cloud.aiplatform_v1",
]
# What components of the deploy family do.
_RELEASE_IMPORTS = [
    "penstock.components.push_model.task",
    "penstock.components.control_release.task",
    "penstock.components.register_model.task",
    "penstock.components.resolve_baseline.task",
    "penstock.components.release.registry.mlflow",
    "penstock.components.release.destinations.local.destination",
    "penstock.components.release.destinations.kserve.destination",
    "penstock.components.release.destinations.vertex.destination",
    "gcsfs",
    "s3fs",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
]


def run(python: Path, arguments: list[str], variables: dict[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs Python.

    Args:
        python: The interpreter.
        arguments: Its arguments.
        variables: What its environment has besides this process's.
        options: What `subprocess.run` takes as well.
    """
    # Python puts the current folder first on its path: an empty one, so that everything imports the installed package.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([str(python), *arguments], cwd=folder, env=os.environ | variables, check=False, text=True, **options)


def variables(item: Environment) -> dict[str, str]:
    """Returns the variables of tests in a family's environment."""
    overlays = [overlay(name, item.python, item.version) for name in (_PYTEST, _DOUBLES.get(item.family)) if name]
    return (
        pythons()
        | kubernetes_variables()
        | prometheus_variables()
        | {
            "PYTHONPATH": os.pathsep.join(map(str, [code_path(), *overlays])),
            "PENSTOCK_DOUBLES_PATH": _doubles_path(),
            "PENSTOCK_DVC_PATH": str(_installed(_DVC, item.python, item.version)) if item.family == "tf" else "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
        }
    )


def _doubles_path() -> str:
    """Returns the path on which the deploy family's interpreter finds the doubles, for tests of the other families."""
    deploy = environment("deploy")
    return os.pathsep.join(map(str, [code_path(), overlay(_DOUBLES[deploy.family], deploy.python, deploy.version), ROOT]))


def pythons() -> dict[str, str]:
    """Returns the variables that name each family's interpreter."""
    return {f"PENSTOCK_{family.upper()}_PYTHON": str(environment(family).python) for family in FAMILIES}


@contextmanager
def warm_programs() -> Iterator[dict[str, str]]:
    """Gives the variables that have model servers, components that release and `penstock` start as forks.

    Importing is most of what each takes of a core.
    """
    if not hasattr(os, "pidfd_open"):  # Linux alone has them
        yield {}
        return
    code = os.environ | {"PYTHONPATH": str(code_path())}
    server = code | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    with (
        WarmPython(environment("serve").python, "penstock.server", ["tensorflow", "penstock.server.run"], server) as servers,
        WarmPython(environment("deploy").python, "penstock.components", _RELEASE_IMPORTS, code) as releases,
        warm_command(Path(sys.executable)) as command,
    ):
        yield {"PENSTOCK_SERVE_PYTHON": str(servers.python), "PENSTOCK_TEST_RELEASES": str(releases.python)} | command


@contextmanager
def warm_command(python: Path, imports: Sequence[str] = IMPORTS) -> Iterator[dict[str, str]]:
    """Gives the variables that have `penstock`, and what doubles run pipelines with, start as forks, on Linux.

    Args:
        python: The interpreter beside `penstock`.
        imports: What a fork has imported already.
    """
    if not hasattr(os, "pidfd_open"):
        yield {}
        return
    with WarmPython(python, "tests.doubles", [*imports], dict(os.environ)) as commands:
        yield {
            "PENSTOCK_TEST_COMMAND": commands.command(str(python.with_name("penstock"))),
            "PENSTOCK_DOUBLES_PYTHON": str(commands.python),
        }


def overlay(name: str, python: Path, version: str) -> Path:
    """Installs a lock beside an environment, not into it: environments hold what the images hold.

    Args:
        name: The lock's, in requirements/.
        python: The environment's interpreter.
        version: Its version, as `3.12`.
    """
    return _installed(ROOT / "requirements" / f"{name}.txt", python, version)


def _installed(lock: Path, python: Path, version: str) -> Path:
    def install(folder: Path) -> None:
        command = [uv.find_uv_bin(), "pip", "install", "-q", "--python", str(python), "--target", str(folder)]
        subprocess.run([*command, "--no-deps", "--require-hashes", "--compile-bytecode", "-r", str(lock)], check=True)

    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return keep(cache_root() / "overlays" / f"{lock.stem}-{digest}-py{version}", install)


def main() -> int:
    """Runs Python in the environment of the family that the first argument names; `tests` can be imported there."""
    item = environment(sys.argv[1])
    given = variables(item)
    return run(item.python, sys.argv[2:], given | {"PYTHONPATH": os.pathsep.join([given["PYTHONPATH"], str(ROOT)])}).returncode


if __name__ == "__main__":
    sys.exit(main())
