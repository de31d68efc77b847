"""What the tests of every task share: running a component through the command that its container runs."""

import inspect
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from penstock.components import protocol
from penstock.components.protocol.values import decode, decode_metadata
from penstock.components.release import serving

if TYPE_CHECKING:
    from .releasing import Push


_STORE_VARIABLES = 6


@dataclass
class TaskResult:
    """What a task left behind.

    Attributes:
        code: The exit code.
        error: What it printed to stderr (in-process: the one line it exited with).
        outputs: The path of each output artifact, whether or not something is there.
        metadata: Each output artifact's metadata, as a consumer reads it; empty after a failure.
        parameters: The output parameters, as a consumer reads them; empty after a failure.
        executor_output: The path of the executor output file, whether or not something is there.
    """

    code: int
    error: str
    outputs: dict[str, Path]
    metadata: dict[str, dict[str, Any]]
    parameters: dict[str, Any]
    executor_output: Path


def executor_input(name: str, root: Path, parameters: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Builds the executor input of a component whose outputs go below `root`.

    Args:
        name: The component's name.
        root: The folder for the outputs.
        parameters: The values of its parameters.
        inputs: The paths of its input artifacts, each alone or as `(path, metadata)`.
    """
    task = getattr(import_module(f"penstock.components.{name}.task"), name)
    hints = get_type_hints(task)
    returned = hints.pop("return", type(None))
    outputs = [parameter for parameter in inspect.signature(task).parameters if hints[parameter] is protocol.Output]
    given = {key: value if isinstance(value, tuple) else (value, {}) for key, value in inputs.items()}

    def artifact(key: str, path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
        return {"artifacts": [{"name": key, "uri": str(path), "metadata": metadata}]}

    return {
        "inputs": {"parameterValues": parameters, "artifacts": {key: artifact(key, *value) for key, value in given.items()}},
        "outputs": {
            "artifacts": {key: artifact(key, root / key, {}) for key in outputs},
            "parameters": {key: {"outputFile": str(root / "parameters" / key)} for key in getattr(returned, "_fields", ())},
            "outputFile": str(root / "executor_output.json"),
        },
    }


@pytest.fixture
def run_task(tmp_path: Path) -> Callable[..., TaskResult]:
    """Runs tasks below the test's folder; see `task_runner`."""
    return task_runner(tmp_path)


def task_runner(folder: Path) -> Callable[..., TaskResult]:
    """Returns `run(name, parameters, inputs={}, subprocess=False)`; every call's outputs go to a folder of their own below one."""
    count = 0

    def run(name: str, parameters: dict[str, Any], inputs: dict[str, Any] | None = None, *, subprocess: bool = False) -> TaskResult:
        nonlocal count
        count += 1
        root = folder / f"run-{count}"
        spec = executor_input(name, root, parameters, inputs or {})
        code, error = (_in_subprocess if subprocess else _in_process)(f"penstock.components.{name}", json.dumps(spec))
        file = root / "executor_output.json"
        content = json.loads(file.read_text()) if file.exists() else {"artifacts": {}, "parameterValues": {}}
        return TaskResult(
            code=code,
            error=error,
            outputs={key: root / key for key in spec["outputs"]["artifacts"]},
            metadata={key: decode_metadata(value["artifacts"][0]["metadata"]) for key, value in content["artifacts"].items()},
            parameters=decode(content["parameterValues"]),
            executor_output=file,
        )

    return run


def _in_process(package: str, text: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_:
        protocol.main(package, ["--executor_input", text])
    return (exit_.value.code, "") if isinstance(exit_.value.code, int) else (1, str(exit_.value.code))


def _in_subprocess(package: str, text: str) -> tuple[int, str]:
    done = subprocess.run(**component_process(package, text), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def component_process(package: str, text: str) -> dict[str, Any]:
    """Returns the command and the environment of a component's process.

    Args:
        package: The component's package.
        text: Its executor input.
    """
    return process("-m", package, "--executor_input", text)


def process(*arguments: str) -> dict[str, Any]:
    """Returns the command and the environment of a process of this family.

    In the deploy family a script or a component is a fork of a process that has imported already, where the test run has such a one.

    Args:
        arguments: Python's.
    """
    python, path = sys.executable, os.pathsep.join(filter(None, sys.path))
    if os.environ.get("PENSTOCK_DEPLOY_PYTHON") == python and (warm := os.environ.get("PENSTOCK_TEST_RELEASES")):
        python, path = warm, str(Path(protocol.__file__).parents[3])
    return {"args": [python, *arguments], "env": os.environ | {"PYTHONPATH": path}}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder for what damaged paths name, and a tracking server of the test's own."""
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def small_disk(tmp_path: Path, mount_disk: Callable[[Path, str], Path]) -> Path:
    """A disk of 256 KiB, mounted where the first `run_task` of the test puts its outputs."""
    return mount_disk(tmp_path / "run-1", "256k")


@pytest.fixture
def local_push(
    run_task: Callable[..., TaskResult],
    saved_models: Path,
    tmp_path: Path,
    free_port: int,
    family_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator["Push"]:
    """Pushes to a `local://` destination of the test's own, whose server is stopped in the end."""
    from .releasing import NAME, Push  # it needs the deploy family's libraries

    assert Path(os.environ["PENSTOCK_SERVE_PYTHON"]).is_file()
    monkeypatch.setenv("PYTHONPATH", family_environment["PYTHONPATH"])
    folder = tmp_path / "serving"
    yield Push(
        run_task,
        saved_models,
        tmp_path,
        destination=f"local://{folder}?port={free_port}",
        url=f"http://127.0.0.1:{free_port}/v1/models/{NAME}:predict",
    )
    serving.stop_server(folder)


@pytest.fixture(scope="session")
def _stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    from ..doubles.storage import stores  # it needs the deploy family's libraries

    with stores(tmp_path_factory.mktemp("stores"), "models") as variables:
        yield variables


@pytest.fixture(scope="session")
def _stores_elsewhere() -> Iterator[dict[str, str]]:
    if not (python := os.environ.get("PENSTOCK_DEPLOY_PYTHON")):
        pytest.skip("no environment of the deploy family, whose libraries go with those of the doubles")
    command = [python, "-m", "tests.doubles.storage", "models"]
    path = {"PYTHONPATH": os.environ["PENSTOCK_DOUBLES_PATH"]}
    with subprocess.Popen(command, env=os.environ | path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = (next(process.stdout) for _ in range(_STORE_VARIABLES))
        yield dict(shlex.split(line)[1].split("=", 1) for line in said)
        process.terminate()


@pytest.fixture
def bucket_elsewhere(_stores_elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """As `bucket`, for tests of families whose libraries do not go with those of the doubles."""
    for name, value in _stores_elsewhere.items():
        monkeypatch.setenv(name, value)
    clients = import_module("fsspec").get_filesystem_class("s3")  # they keep the endpoint that they were made with
    clients.clear_instance_cache()
    yield "models"
    clients.clear_instance_cache()


@pytest.fixture
def bucket(_stores: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that is in both object stores, `gs://` and `s3://`; the environment leads there, and to the volumes of `pvc://`."""
    for name, value in _stores.items():
        monkeypatch.setenv(name, value)
    return "models"
