"""The cluster of the double's own tests."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..models import ModelDoesNotLoad, ModelServers
from .client import Client
from .double import KubernetesDouble


@pytest.fixture(scope="session")
def models(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models that load, by their URIs, and one that does not."""
    broken = tmp_path_factory.mktemp("broken")
    (broken / "saved_model.pb").write_bytes(b"no model")
    return {
        "gs://bucket/first": saved_models / "first" / "model",
        "gs://bucket/second": saved_models / "second" / "model",
        "gs://bucket/broken": broken,
    }


@pytest.fixture(scope="session")
def model_servers(models: dict[str, Path]) -> Iterator[ModelServers]:
    """The model servers behind the URLs, which run already: a test's own patience is not for what they take to start."""
    with ModelServers() as servers:
        for model in models.values():
            with suppress(ModelDoesNotLoad):
                servers.get(model, "flights")
        yield servers


@pytest.fixture
def cluster(kubernetes_api: None, model_servers: ModelServers, models: dict[str, Path]) -> Iterator[KubernetesDouble]:
    with KubernetesDouble(model_servers, models) as double:
        yield double


@pytest.fixture
def client(cluster: KubernetesDouble) -> Client:
    return Client(cluster)
