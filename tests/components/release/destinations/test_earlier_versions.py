"""What 0.1.0 has left at each destination, and what a later version may add to it.

`tests/golden/0.1.0` was written by 0.1.0 itself: `promoted` by a push of `first` and one of `second`, `staged` by a push of `first` and a
canary of `second` that was killed at 25 %; `flow` is a model with its evidence, from evaluate_model and check_serving.
"""

import copy
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import pytest
from google.cloud import aiplatform_v1
from google.protobuf import json_format

from penstock.components.release import serving
from penstock.components.release.destinations.kserve import record as kserve_record
from penstock.components.release.destinations.vertex import record as vertex_record

from ....doubles.kubernetes.resources import INFERENCE_SERVICES, LEASES
from ....doubles.vertex.double import VertexDouble
from ....waiting import until
from ...releasing import NAME
from .sites import SITES, Site

GOLDEN = Path(__file__).parents[3] / "golden" / "0.1.0"
TOMORROW = {"tomorrow": {"deep": [None, 0, ""]}}
Grow = Callable[[dict[str, Any]], dict[str, Any]]


def grown(content: dict[str, Any]) -> dict[str, Any]:
    """Returns a record as a later version might have written it: with another key in it, and in whatever versions it holds."""
    inside = {key: grown(value) for key, value in content.items() if key in ("serving", "candidate", "beside") and isinstance(value, dict)}
    history = [grown(entry) if isinstance(entry, dict) else entry for entry in content.get("history", [])]
    return content | inside | ({"history": history} if "history" in content else {}) | TOMORROW


def as_it_was(content: dict[str, Any]) -> dict[str, Any]:
    return content


@pytest.fixture(params=[as_it_was, grown], ids=["0.1.0", "later"])
def grow(request: pytest.FixtureRequest) -> Grow:
    """What is done to each record of 0.1.0 before it is put where it belongs."""
    return request.param


@pytest.fixture
def restore(request: pytest.FixtureRequest, site: Site, grow: Grow) -> Callable[[str], None]:
    """Returns `restore(how)`: makes the destination what 0.1.0 has left."""
    kind = request.node.callspec.params["site"]
    site.models = GOLDEN / "models"
    assert [site.version(name) for name in ("first", "second")] == ["1", "2"]
    put = {"local": _local, "vertex": _vertex}.get(kind, _kserve)
    return lambda how: put(request, site, GOLDEN / kind / how, grow)


def _local(_: pytest.FixtureRequest, site: Site, golden: Path, grow: Grow) -> None:
    _place(golden, site.root / "serving", grow)


def _place(golden: Path, folder: Path, grow: Grow) -> None:
    """Puts the records of a folder where they were, each with its model."""
    shutil.copytree(golden, folder, dirs_exist_ok=True)
    for record in folder.rglob("*.json"):
        record.write_text(json.dumps(grow(json.loads(record.read_text()))))
        if record.name == "release.json":
            shutil.copytree(GOLDEN / "models" / _name(record.parent) / "model", record.parent / "model")


def _name(version: Path) -> str:
    return {"1": "first", "2": "second"}[version.name.partition("-")[0]]


def _kserve(request: pytest.FixtureRequest, site: Site, golden: Path, grow: Grow) -> None:
    _place(golden / "volumes", site.root / "volumes", grow)
    cluster = request.getfixturevalue("kserve_cluster")
    store = cluster.store
    for lease in json.loads((golden / "leases.json").read_text()):
        store.create(LEASES, cluster.namespace, {"metadata": {"name": lease["metadata"]["name"]}, "spec": lease["spec"]})
    for number, written in enumerate(json.loads((golden / "writes.json").read_text())):
        for predictor in (written["spec"]["predictor"], *(canary["predictor"] for canary in written["spec"].get("canary", ()))):
            text = predictor["annotations"][kserve_record.RECORD]
            predictor["annotations"][kserve_record.RECORD] = json.dumps(grow(json.loads(text)))
        write = store.replace if number else store.create
        own = written["metadata"] | {"namespace": cluster.namespace}
        write(INFERENCE_SERVICES, cluster.namespace, copy.deepcopy(written) | {"metadata": own})
        wanted = (
            "second"
            if number and "canary" not in written["spec"] and "canaryTrafficPercent" not in written["spec"]["predictor"]
            else "first"
        )
        until(partial(_answers, site, wanted))
    until(lambda: site.state().percent in (0, 25) and _is_settled(store.get(INFERENCE_SERVICES, cluster.namespace, NAME)))


