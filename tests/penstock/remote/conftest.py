"""What tests of runs elsewhere share: a Kubeflow Pipelines and a Vertex AI that run what they are sent, and a person's folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler

from penstock.spec.pipeline_file import PipelineFile

from ...doubles.kubeflow.double import KubeflowDouble
from ...doubles.vertex.double import NoServers, VertexDouble
from .backends import Backend, Kubeflow, Vertex
from .person import Person

# What a person's shell has set must not lead a test elsewhere.
_ELSEWHERE = (
    "CLOUD_ML_REGION",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_REGION",
    "KF_PIPELINES_ENDPOINT",
    "KUBERNETES_SERVICE_HOST",
    "PENSTOCK_KUBEFLOW_COOKIES",
    "PENSTOCK_KUBEFLOW_PASSWORD",
    "PENSTOCK_KUBEFLOW_TOKEN",
    "STORAGE_EMULATOR_HOST",
)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[Any], PipelineFile]:
    """Returns a function that compiles a pipeline."""

    def compile_it(pipeline: Any) -> PipelineFile:
        compiler.Compiler().compile(pipeline, str(tmp_path / "pipeline.yaml"))
        return PipelineFile(tmp_path / "pipeline.yaml")

    return compile_it


@pytest.fixture
def kubeflow(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A single-user Kubeflow Pipelines installation that lets everybody in."""
    with KubeflowDouble(tmp_path / "kubeflow") as double:
        yield double


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexDouble]:
    """A double that the clients of this process, and of processes that it starts, trust."""
    with VertexDouble(tmp_path_factory.mktemp("vertex"), NoServers()) as double, pytest.MonkeyPatch.context() as patch:
        for name in _ELSEWHERE:
            patch.delenv(name, raising=False)
        for name, value in double.environment().items():
            patch.setenv(name, value)
        yield double


@pytest.fixture
def vertex(trusting: VertexDouble, tmp_path: Path) -> Iterator[VertexDouble]:
    """A double without pipeline jobs, with a bucket `gs://bucket` that is the folder `bucket` of the test's."""
    trusting.reset()
    (tmp_path / "bucket").mkdir()
    trusting.artifacts.folders = {"gs://bucket": tmp_path / "bucket"}
    yield trusting
    trusting.reset()


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """A user in the test's folder, without settings in the shell."""
    for name in _ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return Person(tmp_path)


@pytest.fixture(params=["kubeflow", "vertex"])
def backend(request: pytest.FixtureRequest, person: Person) -> Backend:
    """Each backend, with a context in the person's folder that leads to it."""
    double = request.getfixturevalue(request.param)
    found: Backend = Kubeflow(double) if request.param == "kubeflow" else Vertex(double)
    person.writes_context(found)
    return found
