"""What tests of the Kubeflow target share: an API server that runs what it gets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ....doubles.kubeflow.double import KubeflowDouble


@pytest.fixture
def kubeflow(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A single-user Kubeflow Pipelines installation that lets everybody in."""
    with KubeflowDouble(tmp_path / "kubeflow") as double:
        yield double


@pytest.fixture
def multi_user_kubeflow(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A multi-user installation behind a login page, which takes the bearer token `valid` too."""
    with KubeflowDouble(tmp_path / "kubeflow", multi_user=True, token="valid", password="secret") as double:
        yield double