def _answers(site: Site, name: str) -> bool:
    error, predictions = site.post(site.probe(name)["instances"])
    return not error and site.answers_as(predictions, name)


def _is_settled(service: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in service["status"]["conditions"])


def _vertex(request: pytest.FixtureRequest, site: Site, golden: Path, grow: Grow) -> None:
    double: VertexDouble = request.getfixturevalue("vertex")
    _place(golden / "bucket", site.root / "bucket", grow)
    bucket = fsspec.filesystem("gs", token="anon", skip_instance_cache=True)
    bucket.put(f"{site.root / 'bucket'}/", f"{request.getfixturevalue('bucket')}/", recursive=True)
    options = {"client_options": {"api_endpoint": double.api_endpoint}}
    models, endpoints = aiplatform_v1.ModelServiceClient(**options), aiplatform_v1.EndpointServiceClient(**options)
    kept = ("artifact_uri", "container_spec", "display_name", "labels", "version_description")
    for number, model in enumerate(json.loads((golden / "models.json").read_text())):
        model["version_description"] = json.dumps(grow(json.loads(model["version_description"])))
        message = json_format.ParseDict({key: model[key] for key in kept}, aiplatform_v1.Model.pb(aiplatform_v1.Model()))
        target = {"parent_model": model["name"].partition("@")[0]} if number else {"model_id": NAME}
        models.upload_model({"parent": double.parent, "model": aiplatform_v1.Model(message), **target}).result()
    for endpoint in json.loads((golden / "endpoints.json").read_text()):
        text, mark, record = endpoint.get("description", "").partition("penstock: ")
        made = {"display_name": endpoint["display_name"], "labels": endpoint["labels"]}
        made["description"] = f"{text}{mark}{json.dumps(grow(json.loads(record)))}" if mark else ""
        key = endpoint["name"].rpartition("/")[2]
        endpoints.create_endpoint({"parent": double.parent, "endpoint": made, "endpoint_id": key}).result()
        for deployed in endpoint.get("deployed_models", []):
            version = f"{deployed.pop('model')}@{deployed.pop('model_version_id')}"
            del deployed["create_time"]
            wanted = json_format.ParseDict(deployed | {"model": version}, aiplatform_v1.DeployedModel.pb(aiplatform_v1.DeployedModel()))
            endpoints.deploy_model({"endpoint": endpoint["name"], "deployed_model": aiplatform_v1.DeployedModel(wanted)}).result()
        split = {"name": endpoint["name"], "traffic_split": endpoint.get("traffic_split", {})}
        endpoints.update_endpoint({"endpoint": split, "update_mask": {"paths": ["traffic_split"]}})


def _records(request: pytest.FixtureRequest, site: Site) -> list[dict[str, Any]]:
    """Returns what the destination has recorded now."""
    kind = request.node.callspec.params["site"]
    if kind == "local":
        return [json.loads(path.read_text()) for path in (site.root / "serving" / NAME).rglob("*.json")]
    if kind == "vertex":
        double = request.getfixturevalue("vertex")
        (endpoint,) = [endpoint for endpoint in double.endpoints() if endpoint.display_name == NAME]
        record = json.loads(endpoint.description.partition("penstock: ")[2])
        assert vertex_record.read_record(endpoint).serving
        notes = [json.loads(model.version_description) for model in double.models()]
        return [record, *filter(None, (record["serving"], record["candidate"])), *record["history"], *notes]
    service = request.getfixturevalue("kserve_cluster").isvc(NAME)
    record = json.loads(service["spec"]["predictor"]["annotations"][kserve_record.RECORD])
    placed = [json.loads(path.read_text()) for path in (site.root / "volumes").rglob("release*.json")]
    return [record, *record["history"], *placed]


