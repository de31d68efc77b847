"""Kubeflow Pipelines: runs by `penstock submit`, and taking away what they leave there."""

import contextlib
import io
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.errors import UserError
from penstock.remote.connect import connect
from penstock.remote.contexts import find_settings
from penstock.remote.kubeflow.connection import Connection
from penstock.remote.settings import KubeflowSettings
from penstock.remote.watch import Watch
from penstock.spec.pipeline_file import PipelineFile

from ..identity.ways import Outputs, of_task
from .commands import bucket_files, types
from .settings import Settings


@dataclass(frozen=True)
class Ran:
    """What `penstock submit` did.

    Attributes:
        code: Its exit code.
        output: What it printed.
        run_id: The run.
    """

    code: int
    output: str
    run_id: str


class Kubeflow:
    """An installation.

    Args:
        settings: The tests' settings.
        id: What everything that is made is called after.
        folder: A folder for compiled files and parameters.

    Attributes:
        compiled: The compiled files, with the images that the cluster can pull.
    """

    def __init__(self, settings: Settings, id: str, folder: Path) -> None:
        self.compiled = folder / "compiled"
        self._settings, self._folder = settings, folder
        self._experiment = f"penstock-e2e-{id}"
        self._where = folder
        if settings["CONTEXT_FILE"]:
            self._where = Path(settings["CONTEXT_FILE"]).absolute().parent
        self._root = f"{settings['PIPELINE_ROOT'].rstrip('/')}/{self._experiment}" if settings["PIPELINE_ROOT"] else ""
        self._host = ["--host", settings["KUBEFLOW_HOST"]] if settings["KUBEFLOW_HOST"] else []
        images = ["--registry", settings["REGISTRY"], *(["--tag", settings["TAG"]] if settings["TAG"] else [])]
        done = types("compile", "--output", self.compiled, *images, folder=folder, seconds=settings.timeout)
        assert done.returncode == 0, done.stdout

    def submit(self, name: str, parameters: dict[str, Any], *options: str) -> Ran:
        """Submits a compiled file and follows it to its end.

        Args:
            name: Its name below `compiled`.
            parameters: The pipeline's parameters.
            options: Further options of the command.
        """
        done = self._types(*self._submission(name, parameters), "--wait", *options)
        return Ran(done.returncode, done.stdout, _run_id(done.stdout))

    def start(self, name: str, parameters: dict[str, Any]) -> str:
        """Submits a compiled file, and returns the run."""
        done = self._types(*self._submission(name, parameters))
        assert done.returncode == 0, done.stdout
        return _run_id(done.stdout)

    def runs(self, verb: str, *words: str) -> tuple[int, str]:
        """Types `penstock runs ...`; returns the exit code and what it says."""
        done = self._types("runs", verb, *words)
        return done.returncode, done.stdout

    def outputs(self, run_id: str) -> Outputs:
        """Returns what the tasks of a run gave back."""
        with _in(self._where):
            target, _ = connect("", "kubeflow", {"host": self._settings["KUBEFLOW_HOST"]})
            ending = Watch(target, PipelineFile(self.compiled / "training.yaml"), {}, Console(file=io.StringIO())).follow(run_id)
        return {task.name: of_task(task.outputs) for task in ending.tasks}

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Takes away every run, the experiment, and the versions of pipelines that were not there before."""
        before = set(self._versions())
        try:
            yield
        finally:
            self._clean(before)
            if self._root:
                bucket_files("remove", self._root)

    def _clean(self, before: set[tuple[str, str]]) -> None:
        client, call = self._connection.client, self._connection.call
        experiments = client.experiments
        namespace = {"namespace": self._connection.namespace} if self._connection.namespace else {}
        made = self._connection.named(experiments.experiment_service_list_experiments, "experiments", self._experiment, **namespace)
        ours = set()
        if made:
            listing = client.runs.run_service_list_runs
            for run in list(self._connection.pages(listing, "runs", experiment_id=made.experiment_id)):
                if reference := run.pipeline_version_reference:
                    ours.add((reference.pipeline_id, reference.pipeline_version_id))
                with contextlib.suppress(UserError):  # it has ended
                    call(client.runs.run_service_terminate_run, run.run_id)
                call(client.runs.run_service_delete_run, run.run_id)
            call(experiments.experiment_service_delete_experiment, made.experiment_id)
        pipelines = client.pipelines
        for pipeline_id, version_id in ours - before:
            call(pipelines.pipeline_service_delete_pipeline_version, pipeline_id, version_id)
        for pipeline_id in {pipeline_id for pipeline_id, _ in ours} - {pipeline_id for pipeline_id, _ in before}:
            call(pipelines.pipeline_service_delete_pipeline, pipeline_id)

    def _versions(self) -> Iterator[tuple[str, str]]:
        pipelines = self._connection.client.pipelines
        namespace = {"namespace": self._connection.namespace} if self._connection.namespace else {}
        for pipeline in list(self._connection.pages(pipelines.pipeline_service_list_pipelines, "pipelines", **namespace)):
            listing = pipelines.pipeline_service_list_pipeline_versions
            yield pipeline.pipeline_id, ""
            for version in list(self._connection.pages(listing, "pipeline_versions", pipeline_id=pipeline.pipeline_id)):
                yield pipeline.pipeline_id, version.pipeline_version_id

    @cached_property
    def _connection(self) -> Connection:
        with _in(self._where):
            _, settings = find_settings("", "kubeflow", {"host": self._settings["KUBEFLOW_HOST"]})
        assert isinstance(settings, KubeflowSettings)
        return Connection(settings)

    def _submission(self, name: str, parameters: dict[str, Any]) -> list[str | Path]:
        with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".json", delete=False) as file:
            json.dump(parameters, file)
        root = ["--pipeline-root", self._root] if self._root else []
        return ["submit", self.compiled / f"{name}.yaml", "--params", file.name, "--experiment", self._experiment, *root]

    def _types(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return types(*words, "--target", "kubeflow", *self._host, folder=self._where, seconds=self._settings.run_seconds)


def _run_id(output: str) -> str:
    found = re.search(r"^submitted +(\S+)", output, re.MULTILINE)
    assert found, output
    return found[1]


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Makes a folder the working directory, as for a command that is typed there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
