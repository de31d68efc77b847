"""What the cluster has, what the tests make there, and what they skip by name."""

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...conftest import make_saved_models
from ..cluster import ISVC, Cluster
from ..commands import bucket_files
from ..kubeflow import Kubeflow
from ..pipelines import Pipelines
from ..service import Service
from ..settings import Settings

MODES = ("standard", "knative")
LACKING = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Has whatever signal ends the tests take everything away."""
    config.stash[LACKING] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says what the place lacks."""
    reasons = {report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")}
    for reason in sorted(reasons | set(config.stash[LACKING])):
        terminalreporter.write_line(f"lacking: {reason}")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.from_environment()


@pytest.fixture(scope="session")
def id() -> str:
    """What everything that is made is called after."""
    return secrets.token_hex(3)


@pytest.fixture(scope="session")
def cluster(settings: Settings, id: str) -> Iterator[Cluster]:
    """The cluster, with a place for the models in it."""
    if not os.environ.get("KUBECONFIG") and "KUBERNETES_SERVICE_HOST" not in os.environ:
        pytest.skip("no cluster: set KUBECONFIG")
    found = Cluster(settings, id)
    if not found.has(*ISVC, "inferenceservices"):
        pytest.skip("no KServe: the cluster has no inferenceservices.serving.kserve.io")
    if not settings["BUCKET"]:
        pytest.skip("no bucket: set PENSTOCK_E2E_BUCKET")
    with found.prepared([f"e2e-{name}" for name in (*MODES, "run", "flights")]):
        yield found


@pytest.fixture(scope="session")
def bucket(settings: Settings, id: str) -> Iterator[str]:
    """A folder in the bucket."""
    if not settings["BUCKET"]:
        pytest.skip("no bucket: set PENSTOCK_E2E_BUCKET")
    folder = f"{settings['BUCKET'].rstrip('/')}/penstock-e2e-{id}"
    yield folder
    bucket_files("remove", folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small models with their probes."""
    folder = tmp_path_factory.mktemp("models")
    make_saved_models(folder)
    return folder


@pytest.fixture(scope="session", params=MODES)
def service(
    request: pytest.FixtureRequest,
    settings: Settings,
    cluster: Cluster,
    bucket: str,
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """An InferenceService of each mode."""
    mode = request.param
    if mode == "knative" and not cluster.has("serving.knative.dev", "v1", "services"):
        pytest.skip("no Knative: the cluster has no services.serving.knative.dev")
    made = Service(cluster, settings, mode, f"e2e-{mode}", models, tmp_path_factory.mktemp(mode), f"{bucket}/released")
    yield made
    if made.lacking:
        request.config.stash[LACKING].append(made.lacking)


@pytest.fixture(scope="session")
def pipelines(settings: Settings, id: str, cluster: Cluster, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    """Kubeflow, with a pipeline that releases to the cluster."""
    if not settings["KUBEFLOW_HOST"] and not settings["CONTEXT_FILE"]:
        pytest.skip("no Kubeflow: set PENSTOCK_E2E_KUBEFLOW_HOST or PENSTOCK_E2E_CONTEXT_FILE")
    if not cluster.tracking_uri:
        pytest.skip("no MLflow: in a namespace that is there, set PENSTOCK_E2E_TRACKING_URI")
    kubeflow = Kubeflow(settings, id, tmp_path_factory.mktemp("kubeflow"))
    with kubeflow.prepared():
        yield Pipelines(kubeflow, cluster, settings, bucket, tmp_path_factory.mktemp("small"))


@pytest.fixture(autouse=True)
def _can_split(request: pytest.FixtureRequest) -> None:
    """Skips canaries where the cluster cannot share the traffic."""
    if not request.node.get_closest_marker("splits_traffic"):
        return
    cluster = request.getfixturevalue("cluster")
    if "pipelines" in request.fixturenames:
        pipelines = request.getfixturevalue("pipelines")
        pipelines.serving_first()
        lacking = cluster.shares_no_traffic(pipelines.model)
    else:
        service = request.getfixturevalue("service")
        service.serving(service.serves or "first")
        lacking = cluster.shares_no_traffic(service.name) if service.mode == "standard" else ""
    if lacking:
        pytest.skip(lacking)
