"""Releases to Vertex AI, seen from its API: who has the traffic, what is recorded, what is deployed, and what a person reads when it refuses."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud import aiplatform_v1

from penstock.components.protocol import Input, TaskError, fingerprint
from penstock.components.release.destinations import parse
from penstock.components.release.destinations.vertex.destination import VertexDestination
from penstock.components.release.release import Release
from penstock.components.release.rollout import PUSHED, ROLLED_BACK, Plan, Rollout, go_back, roll_out

from .....doubles.vertex.double import VertexDouble
from .....doubles.vertex.faults import Fault

CANARY = Plan("canary", (25, 50, 100), bake_seconds=0)


@dataclass
class Place:
    """An endpoint to push to, and the models to push.

    Attributes:
        double: Vertex AI.
        models: The folder of the models.
        storage: Where they are copied to.
    """

    double: VertexDouble
    models: Path
    storage: str

    def open(self, endpoint: str = "flights", serving: dict[str, Any] | None = None, **options: Any) -> VertexDestination:
        return parse(self.uri(endpoint, **options), "flights", serving)

    def uri(self, endpoint: str = "flights", **options: Any) -> str:
        given = {"storage": self.storage, "lease": 2, "timeout": 60, "call_timeout": 5, "api_endpoint": self.double.api_endpoint} | options
        query = "&".join(f"{key}={value}" for key, value in given.items())
        return f"vertex://{self.double.project}/{self.double.location}/{endpoint}?{query}"

    def model(self, name: str) -> Input:
        return Input(name=name, uri=str(self.models / name / "model"), path=self.models / name / "model", metadata={})

    def release(self, name: str) -> Release:
        probe = json.loads((self.models / name / "probe.json").read_text())
        return Release(fingerprint(self.models / name / "model"), {"first": "1", "second": "2"}.get(name, ""), probe)

    def push(self, name: str, plan: Plan = CANARY, **options: Any) -> Rollout:
        with self.open(**options) as target:
            return roll_out(target, self.model(name), self.release(name), plan)

    def endpoint(self, name: str = "flights") -> aiplatform_v1.Endpoint:
        (found,) = [endpoint for endpoint in self.double.endpoints() if endpoint.display_name == name]
        return found

    def answers(self, name: str, endpoint: str = "flights") -> bool:
        probe = self.release(name).probe
        answers = self.double.predict(self.endpoint(endpoint).name, probe["instances"]).predictions
        return [list(row) for row in answers] == [pytest.approx(row, abs=1e-4) for row in probe["predictions"]]


@pytest.fixture
def place(vertex: VertexDouble, saved_models: Path, bucket: str) -> Place:
    """An endpoint `flights` that is not there yet."""
    vertex.reset()
    return Place(vertex, saved_models, f"gs://{bucket}/released")


def test_a_canary_ends_with_one_deployment_and_its_rollback_point_on_the_endpoint(place: Place, monkeypatch: pytest.MonkeyPatch):
    labels = {"penstock_run": "flights-1", "vertex-ai-pipelines-run-billing-id": "42"}
    monkeypatch.setenv("VERTEX_AI_PIPELINES_RUN_LABELS", json.dumps(labels))
    assert place.push("first").outcome == PUSHED
    done = place.push("second")
    assert (done.outcome, done.rollback_point.fingerprint) == (PUSHED, place.release("first").fingerprint)
    assert place.answers("second")
    endpoint = place.endpoint()
    (deployed,) = endpoint.deployed_models
    assert (dict(endpoint.traffic_split), deployed.model_version_id) == ({deployed.id: 100}, "2")
    assert endpoint.labels["penstock_previous"] == place.release("first").fingerprint[:63]
    assert "penstock_lease_holder" not in endpoint.labels
    assert place.endpoint("flights-candidate").deployed_models == []
    made = [endpoint, place.endpoint("flights-candidate"), *place.double.models()]
    assert [labels.items() <= dict(one.labels).items() for one in made] == [True] * 4, "the bill is added up by the run's labels"
    current = place.open().current()
    assert (current.serving, current.previous, current.candidate) == (place.release("second"), place.release("first"), None)


def test_one_call_gives_the_traffic_and_says_so_with_the_etag_of_what_was_read(place: Place):
    place.push("first")
    place.double.faults.clear()
    place.push("second")
    calls = place.double.faults.calls
    for call in (call for call in calls if call.name == "UpdateEndpoint" and "description" in call.request.update_mask.paths):
        endpoint = call.request.endpoint
        assert endpoint.etag
        assert sum(endpoint.traffic_split.values()) == 100
    shares = [sorted(call.request.endpoint.traffic_split.values()) for call in calls if call.name == "UpdateEndpoint"]
    assert [25, 75] in shares
    assert [50, 50] in shares
    assert not any(call.request.traffic_split for call in calls if call.name in ("DeployModel", "UndeployModel"))


def test_a_staged_model_is_asked_on_an_endpoint_without_clients(place: Place):
    place.push("first")
    with place.open() as target:
        target.stage(place.model("second"), place.release("second"))
        assert place.answers("first")
        assert place.answers("second", "flights-candidate")
        target.shift(25)
        probe = place.release("second").probe
        assert target.probe(probe["instances"]).predictions == [pytest.approx(row, abs=1e-4) for row in probe["predictions"]]
        current = target.current()
        assert (current.serving.fingerprint, current.percent) == (place.release("first").fingerprint, 25)
        assert target.rollback() == place.release("first")
    endpoint = place.endpoint()
    assert (list(endpoint.traffic_split.values()), len(endpoint.deployed_models)) == ([100], 1)
    assert place.endpoint("flights-candidate").deployed_models == []


def test_a_rollback_deploys_again_what_was_undeployed(place: Place):
    place.push("first")
    place.push("second")
    with place.open() as target:
        assert go_back(target, place.release("first").fingerprint[:8]) == place.release("first")
    assert place.answers("first")
    assert place.open().current().previous is None
    with place.open() as target, pytest.raises(TaskError, match="fingerprint that starts with 'abcdef'"):
        target.rollback("abcdef")


def test_the_same_bytes_are_uploaded_once(place: Place):
    place.push("first")
    place.push("second")
    place.push("first")
    assert sorted(model.version_id for model in place.double.models()) == ["1", "2"]
    assert place.answers("first")


def test_an_endpoint_from_elsewhere_keeps_its_description_and_its_model_serves_again(place: Place):
    place.push("first")
    with place.open() as target:
        target.stage(place.model("second"), place.release("second"))
    clients = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": place.double.api_endpoint})
    endpoint = place.endpoint()
    endpoint.description = "for the dashboards"
    clients.update_endpoint(request={"endpoint": endpoint, "update_mask": {"paths": ["description"]}})
    assert place.open().current().serving.fingerprint == place.release("first").fingerprint
    place.push("second")
    assert place.endpoint().description.startswith("for the dashboards\n")
    with place.open() as target:
        assert target.rollback().fingerprint == place.release("first").fingerprint
    assert place.answers("first")


def test_a_lease_keeps_out_and_expires(place: Place):
    with place.open(lease=60), pytest.raises(TaskError, match="another push to flights"):
        _renewing(place, lambda: place.open().__enter__())
    dead = place.open(lease=1)
    dead.__enter__()
    dead.stage(place.model("first"), place.release("first"))
    with place.open():
        for act in (lambda: dead.shift(100), dead.rollback, dead.retire, lambda: dead.stage(place.model("first"), place.release("first"))):
            with pytest.raises(TaskError, match="has taken over"):
                act()
    assert place.endpoint().deployed_models == []
    assert place.answers("first", "flights-candidate")


# The holder's clock is right, five minutes behind, or five minutes ahead; and what it records of the lease: as ever, or as 0.1.0 said it.
@pytest.mark.parametrize("ahead", [0, -300, 300])
@pytest.mark.parametrize("lasts", [{"penstock_lease_seconds": "2"}, {}], ids=["now", "0.1.0"])
def test_a_lease_is_judged_by_what_is_seen_of_it(place: Place, ahead: int, lasts: dict[str, str]):
    place.open().__enter__()
    endpoint = place.endpoint()
    del endpoint.labels["penstock_lease_seconds"]
    until = str(int((time.time() + 2 + ahead) * 1000))
    endpoint.labels.update({"penstock_lease_holder": "another", "penstock_lease_until": until} | lasts)
    _change(place, endpoint)
    with pytest.raises(TaskError, match="another push to flights"):
        _renewing(place, lambda: place.open().__enter__())
    started = time.monotonic()
    with place.open():
        assert 2 <= time.monotonic() - started < 20


def test_two_that_take_an_expired_lease_at_once(place: Place):
    winner = place.open()
    race = Fault("UpdateEndpoint", hook=lambda _: winner.__enter__())
    place.open().__enter__()
    place.double.faults.add(race)
    with pytest.raises(TaskError, match="another push to flights"):
        place.open().__enter__()
    winner.__exit__()


def test_endpoints_by_id_by_display_name_and_none(place: Place):
    place.push("first")
    assert place.open(endpoint="Not%20a%20resource%20id").current().serving is None
    with pytest.raises(TaskError, match="no endpoint 987654321; an ID is valid only in its region"):
        place.open(endpoint="987654321").__enter__()
    client = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": place.double.api_endpoint})
    for _ in range(2):
        client.create_endpoint(parent=place.double.parent, endpoint={"display_name": "two"}).result()
    with pytest.raises(TaskError, match="2 endpoints of vertex://my-project/us-central1 have the display name 'two'"):
        place.open(endpoint="two").current()
    key = place.double.endpoints()[-1].name.rpartition("/")[2]
    place.push("first", endpoint=key)
    assert len(place.double.endpoints()) == 5
    assert place.open(endpoint=key).current().serving == place.release("first")


def test_machines_and_containers(place: Place):
    serving = {"machine_type": "n1-standard-4", "min_replicas": 2, "max_replicas": 4, "scale_target": 70}
    serving |= {
        "accelerator_type": "NVIDIA_TESLA_T4",
        "accelerator_count": 1,
        "image": "us-docker.pkg.dev/my-project/penstock/penstock-serve:1",
    }
    place.push("first", serving=serving)
    resources = place.endpoint().deployed_models[0].dedicated_resources
    assert (resources.machine_spec.machine_type, resources.machine_spec.accelerator_count) == ("n1-standard-4", 1)
    assert (resources.min_replica_count, resources.max_replica_count) == (2, 4)
    assert [metric.target for metric in resources.autoscaling_metric_specs] == [70, 70]
    (model,) = place.double.models()
    container = model.container_spec
    assert container.predict_route == "/v1/models/flights:predict"
    assert list(container.command) == ["python", "-m", "penstock.server"]
    assert list(container.args) == ["--model_name", "flights", "--fingerprint", place.release("first").fingerprint]
    assert [(variable.name, variable.value) for variable in container.env] == [("PENSTOCK_MODEL_VERSION", "1")]


def test_another_prediction_log_is_another_version_of_the_same_bytes(place: Place):
    serving = {"image": "us-docker.pkg.dev/my-project/penstock/penstock-serve:1", "prediction_log": "gs://logs/flights"}
    for name, sample in (("first", 0.5), ("second", 1), ("first", 1), ("second", 1)):
        assert place.push(name, serving=serving | {"prediction_log_sample": sample}).outcome == PUSHED
    assert place.answers("second")
    arguments = [list(model.container_spec.args)[4:] for model in place.double.models()]
    assert sorted(arguments) == [
        ["--prediction_log", "gs://logs/flights", "--prediction_log_sample", sample] for sample in ("0.5", "1.0", "1.0")
    ]


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        ({"cpu": "1"}, "serving option cpu is unknown; vertex://"),
        ({"accelerator_type": "L4", "accelerator_count": 1}, "accelerator_type 'L4' is unknown; give one of NVIDIA_"),
        ({"accelerator_type": "NVIDIA_L4"}, "belong together"),
        ({"min_replicas": 0}, "cannot scale to zero"),
        ({"min_replicas": 3, "max_replicas": 2}, "less than min_replicas=3"),
        ({"scale_target": 101}, "a percentage of 1 to 100"),
        ({"machine_type": 4}, "machine_type is 4; give a text"),
        ({"prediction_log": "gs://logs"}, "prediction_log needs image"),
        ({"feature_service": "http://feast/flights?keys=tail"}, "feature_service needs image"),
        ({"monitoring": "gs://verdicts"}, "monitoring needs image"),
        ({"image": "mine", "prediction_log": "logs"}, "give gs://… or s3://…"),
        ({"image": "mine", "prediction_log": "gs://logs", "prediction_log_sample": -0.1}, "prediction_log_sample=-0.1 is not a share"),
    ],
)
def test_serving_options_that_vertex_would_refuse(place: Place, serving: dict[str, Any], message: str):
    with pytest.raises(TaskError, match=message):
        place.open(serving=serving)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("vertex://my-project/us-central1", "give vertex://PROJECT/LOCATION/ENDPOINT"),
        ("vertex://my-project/Iowa/flights", "has no valid project and region"),
        ("vertex://my-project/us-central1/flights?lease=soon", "destination option lease=soon is not a number of seconds"),
        ("vertex://my-project/us-central1/flights?storage=s3://models", "Cloud Storage only"),
        ("vertex://my-project/us-central1/flights?mode=raw", "destination option mode is unknown"),
    ],
)
def test_uris_that_are_none(uri: str, message: str):
    with pytest.raises(TaskError, match=message):
        parse(uri, "flights")


def test_quota(place: Place):
    place.push("first")
    place.double.quotas["custom_model_serving_cpus"] = 2
    done = place.push("second")
    assert done.outcome == ROLLED_BACK
    assert "a quota is used up; ask for more at https://console.cloud.google.com/iam-admin/quotas?project=my-project" in done.reason
    assert place.answers("first")


@pytest.mark.parametrize(
    ("permission", "role"),
    [("aiplatform.models.upload", "roles/aiplatform.user"), ("aiplatform.endpoints.create", "roles/aiplatform.user")],
)
def test_permissions_before_anything_was_changed(place: Place, permission: str, role: str):
    place.double.denied.add(permission)
    with pytest.raises(TaskError, match=f"the permission {permission} or the resource is missing; grant {role} in project"):
        place.push("first")
    assert all(not endpoint.deployed_models for endpoint in place.double.endpoints())


def test_a_permission_to_deploy_that_is_missing_rolls_back(place: Place):
    place.push("first")
    place.double.denied.add("aiplatform.endpoints.deploy")
    done = place.push("second")
    assert (done.outcome, "the permission aiplatform.endpoints.deploy or the resource is missing" in done.reason) == (ROLLED_BACK, True)
    assert place.answers("first")


def test_a_deployment_that_fails_says_why(place: Place):
    place.push("first")
    fault = Fault(
        "DeployModel.run", code=grpc.StatusCode.FAILED_PRECONDITION, message="Model server exited unexpectedly. Logs: https://logs"
    )
    place.double.faults.add(fault)
    done = place.push("second")
    assert done.outcome == ROLLED_BACK
    assert "cannot stage v2: Model server exited unexpectedly. Logs: https://logs" in done.reason
    assert place.answers("first")


def test_an_upload_that_does_not_end_is_given_up_after_the_timeout(place: Place):
    place.push("first")
    place.double.faults.add(Fault("UploadModel.run", hang=True, after=True))
    with pytest.raises(TaskError, match=r"cannot upload the model: the operation .* has not finished after 1 s; raise the option timeout"):
        place.push("second", timeout=1)
    assert place.answers("first")
    place.double.faults.clear()
    assert place.push("second").outcome == PUSHED


def test_other_projects_regions_and_hosts(place: Place):
    options = f"api_endpoint={place.double.api_endpoint}&call_timeout=2"
    with pytest.raises(TaskError, match="may not use project other-project, or it does not exist"):
        parse(f"vertex://other-project/us-central1/flights?{options}", "flights").current()
    with pytest.raises(TaskError, match="does not serve the region europe-west4; name the region where the endpoint is"):
        parse(f"vertex://my-project/europe-west4/flights?{options}", "flights").current()
    with pytest.raises(TaskError, match="localhost:9 does not answer in time; check the network"):
        place.open(api_endpoint="localhost:9", call_timeout=0.5).current()


def test_credentials_that_are_missing_or_refused(place: Place, monkeypatch: pytest.MonkeyPatch):
    message = "the credentials are missing, expired or rejected; run `gcloud auth application-default login`"
    monkeypatch.setattr(place.double.identity, "refuses", True)
    code = f"from penstock.components.release.destinations import parse; parse({place.uri(call_timeout=5)!r}, 'flights').current()"
    environment = os.environ | place.double.environment(metadata_server=True) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    del environment["GOOGLE_APPLICATION_CREDENTIALS"]
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert message in done.stderr.splitlines()[-1]
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(TaskError, match=message):
        place.open().current()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_error_that_passes_is_not_noticed(place: Place, code: grpc.StatusCode, after: bool):
    names = ("CreateEndpoint", "GetEndpoint", "UploadModel", "DeployModel", "UpdateEndpoint", "UndeployModel", "Predict", "GetOperation")
    place.push("first")
    for name in names:
        place.double.faults.add(Fault(name, code=code, message="try again", after=after))
    assert place.push("second").outcome == PUSHED
    assert place.answers("second")


def test_a_call_that_hangs_is_given_up_and_repeated(place: Place):
    place.push("first")
    for name in ("UpdateEndpoint", "DeployModel"):
        place.double.faults.add(Fault(name, hang=True))
    assert place.push("second", call_timeout=1).outcome == PUSHED


def _renewing(place: Place, act: Callable[[], Any]) -> None:
    """Acts while the lease's holder renews it at every look."""

    def renew(_: Any) -> None:
        endpoint = place.endpoint()
        endpoint.labels["penstock_lease_until"] = str(int(endpoint.labels["penstock_lease_until"]) + 1)
        _change(place, endpoint)

    place.double.faults.add(Fault("GetEndpoint", nth=2, hook=renew))
    act()


def _change(place: Place, endpoint: aiplatform_v1.Endpoint) -> aiplatform_v1.Endpoint:
    client = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": place.double.api_endpoint})
    return client.update_endpoint(request={"endpoint": endpoint, "update_mask": {"paths": ["labels"]}})
