"""The Vertex AI Model Registry, through the interface that every component uses."""

import hashlib
from collections.abc import Iterator

import grpc
import pytest

from penstock.components.protocol import TaskError
from penstock.components.release.registry import Lineage, Registry, open_registry

from ....doubles.vertex.double import NoServers, VertexDouble
from ....doubles.vertex.faults import Fault

FIRST, SECOND = (hashlib.sha256(name).hexdigest() for name in (b"first", b"second"))


@pytest.fixture(scope="module")
def vertex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexDouble]:
    """Vertex AI, which the unpatched clients of this process trust."""
    folder = tmp_path_factory.mktemp("vertex")
    with VertexDouble(folder, NoServers()) as double, pytest.MonkeyPatch.context() as patch:
        for name, value in double.environment().items():
            patch.setenv(name, value)
        for name in ("first", "second"):
            (folder / "bucket" / name).mkdir(parents=True)
            (folder / "bucket" / name / "saved_model.pb").write_text(name)
        double.artifacts.folders["gs://models"] = folder / "bucket"
        yield double


def open_at(vertex: VertexDouble, model_name: str = "flights") -> Registry:
    return open_registry(model_name, "", f"vertex://{vertex.project}/{vertex.location}?api_endpoint={vertex.api_endpoint}")


@pytest.fixture
def registry(vertex: VertexDouble) -> Registry:
    """A registry without a model."""
    vertex.reset()
    return open_at(vertex)


def test_nothing_is_registered(registry: Registry):
    assert registry.aliases() == {}
    assert registry.version("1") is None
    with pytest.raises(TaskError, match="has no version 1"):
        registry.lineage("1")


def test_versions_of_one_model_with_what_made_them(registry: Registry, vertex: VertexDouble):
    lineage = Lineage(run="runs:/abc", blessing="blessed", metrics={"auc": "0.7"}, measured={"p99_ms": "3.1"})
    assert registry.register(FIRST, "gs://models/first", lineage.tags(), run_id="abc") == "1"
    assert registry.register(SECOND, "gs://models/second", {}) == "2"
    found = registry.version("1")
    assert (found.version, found.fingerprint, found.source, found.run_id) == ("1", FIRST, "gs://models/first", "abc")
    assert found.registered == vertex.models()[0].version_create_time.timestamp()
    assert registry.lineage("1") == lineage
    assert {model.name.partition("@")[0] for model in vertex.models()} == {f"{vertex.parent}/models/flights"}
    assert vertex.models()[0].labels["penstock_fingerprint"] == FIRST[:63]


def test_the_same_bytes_are_the_same_version_with_more_tags(registry: Registry, vertex: VertexDouble):
    registry.register(FIRST, "gs://models/first", {"team": "ops"})
    assert registry.register(FIRST, "gs://models/second", {"blessing": "blessed"}) == "1"
    registry.tag("1", "rollback_point", "v0 " + "x" * 2000)
    tags = registry.version("1").tags
    assert (tags["team"], tags["blessing"], len(tags["rollback_point"])) == ("ops", "blessed", 1000)
    assert len(vertex.models()) == 1


def test_the_champion_moves_and_its_former_version_is_kept(registry: Registry):
    for name, key in (("first", FIRST), ("second", SECOND)):
        registry.register(key, f"gs://models/{name}", {})
    registry.promote("1", "champion", "previous")
    registry.promote("2", "champion", "previous")
    registry.promote("2", "champion", "previous")
    assert registry.aliases() == {"default": "1", "champion": "2", "previous": "1"}
    assert registry.resolve("champion").fingerprint == SECOND


def test_the_default_version_can_be_set_elsewhere(registry: Registry):
    for name, key in (("first", FIRST), ("second", SECOND)):
        registry.register(key, f"gs://models/{name}", {})
    assert registry.aliases() == {"default": "1"}
    registry.point("default", "2")
    assert registry.aliases() == {"default": "2"}


def test_names_that_are_no_resource_ids_stay_apart(vertex: VertexDouble):
    vertex.reset()
    assert open_at(vertex, "Flights.v1").register(FIRST, "gs://models/first", {}) == "1"
    assert open_at(vertex, "flights-v1").register(SECOND, "gs://models/second", {}) == "1"
    assert open_at(vertex, "Flights.v1").version("1").fingerprint == FIRST
    assert sorted({model.display_name for model in vertex.models()}) == ["Flights.v1", "flights-v1"]


@pytest.mark.parametrize(
    ("alias", "version", "message"),
    [
        ("Champion", "1", "Vertex AI does not accept the alias 'Champion'"),
        ("champion_eu", "1", "Vertex AI does not accept the alias 'champion_eu'"),
        ("champion", "9", "has no version 9 of flights"),
    ],
)
def test_aliases_that_cannot_be_set(registry: Registry, alias: str, version: str, message: str):
    registry.register(FIRST, "gs://models/first", {})
    with pytest.raises(TaskError, match=message):
        registry.point(alias, version)


def test_a_source_that_vertex_cannot_read(registry: Registry):
    with pytest.raises(TaskError, match="reads models from Cloud Storage only, not from '/data/model'"):
        registry.register(FIRST, "/data/model", {})
    with pytest.raises(TaskError, match="cannot register flights: Cannot find any objects under the artifact URI 'gs://models/third'"):
        registry.register(FIRST, "gs://models/third", {})


def test_a_lost_answer_registers_no_second_model(registry: Registry, vertex: VertexDouble):
    vertex.faults.add(Fault("UploadModel", code=grpc.StatusCode.UNAVAILABLE, message="try again", after=True))
    registry.register(FIRST, "gs://models/first", {})
    assert [model.version_id for model in vertex.models()] == ["1"]


@pytest.mark.parametrize("uri", ["vertex://my-project", "vertex://my-project/Iowa", "vertex://my-project/us-central1/models"])
def test_uris_that_are_none(uri: str):
    with pytest.raises(TaskError, match="has no valid project and region"):
        open_registry("flights", "", uri)


def test_a_permission_that_is_missing(registry: Registry, vertex: VertexDouble):
    vertex.denied.add("aiplatform.models.upload")
    with pytest.raises(TaskError, match=r"the permission aiplatform.models.upload or the resource is missing; grant roles/aiplatform.user"):
        registry.register(FIRST, "gs://models/first", {})
