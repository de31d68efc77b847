"""A Vertex AI that runs pipelines, for tests of what submits them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ....doubles.vertex.double import VertexDouble

# What a person's shell has set must not lead a test elsewhere.
_ELSEWHERE = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION", "STORAGE_EMULATOR_HOST")


class NoServers:
    """For tests in which nothing is deployed."""

    def get(self, model: Path, name: str) -> None:
        raise AssertionError("nothing is deployed in these tests")


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
