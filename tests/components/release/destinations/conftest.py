"""Every destination, as a site to push to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.release import serving

from ....doubles.kubernetes.double import KubernetesDouble
from ....doubles.models import ModelServers
from ....doubles.storage import resolve
from ....doubles.vertex.double import VertexDouble
from .sites import SITES, Site, VertexSite, make_broken, registered


@pytest.fixture(scope="session")
def model_servers(saved_models: Path) -> Iterator[ModelServers]:
    """The model servers behind the URLs of all doubles; those of the usual models run already."""
    (saved_models / "fickle" / "mode").write_text("0")  # whatever a test has left
    with ModelServers() as servers:
        for name in ("first", "second", "fickle"):
            servers.get(saved_models / name / "model", "flights")
        yield servers


@pytest.fixture
def site_parts(
    run_task: Callable[..., Any],
    saved_models: Path,
    tmp_path: Path,
    tracking_uri: str,
    family_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """What a site has wherever it is."""
    monkeypatch.setenv("PYTHONPATH", family_environment["PYTHONPATH"])
    make_broken(saved_models)
    return {
        "run_task": run_task,
        "models": saved_models,
        "root": tmp_path,
        "parameters": {"tracking_uri": tracking_uri},
        "registry": registered(tracking_uri),
    }


# How a rollout ends is decided above the destinations, and what both modes of KServe have to do for it has tests of its own.
@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.slow) if kind == "kserve-knative" else kind for kind in SITES])
def site(request: pytest.FixtureRequest, site_parts: dict[str, Any]) -> Site:
    """A destination at which nothing serves yet."""
    kind, _, mode = request.param.partition("-")
    made = request.getfixturevalue(f"{kind}_site")(site_parts, mode)
    made.set_mode("0")
    return made


@pytest.fixture
def local_site(tmp_path: Path, free_port: int) -> Iterator[Callable[[dict[str, Any], str], Site]]:
    """Makes a folder and a port a site."""
    folder = tmp_path / "serving"

    def make(common: dict[str, Any], _: str) -> Site:
        url = f"http://127.0.0.1:{free_port}/v1/models/flights:predict"
        return Site(**common, destination=f"local://{folder}?port={free_port}", url=url, can_shadow=True, kept=f"{folder}/flights")

    yield make
    serving.stop_server(folder)


@pytest.fixture
def kserve_cluster(
    kubernetes_api: None, tmp_path: Path, model_servers: ModelServers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesDouble]:
    """A cluster with KServe; models travel through a volume."""
    (tmp_path / "volumes" / "models").mkdir(parents=True)
    monkeypatch.setenv("PENSTOCK_PVC_ROOT", str(tmp_path / "volumes"))
    with KubernetesDouble(model_servers, resolve) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.write_kubeconfig(tmp_path / "kubeconfig")))
        yield cluster


@pytest.fixture
def kserve_site(kserve_cluster: KubernetesDouble, tmp_path: Path) -> Callable[[dict[str, Any], str], Site]:
    """Makes a cluster with KServe a site."""

    namespace, gateway = kserve_cluster.namespace, f"&gateway={kserve_cluster.url}"

    def make(common: dict[str, Any], mode: str) -> Site:
        return Site(
            **common,
            destination=f"kserve://{namespace}/flights?mode={mode}&storage=pvc://models/released&lease=5&timeout=90{gateway}",
            url=f"{kserve_cluster.url}/serving/{namespace}/flights/v1/models/flights:predict",
            kept=f"{tmp_path}/volumes/models/released/flights",
        )

    return make


@pytest.fixture(scope="session")
def vertex(model_servers: ModelServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexDouble]:
    """Vertex AI, which the unpatched clients of this process trust."""
    with VertexDouble(tmp_path_factory.mktemp("vertex"), model_servers) as double, pytest.MonkeyPatch.context() as patch:
        for name, value in double.environment().items():
            patch.setenv(name, value)
        yield double


@pytest.fixture
def vertex_site(vertex: VertexDouble, bucket: str) -> Callable[[dict[str, Any], str], Site]:
    """Makes Vertex AI a site; models travel through a bucket."""
    vertex.reset()
    place = f"{vertex.project}/{vertex.location}"
    options = f"storage=gs://{bucket}/released&lease=5&timeout=60&call_timeout=5&api_endpoint={vertex.api_endpoint}"

    def make(common: dict[str, Any], _: str) -> Site:
        url = f"https://{vertex.api_endpoint}/v1/projects/{vertex.project}/locations/{vertex.location}/endpoints/flights:predict"
        return VertexSite(
            **common,
            destination=f"vertex://{place}/flights?{options}",
            url=url,
            counts_errors=False,
            kept=f"gs://{bucket}/released/flights",
            copies=True,
            vertex=vertex,
        )

    return make
