"""One compiled file and one set of parameters, three ways: here, through Kubeflow's API and through Vertex AI's."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp import dsl
from rich.console import Console

from penstock.remote.connect import connect
from penstock.remote.watch import Watch
from penstock.spec.pipeline_file import PipelineFile

from ..command import COMMAND, variables
from ..doubles.kubeflow.double import KubeflowDouble
from ..doubles.vertex.double import NoServers, VertexDouble
from ..ports import free_port
from ..small_training import PIPELINE, SmallTraining

# What a task gave back: parameters, and the fingerprints of artifacts that have bytes.
Outputs = dict[str, dict[str, Any]]
_BUCKET = "gs://bucket"


def here(folder: Path) -> Outputs:
    """Runs it by `penstock run`."""
    with _place(folder) as (place, values):
        done = subprocess.run([COMMAND, "run", str(PIPELINE), "--params", str(values)], **_typed_in(place.folder))
        assert done.returncode == 0, done.stdout
    files = sorted(place.root.glob("training-*/*/executor_output.json"), key=lambda file: file.stat().st_mtime)
    return {file.parent.name: _of_executor_output(json.loads(file.read_text(encoding="utf-8"))) for file in files}


def through_kubeflow(folder: Path) -> Outputs:
    """Runs it by `penstock submit --target kubeflow`."""
    with KubeflowDouble(folder / "backend") as double:
        return _submitted(folder, "kubeflow", {"host": double.url}, {})


def through_vertex(folder: Path) -> Outputs:
    """Runs it by `penstock submit --target vertex`."""
    with VertexDouble(folder / "backend", NoServers()) as double:
        (folder / "bucket").mkdir()
        double.artifacts.folders = {_BUCKET: folder / "bucket"}
        settings = {
            "project": double.project,
            "location": double.location,
            "api_endpoint": double.api_endpoint,
            "pipeline_root": f"{_BUCKET}/runs",
        }
        return _submitted(folder, "vertex", settings, double.environment())


WAYS: dict[str, Callable[[Path], Outputs]] = {"penstock run": here, "Kubeflow": through_kubeflow, "Vertex AI": through_vertex}


def _submitted(folder: Path, target: str, settings: dict[str, str], environment: dict[str, str]) -> Outputs:
    """Submits it as a person does, and asks the backend what became of it."""
    with _place(folder) as (place, values):
        context = [f"[contexts.{target}]", f'target = "{target}"', *(f"{name} = {json.dumps(value)}" for name, value in settings.items())]
        (place.folder / "penstock.toml").write_text("\n".join(context), encoding="utf-8")
        command = [COMMAND, "submit", str(PIPELINE), "--target", target, "--params", str(values)]
        done = subprocess.run([*command, "--wait"], **_typed_in(place.folder, environment))
        assert done.returncode == 0, done.stdout
        run_id = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("submitted "))
        with _as_typed_in(place.folder, environment):
            backend, _ = connect("", target, {})
            ending = Watch(backend, PipelineFile(PIPELINE), {}, Console(file=io.StringIO())).follow(run_id)
    return {task.name: of_task(task.outputs) for task in ending.tasks}


@contextmanager
def _place(folder: Path) -> Iterator[tuple[SmallTraining, Path]]:
    """A person's folder with data and modules, and the file of parameters."""
    (folder / "place").mkdir(parents=True)
    place = SmallTraining(folder / "place", free_port())
    values = place.folder / "parameters.json"
    values.write_text(json.dumps(place.values()), encoding="utf-8")
    try:
        yield place, values
    finally:
        subprocess.run([COMMAND, "serve", "stop", "serving"], **_typed_in(place.folder))


def _typed_in(folder: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    environment = variables() | (environment or {})
    return {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "check": False}


@contextmanager
def _as_typed_in(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Makes this process one that was started there."""
    before, there = dict(os.environ), Path.cwd()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(there)
        os.environ.clear()
        os.environ.update(before)


def _of_executor_output(output: dict[str, Any]) -> dict[str, Any]:
    artifacts = {name: entry["artifacts"][0]["metadata"] for name, entry in output["artifacts"].items()}
    return _with_fingerprints(output["parameterValues"], artifacts)


def of_task(outputs: dict[str, Any]) -> dict[str, Any]:
    """Returns what a task that ran elsewhere gave back."""
    artifacts = {name: value.metadata for name, value in outputs.items() if isinstance(value, dsl.Artifact)}
    return _with_fingerprints({name: value for name, value in outputs.items() if name not in artifacts}, artifacts)


def _with_fingerprints(parameters: dict[str, Any], artifacts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return parameters | {name: metadata["fingerprint"] for name, metadata in artifacts.items() if "fingerprint" in metadata}
