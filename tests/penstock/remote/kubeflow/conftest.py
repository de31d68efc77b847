"""What tests of the Kubeflow target share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ....doubles.kubeflow.double import KubeflowDouble


@pytest.fixture
def multi_user_kubeflow(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A multi-user installation behind a login page, which takes the bearer token `valid` too."""
    with KubeflowDouble(tmp_path / "kubeflow", multi_user=True, token="valid", password="secret") as double:
        yield double
