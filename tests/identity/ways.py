"""Compiled files with their parameters, three ways: here, through Kubeflow's API and through Vertex AI's."""

import hashlib
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from ..small_training import HEADER, PIPELINE, SmallTraining, fact, rows, write_csv

# What a task gave back: parameters, and the fingerprints of artifacts that have bytes.
Outputs = dict[str, dict[str, Any]]
_BUCKET = "gs://bucket"
MONITORING, SCORING = (PIPELINE.with_name(f"{name}.yaml") for name in ("monitoring", "batch_scoring"))
_KEY = "id"


def here(folder: Path, plan: "Plan") -> Outputs:
    """Runs them by `penstock run`."""
    found: Outputs = {}
    with _place(folder, plan) as (place, runs):
        for run in runs:
            done = subprocess.run([COMMAND, "run", str(run.file), "--params", str(run.values)], **_typed_in(place.folder))
            assert done.returncode == 0, done.stdout
            root = Path(fact(done, "run"))
            files = sorted(root.rglob("executor_output.json"), key=lambda file: file.stat().st_mtime)
            found |= {
                run.of(str(file.parent.relative_to(root))): _of_executor_output(json.loads(file.read_text(encoding="utf-8")))
                for file in files
            }
        return _with_table(found, place)


def through_kubeflow(folder: Path, plan: "Plan") -> Outputs:
    """Runs them by `penstock submit --target kubeflow`."""
    with KubeflowDouble(folder / "backend") as double:
        return _submitted(folder, plan, "kubeflow", {"host": double.url}, {})


def through_vertex(folder: Path, plan: "Plan") -> Outputs:
    """Runs them by `penstock submit --target vertex`."""
    with VertexDouble(folder / "backend", NoServers()) as double:
        (folder / "bucket").mkdir()
        double.artifacts.folders = {_BUCKET: folder / "bucket"}
        settings = {
            "project": double.project,
            "location": double.location,
            "api_endpoint": double.api_endpoint,
            "pipeline_root": f"{_BUCKET}/runs",
        }
        return _submitted(folder, plan, "vertex", settings, double.environment())


WAYS: dict[str, Callable[[Path, "Plan"], Outputs]] = {"penstock run": here, "Kubeflow": through_kubeflow, "Vertex AI": through_vertex}


def _submitted(folder: Path, plan: "Plan", target: str, settings: dict[str, str], environment: dict[str, str]) -> Outputs:
    """Submits them as a person does, and asks the backend what became of them."""
    found: Outputs = {}
    with _place(folder, plan) as (place, runs):
        context = [f"[contexts.{target}]", f'target = "{target}"', *(f"{name} = {json.dumps(value)}" for name, value in settings.items())]
        (place.folder / "penstock.toml").write_text("\n".join(context), encoding="utf-8")
        for run in runs:
            command = [COMMAND, "submit", str(run.file), "--target", target, "--params", str(run.values)]
            done = subprocess.run([*command, "--wait"], **_typed_in(place.folder, environment))
            assert done.returncode == 0, done.stdout
            run_id = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("submitted "))
            with _as_typed_in(place.folder, environment):
                backend, _ = connect("", target, {})
                ending = Watch(backend, PipelineFile(run.file), {}, Console(file=io.StringIO())).follow(run_id)
            found |= {run.of(task.name): of_task(task.outputs) for task in ending.tasks}
        return _with_table(found, place)


@dataclass(frozen=True)
class Run:
    """A pipeline, the file of its parameters, and what its tasks are called by in the table: the first run's have their own names."""

    file: Path
    values: Path
    name: str

    def of(self, task: str) -> str:
        """Returns what a task is called in the table."""
        return f"{self.name}/{task}" if self.name else task


# What is run in a person's folder, one after the other.
Plan = Callable[[SmallTraining], list[Run]]


