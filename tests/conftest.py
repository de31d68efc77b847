"""What tests of several families share; standard library and pytest only."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import penstock

from .ports import free_port as find_port
from .small_training import SmallTraining


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Has one process run the tests that share what is made once for a module, or takes a minute to make.

    xdist's own groups, of `--dist=loadgroup`, are lost with pytest 9.2: xdist 3.8 writes them to `Item._nodeid`, which pytest no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(config.rootpath / nodeid.partition("::")[0]) or nodeid

    return Scheduler(config, log)


@cache
def _group(file: Path) -> str:
    """Returns what the tests of a file share; empty if nothing."""
    text = file.read_text(encoding="utf-8")
    if "small_training" in text:
        return "small_training"
    return str(file) if 'scope="module"' in text else ""


def interpreter(variable: str) -> str:
    """Returns the interpreter of another family, which the test run names."""
    python = os.environ.get(variable, "")
    assert Path(python).is_file(), f"{variable} must name the Python of that family's environment"
    return python


def make_saved_models(folder: Path) -> None:
    """Makes small SavedModels with their probes, as `saved_models.py` does."""
    script = Path(__file__).parent / "saved_models.py"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [interpreter("PENSTOCK_SERVE_PYTHON"), str(script), str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small SavedModels with their probes."""
    folder = tmp_path_factory.mktemp("saved_models")
    make_saved_models(folder)
    return folder


@pytest.fixture(scope="session")
def family_environment() -> dict[str, str]:
    """The environment for a process of another family that imports this `penstock`."""
    return os.environ | {"PYTHONPATH": str(Path(penstock.__file__).parents[1])}


@pytest.fixture(scope="session")
def free_ports() -> Callable[[], int]:
    """Gives a port that nothing listens on, at each call."""
    return find_port


@pytest.fixture
def free_port(free_ports: Callable[[], int]) -> int:
    """A port that nothing listens on."""
    return free_ports()


@pytest.fixture(scope="session")
def kubernetes_api() -> None:
    """A machine on which a Kubernetes API can be started."""
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("no etcd and kube-apiserver: `make kubernetes` builds them where Go is, or KUBEBUILDER_ASSETS names their folder")


@pytest.fixture(scope="session")
def _new_tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without a model; making one runs every migration that there ever was."""
    from penstock.components.release.registry import open_registry

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert open_registry("none", f"sqlite:///{path}").aliases() == {}
    from mlflow.store.db import utils  # now that Penstock has set what MLflow reads when it is imported

    # MLflow imports all of its migrations for each database that it opens, to learn the newest; a process of a task opens one.
    vars(utils)["_get_latest_schema_revision"] = cache(utils._get_latest_schema_revision)
    return path


@pytest.fixture
def tracking_uri(_new_tracking_database: Path, tmp_path: Path) -> str:
    """An MLflow database of the test's own."""
    shutil.copy(_new_tracking_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def small_training(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], int]) -> Iterator[SmallTraining]:
    """A folder in which `compiled/training.yaml` has run once, from nothing to a served model."""
    small = SmallTraining(tmp_path_factory.mktemp("small"), free_ports())
    try:
        small.first = small.run()
        assert small.first.returncode == 0, small.first.stdout + small.first.stderr
        yield small
    finally:
        small.stop()


@pytest.fixture
def mount_disk() -> Iterator[Callable[[Path, str], Path]]:
    """Makes a small disk at a folder: `mount(folder, size)` with a size such as `256k`; it is there until the test ends."""
    disks: list[Path] = []

    def mount(folder: Path, size: str) -> Path:
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted by this user: {done.stderr.strip()}")
        disks.append(folder)
        return folder

    yield mount
    for disk in disks:
        subprocess.run(["umount", "--lazy", disk], check=True)