@pytest.fixture
def all_kept(request: pytest.FixtureRequest, site: Site, grow: Grow) -> Callable[[], None]:
    """Returns a check that no record has lost what a later version wrote there."""

    def check() -> None:
        if grow is grown:
            lost = [record for record in _records(request, site) if record.get("tomorrow") != TOMORROW["tomorrow"]]
            assert lost == []

    return check


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_what_it_promoted_is_rolled_back_and_pushed_again(site: Site, restore: Callable[[str], None], all_kept: Callable[[], None]):
    restore("promoted")
    assert site.recorded() == {"serving": "second", "previous": "first"}
    assert site.state().serving.probe["predictions"] == site.probe("second")["predictions"]
    done = site.control("rollback")
    assert (done.code, done.parameters["outcome"]) == (0, "rolled_back"), done.error
    site.serves("first")
    all_kept()
    done = site("second", baseline="first")
    assert (done.code, done.parameters["outcome"]) == (0, "pushed"), done.error
    site.serves("second")
    assert site.recorded() == {"serving": "second", "previous": "first"}


def test_what_it_left_staged_is_promoted_and_rolled_back(site: Site, restore: Callable[[str], None], all_kept: Callable[[], None]):
    restore("staged")
    state = site.state()
    assert (state.serving.label, state.candidate.label, state.percent) == ("v1", "v2", 25)
    done = site.control("promote")
    assert (done.code, done.parameters["outcome"]) == (0, "promoted"), done.error
    site.serves("second")
    all_kept()
    assert site.control("rollback").parameters["outcome"] == "rolled_back"
    site.serves("first")
    all_kept()


@pytest.mark.parametrize("site", ["local"], indirect=True)
def test_its_server_that_still_runs_is_to_be_stopped_first(site: Site, restore: Callable[[str], None]):
    restore("staged")
    folder = site.root / "serving"
    info = json.loads((GOLDEN / "server.json").read_text()) | {"port": urlsplit(site.url).port}
    before = {path: path.read_text() for path in folder.rglob("*.json")}
    with (folder / "server.json").open("w", encoding="utf-8") as file:
        assert serving.try_lock(file)
        file.write(json.dumps(info))
        file.flush()
        for done in (site("second", baseline="first"), site.control("promote"), site.control("rollback")):
            assert done.code == 1
            assert done.error.endswith(f"0.1.0 and cannot read the files of this version; first run: penstock serve stop {folder}")
    assert {path: path.read_text() for path in before} == before
    assert site.control("promote").code == 0
    site.serves("second")


@pytest.mark.parametrize("site", ["local"], indirect=True)
def test_what_it_evaluated_and_checked_is_registered_and_pushed(site: Site, grow: Grow, tmp_path: Path):
    flow = shutil.copytree(GOLDEN / "flow", tmp_path / "flow")
    for path in flow.glob("*/*.json"):
        path.write_text(json.dumps(grow(json.loads(path.read_text()))))
    inputs = {name: flow / name for name in ("model", "evaluation", "serving_check")}
    done = site.run_task("register_model", {"model_name": NAME} | site.parameters, inputs)
    assert done.code == 0, done.error
    version = done.parameters["version"]
    assert site.registry.lineage(version).measured["Penstock.v1.failed"] == "0"
    done = site.run_task("push_model", site.values(model_version=version), inputs)
    assert (done.code, done.parameters["outcome"]) == (0, "pushed"), done.error
    (record,) = (site.root / "serving" / NAME).glob("*/release.json")
    assert json.loads(record.read_text())["probe"].get("tomorrow") == grow({}).get("tomorrow")