def release(place: SmallTraining) -> list[Run]:
    """A training that releases its model, a monitoring of it that starts another pipeline, and a scoring with it."""
    return [
        _run(PIPELINE, place, "", place.values()),
        _run(MONITORING, place, "monitoring", _monitored(place)),
        _run(SCORING, place, "batch-scoring", _scored(place)),
    ]


def tuned(place: SmallTraining) -> list[Run]:
    """A training with the best hyperparameters that two searches have found side by side."""
    return [_run(PIPELINE, place, "", place.values(**place.tuned()))]


def _run(file: Path, place: SmallTraining, name: str, values: dict[str, Any]) -> Run:
    written = place.folder / f"{name or file.stem}.json"
    written.write_text(json.dumps(values), encoding="utf-8")
    return Run(file, written, name)


def _monitored(place: SmallTraining) -> dict[str, Any]:
    """Returns the parameters of a monitoring that finds drift and starts a pipeline of one task, whose window is the reference's log."""
    log = place.folder / "log" / "small"
    log.mkdir(parents=True)
    lines = []
    for day, farther in ((21, 0.0), (22, 900.0)):
        for number, (_, distance, hour, carrier, _) in enumerate(rows(farther=farther)):
            about = {"id": f"{day}-{number}", "time": f"2026-11-{day}T12:00:00+00:00", "model_name": "small", "version": "1"}
            lines.append(about | {"instance": {"distance": distance, "hour": hour, "carrier": carrier}, "prediction": [0.5]})
    (log / "rows.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return {
        "logs": str(log.parent),
        "model_name": "small",
        "destination": place.values()["destination"],
        "log_format": "penstock",
        "reference_window": "2026-11-21/2026-11-22",
        "window_start": "2026-11-22",
        "window_end": "2026-11-23",
        "trend_windows": 0,
        "on_drifted": "retrain",
        "training_pipeline": str(MONITORING.parent / "components" / "find_span.yaml"),
        "training_parameters": {"input_uri": "spans/{window_end}/{SPAN}"},
        "runs_at": f"local://{place.folder / 'trained'}",
    }


def _scored(place: SmallTraining) -> dict[str, Any]:
    """Returns the parameters of a scoring with the model that was released, of rows with a key."""
    table = [[number, *row[1:-1]] for number, row in enumerate(rows(seed=1))]
    described = (place.folder / "schema.pbtxt").read_text(encoding="utf-8")
    described = described.replace(f'name: "{HEADER[-1]}"', f'name: "{HEADER[-1]}" not_in_environment: "SERVING"')
    described += f'feature {{ name: "{_KEY}" type: INT }} default_environment: "TRAINING" default_environment: "SERVING"'
    (place.folder / "for_scoring.pbtxt").write_text(described, encoding="utf-8")
    return {
        "input_uri": str(write_csv(place.folder / "to_score.csv", table, [_KEY, *HEADER[1:-1]])),
        "key_columns": [_KEY],
        "model_name": "small",
        "schema_file": str(place.folder / "for_scoring.pbtxt"),
        "output_uri": str(place.folder / "scored"),
        "output_format": "jsonl",
    }


def _with_table(found: Outputs, place: SmallTraining) -> Outputs:
    """Adds the hash of the scored rows, without the time, if there are some."""
    task = "batch-scoring/score-batch"
    if task not in found:
        return found
    (file,) = (place.folder / "scored" / "predictions").iterdir()
    scored = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    text = json.dumps([{name: value for name, value in row.items() if name != "scored_at"} for row in scored])
    return found | {task: found[task] | {"scored rows": hashlib.sha256(text.encode()).hexdigest()}}


@contextmanager
def _place(folder: Path, plan: Plan) -> Iterator[tuple[SmallTraining, list[Run]]]:
    """A person's folder with data and modules, and what is run there."""
    (folder / "place").mkdir(parents=True)
    place = SmallTraining(folder / "place", free_port())
    try:
        yield place, plan(place)
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
