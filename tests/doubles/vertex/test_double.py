"""The double answers the real clients as the service does; its users' tests are worth no more than that."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import google.auth
import grpc
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from ...waiting import until
from ..models import ModelServers
from ..storage import stores
from .double import VertexDouble
from .faults import RUN, Call, Fault

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
REPOSITORY = Path(__file__).parents[3]


class DeafServers:
    """For tests without predictions."""

    def get(self, model: Path, name: str, expected: str = "") -> SimpleNamespace:
        return SimpleNamespace(url="http://127.0.0.1:9")


class Clients:
    """The generated clients, called with dicts."""

    def __init__(self, double: VertexDouble) -> None:
        options = {"api_endpoint": double.api_endpoint}
        self.double = double
        self.models = v1.ModelServiceClient(client_options=options)
        self.endpoints = v1.EndpointServiceClient(client_options=options)
        self.predictions = v1.PredictionServiceClient(client_options=options)
        self.jobs = v1.JobServiceClient(client_options=options)

    def upload(self, **fields: object) -> str:
        model = {"display_name": "flights", "container_spec": {"image_uri": IMAGE}, "artifact_uri": "gs://models/one"} | fields.pop(
            "model", {}
        )
        return self.models.upload_model({"parent": self.double.parent, "model": model} | fields).result(timeout=30).model

    def create(self, **fields: object) -> str:
        endpoint = {"display_name": "flights"} | fields.pop("endpoint", {})
        return self.endpoints.create_endpoint({"parent": self.double.parent, "endpoint": endpoint} | fields).result(timeout=30).name

    def deploy(self, endpoint: str, model: str, split: dict[str, int] | None = None, **fields: object) -> str:
        resources = {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1}
        deployed = {"model": model, "dedicated_resources": resources} | fields
        request = {"endpoint": endpoint, "deployed_model": deployed, "traffic_split": split or {}}
        return self.endpoints.deploy_model(request).result(timeout=90).deployed_model.id

    def split(self, endpoint: str) -> dict[str, int]:
        return dict(self.endpoints.get_endpoint(name=endpoint).traffic_split)

    def train(self, program: str, *pools: dict[str, object], **fields: object) -> str:
        """Creates a custom job of a chief and two workers that run a program of Python's, or of pools that have other fields."""
        container = {"image_uri": "image", "command": ["python", "-c"], "args": [program]}
        pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
        spec = {"worker_pool_specs": [pool | given for given in pools or ({}, {"replica_count": 2})]}
        job = {"display_name": "training", "job_spec": spec} | fields
        return self.jobs.create_custom_job({"parent": self.double.parent, "custom_job": job}).name

    def ended(self, job: str) -> v1.CustomJob:
        """Waits until a custom job has ended."""
        until(lambda: self.jobs.get_custom_job(name=job).end_time)
        return self.jobs.get_custom_job(name=job)


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexDouble]:
    """A double that this process' clients trust."""
    with VertexDouble(tmp_path_factory.mktemp("vertex"), DeafServers()) as double, pytest.MonkeyPatch.context() as patch:
        for name, value in double.environment().items():
            patch.setenv(name, value)
        yield double


@pytest.fixture
def double(trusting: VertexDouble, tmp_path: Path) -> VertexDouble:
    """A double without models and endpoints, with two artifacts."""
    trusting.reset()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(name)
    (tmp_path / "empty").mkdir()
    trusting.artifacts.folders = {"gs://models": tmp_path}
    return trusting


@pytest.fixture
def clients(double: VertexDouble) -> Clients:
    return Clients(double)


@pytest.fixture(scope="module")
def servers() -> Iterator[ModelServers]:
    """Real model servers."""
    with ModelServers() as pool:
        yield pool


@pytest.mark.usefixtures("trusting")
def test_the_sdk_releases_a_second_version_and_each_request_gets_the_answer_of_a_real_server(
    saved_models: Path, servers: ModelServers, tmp_path: Path
) -> None:
    probe = {name: json.loads((saved_models / name / "probe.json").read_text()) for name in ("first", "second")}
    with VertexDouble(tmp_path / "double", servers) as double:
        double.artifacts.folders["gs://models"] = saved_models
        aiplatform.init(project=double.project, location=double.location, api_endpoint=double.api_endpoint)
        upload = {"display_name": "flights", "serving_container_image_uri": IMAGE}
        first = aiplatform.Model.upload(artifact_uri="gs://models/first/model", labels={"fingerprint": "abc"}, **upload)
        second = aiplatform.Model.upload(
            artifact_uri="gs://models/second/model",
            parent_model=first.resource_name,
            is_default_version=False,
            version_aliases=["candidate"],
            **upload,
        )
        endpoint = aiplatform.Endpoint.create(display_name="flights")
        endpoint.deploy(first, machine_type="n1-standard-2")
        old = endpoint.predict(probe["first"]["instances"])
        assert old.predictions == [pytest.approx(row, abs=1e-5) for row in probe["first"]["predictions"]]
        endpoint.deploy(second, machine_type="n1-standard-2", traffic_percentage=10)
        answers = [endpoint.predict(probe["second"]["instances"]) for _ in range(100)]
        new = [answer for answer in answers if answer.model_version_id == "2"]
        assert len(new) == 10
        assert all(answer.deployed_model_id == new[0].deployed_model_id != old.deployed_model_id for answer in new)
        assert new[0].predictions == [pytest.approx(row, abs=1e-5) for row in probe["second"]["predictions"]]
        assert new[0].model_resource_name == first.resource_name
        with pytest.raises(exceptions.InvalidArgument, match="distance"):
            endpoint.predict([{"distance": "far", "carrier": "AA", "month": 1}])
        raw = Clients(double).predictions.raw_predict(
            endpoint=endpoint.resource_name, http_body={"data": json.dumps(probe["first"]).encode(), "content_type": "application/json"}
        )
        assert len(json.loads(raw.data)["predictions"]) == 2
        endpoint.undeploy(old.deployed_model_id, traffic_split={new[0].deployed_model_id: 100})
        assert {endpoint.predict(probe["second"]["instances"]).model_version_id for _ in range(5)} == {"2"}
        calls = len(double.faults.calls)
        assert double.predict(endpoint.resource_name, probe["second"]["instances"]).model_version_id == "2"
        assert len(double.faults.calls) == calls


@pytest.mark.usefixtures("trusting")
def test_a_model_that_does_not_load_fails_its_deployment_and_leaves_the_endpoint_as_it_was(servers: ModelServers, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_text("no model")
    with VertexDouble(tmp_path / "double", servers) as double:
        double.artifacts.folders["gs://models"] = tmp_path
        clients = Clients(double)
        endpoint, model = clients.create(), clients.upload(model={"artifact_uri": "gs://models/broken"})
        with pytest.raises(exceptions.FailedPrecondition, match=r"Model server exited unexpectedly\."):
            clients.deploy(endpoint, model, {"0": 100})
        assert not clients.endpoints.get_endpoint(name=endpoint).deployed_models


def test_an_operation_that_fails_has_no_effect(clients: Clients, double: VertexDouble) -> None:
    endpoint, model = clients.create(), clients.upload()
    double.faults.add(Fault("DeployModel" + RUN, code=grpc.StatusCode.RESOURCE_EXHAUSTED, message="no machines left"))
    with pytest.raises(exceptions.ResourceExhausted, match="no machines left"):
        clients.deploy(endpoint, model, {"0": 100})
    assert not clients.endpoints.get_endpoint(name=endpoint).deployed_models
    clients.deploy(endpoint, model, {"0": 100})


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"model": {"display_name": ""}}, exceptions.InvalidArgument, "model.display_name"),
        ({"model": {"display_name": "x" * 129}}, exceptions.InvalidArgument, "128 characters"),
        ({"model": {"labels": {"Upper": "x"}}}, exceptions.InvalidArgument, "lowercase"),
        ({"model": {"labels": {"a": "v" * 64}}}, exceptions.InvalidArgument, "less than 64 characters"),
        ({"model": {"labels": {f"k{n}": "v" for n in range(65)}}}, exceptions.InvalidArgument, "no more than 64 labels"),
        ({"model": {"version_aliases": ["1st"]}}, exceptions.InvalidArgument, "alias '1st'"),
        ({"model": {"container_spec": {}}}, exceptions.InvalidArgument, "image_uri"),
        ({"model": {"container_spec": {"image_uri": "ghcr.io/me/server:1"}}}, exceptions.InvalidArgument, "Artifact Registry"),
        ({"model": {"container_spec": {"image_uri": IMAGE, "predict_route": "v1"}}}, exceptions.InvalidArgument, "start with '/'"),
        ({"model": {"artifact_uri": "s3://models/one"}}, exceptions.InvalidArgument, "gs://"),
        ({"model": {"artifact_uri": "gs://models/empty"}}, exceptions.FailedPrecondition, "Cannot find any objects"),
        ({"model": {"artifact_uri": "gs://models/missing"}}, exceptions.FailedPrecondition, "Cannot find any objects"),
        ({"model_id": "1st"}, exceptions.InvalidArgument, "Model ID '1st'"),
        ({"parent": "projects/my-project"}, exceptions.InvalidArgument, "Invalid resource name"),
        ({"parent": "projects/my-project/locations/europe-west4"}, exceptions.InvalidArgument, "valid location ID is `us-central1`"),
        ({"parent": "projects/other/locations/us-central1"}, exceptions.PermissionDenied, "Permission denied on resource project other"),
        ({"parent_model": "projects/my-project/locations/us-central1/models/7"}, exceptions.NotFound, "models/7"),
    ],
)
def test_an_upload_that_the_service_does_not_take(clients: Clients, fields: dict, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        clients.upload(**fields)
    assert not clients.double.models()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"endpoint": {"display_name": ""}}, "endpoint.display_name"),
        ({"endpoint": {"labels": {"key": "UPPER"}}}, "endpoint.labels"),
        ({"endpoint": {"traffic_split": {"1": 100}}}, "not deployed"),
        ({"endpoint_id": "Flights"}, "Endpoint ID 'Flights'"),
        ({"endpoint_id": "0123"}, "Endpoint ID '0123'"),
    ],
)
def test_an_endpoint_that_the_service_does_not_create(clients: Clients, fields: dict, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=text):
        clients.create(**fields)
    assert not clients.double.endpoints()


def _resources(**fields: object) -> dict:
    return {"dedicated_resources": {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1} | fields}


@pytest.mark.parametrize(
    ("split", "fields", "text"),
    [
        ({"0": 90}, {}, "add up to 100"),
        ({"0": 100, "77": 0}, {}, "77"),
        ({"0": 100}, _resources(min_replica_count=0), "min_replica_count"),
        ({"0": 100}, _resources(min_replica_count=3, max_replica_count=2), "max_replica_count"),
        ({"0": 100}, _resources(machine_spec={"machine_type": "n1-standard-3"}), 'Machine type "n1-standard-3" is not supported'),
        (
            {"0": 100},
            _resources(machine_spec={"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}),
            "NVIDIA_L4",
        ),
        ({"0": 100}, _resources(machine_spec={"machine_type": "g2-standard-4"}), "g2-standard-4"),
        ({"0": 100}, _resources(machine_spec={"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4"}), "set together"),
        ({"0": 100}, _resources(autoscaling_metric_specs=[{"metric_name": "cpu", "target": 50}]), "Autoscaling metric 'cpu'"),
        ({"0": 100}, {"dedicated_resources": None}, "prediction_resources"),
        (
            {"0": 100},
            {"dedicated_resources": None, "automatic_resources": {"min_replica_count": 1}},
            "'automatic_resources' is not supported",
        ),
        ({"0": 100}, {"id": "abc"}, "1-10 characters"),
        ({"0": 100}, {"service_account": "me"}, "service_account"),
    ],
)
def test_a_deployment_that_the_service_does_not_take(clients: Clients, split: dict, fields: dict, text: str) -> None:
    endpoint, model = clients.create(), clients.upload()
    with pytest.raises(exceptions.InvalidArgument, match=text):
        clients.deploy(endpoint, model, split, **fields)
    assert not clients.endpoints.get_endpoint(name=endpoint).deployed_models


@pytest.mark.parametrize(
    "machine",
    [
        {"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2},
        {"machine_type": "g2-standard-24", "accelerator_type": "NVIDIA_L4", "accelerator_count": 2},
        {"machine_type": "a2-highgpu-1g", "accelerator_type": "NVIDIA_TESLA_A100", "accelerator_count": 1},
    ],
)
def test_accelerators_that_go_with_their_machines(clients: Clients, machine: dict) -> None:
    clients.deploy(clients.create(), clients.upload(), {"0": 100}, **_resources(machine_spec=machine))


def test_names_have_the_number_of_the_project_whatever_the_caller_wrote(clients: Clients) -> None:
    name = clients.upload(parent="projects/my-project/locations/us-central1", model_id="flights")
    assert name == "projects/123456789012/locations/us-central1/models/flights"
    assert clients.models.get_model(name="projects/my-project/locations/us-central1/models/flights").name == name


def test_what_exists_is_not_made_again(clients: Clients) -> None:
    clients.upload(model_id="flights")
    clients.create(endpoint_id="flights")
    with pytest.raises(exceptions.AlreadyExists, match="models/flights"):
        clients.upload(model_id="flights")
    with pytest.raises(exceptions.AlreadyExists, match="endpoints/flights"):
        clients.create(endpoint_id="flights")


def test_a_model_over_the_size_limit(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.double.artifacts, "most_bytes", 2)
    with pytest.raises(exceptions.FailedPrecondition, match="gs://models/one has 3 bytes"):
        clients.upload()


def test_an_artifact_in_a_bucket_is_copied_at_its_upload(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stores(tmp_path, "bucket") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        files = fsspec.filesystem("gs", token="anon")
        files.pipe("bucket/flights/saved_model.pb", b"bytes")
        with pytest.raises(exceptions.FailedPrecondition, match="gs://bucket/other"):
            clients.upload(model={"artifact_uri": "gs://bucket/other"})
        clients.upload(model={"artifact_uri": "gs://bucket/flights/"})
        assert len(clients.double.models()) == 1


def test_everything_can_be_made_as_it_was(clients: Clients) -> None:
    endpoint, model = clients.create(), clients.upload()
    first = clients.deploy(endpoint, model, {"0": 100})
    before = clients.double.saved()
    for _ in range(2):
        clients.deploy(endpoint, clients.upload(parent_model=model), {"0": 100})
        clients.create()
        assert len(clients.double.endpoints()) == len(clients.double.models()) == 2
        clients.double.reset(before)
        assert [version.version_id for version in clients.double.models()] == ["1"]
        assert clients.split(endpoint) == {first: 100}


def test_versions_and_their_aliases(clients: Clients) -> None:
    name = clients.upload(model={"labels": {"team": "air"}, "version_aliases": ["champion"]})
    clients.upload(parent_model=name, model={"version_aliases": ["candidate"], "labels": {"fingerprint": "f2"}})
    merge = clients.models.merge_version_aliases
    assert clients.models.get_model(name=name).version_id == "1"
    assert list(clients.models.get_model(name=f"{name}@candidate").version_aliases) == ["candidate"]
    merge(name=f"{name}@2", version_aliases=["champion", "default", "-candidate"])
    assert list(clients.models.get_model(name=f"{name}@champion").version_aliases) == ["champion", "default"]
    versions = list(clients.models.list_model_versions(name=name))
    assert [(version.name, list(version.version_aliases)) for version in versions] == [
        (f"{name}@2", ["champion", "default"]),
        (f"{name}@1", []),
    ]
    assert [item.version_id for item in clients.models.list_model_versions(request={"name": name, "filter": "labels.fingerprint=f2"})] == [
        "2"
    ]
    with pytest.raises(exceptions.FailedPrecondition, match="'default' cannot be removed"):
        merge(name=f"{name}@2", version_aliases=["-default"])
    with pytest.raises(exceptions.InvalidArgument, match="version ID explicitly"):
        merge(name=name, version_aliases=["champion"])
    with pytest.raises(exceptions.NotFound):
        clients.models.get_model(name=f"{name}@candidate")
    with pytest.raises(exceptions.FailedPrecondition, match="default version"):
        clients.models.delete_model_version(name=f"{name}@2")
    clients.models.delete_model_version(name=f"{name}@1").result(timeout=30)
    assert [version.version_id for version in clients.models.list_model_versions(name=name)] == ["2"]
    clients.upload(parent_model=name)
    assert clients.models.get_model(name=f"{name}@3").version_id == "3"


def test_a_model_and_its_versions_have_labels_of_their_own(clients: Clients) -> None:
    name = clients.upload(model={"labels": {"fingerprint": "f1"}})
    update = clients.models.update_model
    update(model={"name": name, "labels": {"team": "air"}}, update_mask={"paths": ["labels"]})
    update(model={"name": f"{name}@1", "version_description": "first"}, update_mask={"paths": ["version_description"]})
    model = clients.models.get_model(name=name)
    assert (dict(model.labels), model.version_description) == ({"fingerprint": "f1", "team": "air"}, "first")
    with pytest.raises(exceptions.FailedPrecondition, match="do not belong"):
        update(model={"name": name, "version_description": "x"}, update_mask={"paths": ["version_description"]})
    with pytest.raises(exceptions.InvalidArgument, match="artifact_uri"):
        update(model={"name": name, "artifact_uri": "gs://models/two"}, update_mask={"paths": ["artifact_uri"]})
    with pytest.raises(exceptions.InvalidArgument, match="update_mask"):
        update(model={"name": name}, update_mask={"paths": []})


def test_lists_are_filtered_ordered_and_paged(clients: Clients) -> None:
    for name, stage in (("a", "old"), ("b", "new"), ("c", "new")):
        clients.create(endpoint_id=name, endpoint={"display_name": f"flights {name}", "labels": {"stage": stage}})

    def found(**fields: object) -> str:
        listed = clients.endpoints.list_endpoints({"parent": clients.double.parent} | fields)
        return "".join(endpoint.name[-1] for endpoint in listed)

    assert found() == "cba"
    assert found(page_size=1, order_by="display_name") == "abc"
    assert found(filter='display_name="flights b"') == found(filter='displayName="flights b"') == found(filter="endpoint=b") == "b"
    assert found(filter="labels.stage=new", order_by="create_time desc") == "cb"
    assert found(filter='labels.stage=new AND display_name!="flights c"') == "b"
    assert found(filter="labels.missing:*") == ""
    assert found(filter="labels:stage") == "cba"
    for wrong in ('color="red"', 'display_name="open'):
        with pytest.raises(exceptions.InvalidArgument, match="filter"):
            found(filter=wrong)


def test_of_two_who_read_the_same_endpoint_only_the_first_writes(clients: Clients) -> None:
    name = clients.create()
    read = clients.endpoints.get_endpoint(name=name)
    change = {"update_mask": {"paths": ["labels"]}}
    written = clients.endpoints.update_endpoint(endpoint={"name": name, "etag": read.etag, "labels": {"lease": "me"}}, **change)
    assert written.etag != read.etag
    with pytest.raises(exceptions.Aborted, match="etag"):
        clients.endpoints.update_endpoint(endpoint={"name": name, "etag": read.etag, "labels": {"lease": "you"}}, **change)
    assert dict(clients.endpoints.get_endpoint(name=name).labels) == {"lease": "me"}
    clients.endpoints.update_endpoint(endpoint={"name": name, "labels": {"lease": "blind"}}, **change)
    assert dict(clients.endpoints.get_endpoint(name=name).labels) == {"lease": "blind"}


def test_traffic_goes_only_to_what_is_deployed_and_what_has_traffic_stays(clients: Clients) -> None:
    endpoint, model = clients.create(), clients.upload()
    first = clients.deploy(endpoint, model)
    with pytest.raises(exceptions.FailedPrecondition, match="doesn't have traffic_split"):
        clients.predictions.predict(endpoint=endpoint, instances=[{}])
    second = clients.deploy(endpoint, model, {"0": 30, first: 70})
    assert clients.split(endpoint) == {first: 70, second: 30}
    update = clients.endpoints.update_endpoint
    for wrong in ({first: 99}, {first: 50, "5": 50}, {first: 110, second: -10}):
        with pytest.raises(exceptions.InvalidArgument, match="traffic"):
            update(endpoint={"name": endpoint, "traffic_split": wrong}, update_mask={"paths": ["traffic_split"]})
    undeploy = clients.endpoints.undeploy_model
    with pytest.raises(exceptions.FailedPrecondition, match="30% of the traffic"):
        undeploy(endpoint=endpoint, deployed_model_id=second)
    with pytest.raises(exceptions.FailedPrecondition, match="deployed or being-deployed"):
        clients.endpoints.delete_endpoint(name=endpoint)
    with pytest.raises(exceptions.FailedPrecondition, match="deployed at the following"):
        clients.models.delete_model(name=model)
    undeploy(endpoint=endpoint, deployed_model_id=second, traffic_split={first: 100}).result(timeout=30)
    assert clients.split(endpoint) == {first: 100}
    with pytest.raises(exceptions.NotFound):
        undeploy(endpoint=endpoint, deployed_model_id=second)
    undeploy(endpoint=endpoint, deployed_model_id=first).result(timeout=30)
    assert clients.split(endpoint) == {}
    clients.endpoints.delete_endpoint(name=endpoint).result(timeout=30)
    with pytest.raises(exceptions.NotFound, match="endpoints/"):
        clients.endpoints.get_endpoint(name=endpoint)


def test_replicas_change_within_a_deployment(clients: Clients) -> None:
    endpoint = clients.create()
    key = clients.deploy(endpoint, clients.upload(), {"0": 100})
    mutate = clients.endpoints.mutate_deployed_model
    wanted = {"id": key, "dedicated_resources": {"max_replica_count": 4}}
    mask = {"paths": ["dedicated_resources.max_replica_count"]}
    mutate(endpoint=endpoint, deployed_model=wanted, update_mask=mask).result(timeout=30)
    (deployed,) = clients.endpoints.get_endpoint(name=endpoint).deployed_models
    assert (deployed.dedicated_resources.min_replica_count, deployed.dedicated_resources.max_replica_count) == (1, 4)
    with pytest.raises(exceptions.InvalidArgument, match="not supported"):
        mutate(endpoint=endpoint, deployed_model=wanted, update_mask={"paths": ["model"]})


def test_a_deployment_over_the_quota_says_which(clients: Clients) -> None:
    clients.double.quotas["custom_model_serving_cpus"] = 4
    endpoint, model = clients.create(), clients.upload()
    first = clients.deploy(endpoint, model, {"0": 100})
    with pytest.raises(exceptions.ResourceExhausted, match=r"aiplatform\.googleapis\.com/custom_model_serving_cpus"):
        clients.deploy(endpoint, model, **_resources(max_replica_count=2))
    assert clients.split(endpoint) == {first: 100}


def test_who_lacks_a_permission_learns_which_and_on_what(clients: Clients) -> None:
    endpoint = clients.create()
    clients.double.denied.add("aiplatform.endpoints.get")
    with pytest.raises(exceptions.PermissionDenied) as refused:
        clients.endpoints.get_endpoint(name=endpoint)
    assert f"Permission 'aiplatform.endpoints.get' denied on resource '//aiplatform.googleapis.com/{endpoint}'" in str(refused.value)
    assert refused.value.reason == "IAM_PERMISSION_DENIED"


def test_who_gives_a_service_account_must_be_allowed_to_act_as_it(clients: Clients) -> None:
    endpoint, model = clients.create(), clients.upload()
    clients.double.denied.add("iam.serviceAccounts.actAs")
    with pytest.raises(exceptions.PermissionDenied, match=r"act as service account: serve@p\.iam"):
        clients.deploy(endpoint, model, {"0": 100}, service_account="serve@p.iam.gserviceaccount.com")
    clients.deploy(endpoint, model, {"0": 100})


def test_an_expired_token_is_refused_and_a_new_one_taken(clients: Clients) -> None:
    endpoint = clients.create()
    time.sleep(1)  # a token's times are whole seconds
    clients.double.identity.expire()
    with pytest.raises(exceptions.Unauthenticated, match="invalid authentication credentials"):
        clients.endpoints.get_endpoint(name=endpoint)
    time.sleep(1)
    assert Clients(clients.double).endpoints.get_endpoint(name=endpoint).name == endpoint


def test_who_has_no_token_is_refused(double: VertexDouble) -> None:
    roots = grpc.ssl_channel_credentials()
    with grpc.secure_channel(double.api_endpoint, roots) as channel:
        ask = channel.unary_unary("/google.cloud.aiplatform.v1.ModelService/GetModel")
        with pytest.raises(grpc.RpcError) as refused:
            ask(b"", timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "missing required authentication credential" in refused.value.details()


def test_an_operation_takes_its_time_and_others_on_the_endpoint_wait_for_it(clients: Clients) -> None:
    endpoint, model = clients.create(), clients.upload()
    clients.double.operations.seconds = 1.0
    request = {"endpoint": endpoint, "traffic_split": {"0": 100}, "deployed_model": {"model": model} | _resources()}
    deploying = clients.endpoints.deploy_model(request)
    assert not deploying.done()
    assert not clients.endpoints.get_endpoint(name=endpoint).deployed_models
    with pytest.raises(exceptions.FailedPrecondition, match=deploying.operation.name):
        clients.endpoints.deploy_model(request)
    (running,) = [item for item in clients.endpoints.list_operations({"name": endpoint}).operations if not item.done]
    assert running.name == deploying.operation.name
    finished = clients.endpoints.wait_operation({"name": running.name, "timeout": {"seconds": 20}})
    assert operations_pb2.Operation.FromString(finished).done  # this client forgets to parse it
    assert deploying.result(timeout=30).deployed_model.model == model


def test_a_cancelled_operation_has_no_effect(clients: Clients) -> None:
    clients.double.operations.seconds = 5.0
    creating = clients.endpoints.create_endpoint(parent=clients.double.parent, endpoint={"display_name": "flights"})
    creating.cancel()
    with pytest.raises(exceptions.Cancelled):
        creating.result(timeout=30)
    assert not clients.double.endpoints()


def test_the_nth_call_fails_once_and_all_are_recorded(clients: Clients) -> None:
    name = clients.create()
    clients.double.faults.clear()
    clients.double.faults.add(Fault(nth=2, code=grpc.StatusCode.RESOURCE_EXHAUSTED, message="slow down"))
    get = clients.endpoints.get_endpoint
    get(name=name)
    with pytest.raises(exceptions.ResourceExhausted, match="slow down"):
        get(name=name)
    get(name=name)
    assert [(call.number, call.name, call.status.name) for call in clients.double.faults.calls] == [
        (1, "GetEndpoint", "OK"),
        (2, "GetEndpoint", "RESOURCE_EXHAUSTED"),
        (3, "GetEndpoint", "OK"),
    ]


@pytest.mark.parametrize("after", [False, True])
def test_a_fault_strikes_before_or_after_the_effect(clients: Clients, after: bool) -> None:
    name = clients.create()
    clients.double.faults.add(Fault("UpdateEndpoint", code=grpc.StatusCode.INTERNAL, after=after))
    with pytest.raises(exceptions.InternalServerError):
        clients.endpoints.update_endpoint(endpoint={"name": name, "description": "new"}, update_mask={"paths": ["description"]})
    assert clients.endpoints.get_endpoint(name=name).description == ("new" if after else "")


@pytest.mark.parametrize("after", [False, True])
def test_a_call_that_hangs_ends_with_the_clients_patience(clients: Clients, after: bool) -> None:
    name = clients.create()
    clients.double.faults.add(Fault("UpdateEndpoint", hang=True, after=after))
    change = {"endpoint": {"name": name, "description": "new"}, "update_mask": {"paths": ["description"]}}
    with pytest.raises(exceptions.DeadlineExceeded):
        clients.endpoints.update_endpoint(change, timeout=0.5)
    time.sleep(0.3)
    assert clients.endpoints.get_endpoint(name=name).description == ("new" if after else "")


def test_a_fault_waits_looks_at_the_request_and_calls_back(clients: Clients) -> None:
    wanted, other = clients.create(endpoint_id="wanted"), clients.create(endpoint_id="other")
    seen: list[Call] = []
    clients.double.faults.add(Fault("Get*", when=lambda call: call.request.name == wanted, seconds=0.4, hook=seen.append))
    times = []
    for name in (other, wanted, wanted):
        started = time.monotonic()
        clients.endpoints.get_endpoint(name=name)
        times.append(time.monotonic() - started)
    assert times[1] >= 0.4 > times[2]
    assert [call.request.name for call in seen] == [wanted]


def test_an_operation_that_never_ends_does_when_the_faults_are_cleared(clients: Clients) -> None:
    clients.double.faults.add(Fault("CreateEndpoint" + RUN, hang=True))
    creating = clients.endpoints.create_endpoint(parent=clients.double.parent, endpoint={"display_name": "flights"})
    assert not creating.done()
    threading.Timer(0.2, clients.double.faults.clear).start()
    with pytest.raises(exceptions.Cancelled):
        creating.result(timeout=30)


@pytest.fixture
def run_client(double: VertexDouble) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a client in a process of its own, with nothing but variables of the double."""

    def run(variables: dict[str, str], api_endpoint: str, code: str) -> subprocess.CompletedProcess:
        lines = f"from google.cloud import aiplatform\naiplatform.init(project='my-project', location='us-central1', api_endpoint={api_endpoint!r})\n"
        clean = {name: value for name, value in os.environ.items() if name not in double.environment()}
        return subprocess.run(
            [sys.executable, "-c", lines + code], env=clean | variables, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_a_pod_gets_its_tokens_from_the_machine(clients: Clients, run_client: Callable[..., subprocess.CompletedProcess]) -> None:
    clients.create(endpoint={"display_name": "here"})
    variables = clients.double.environment(metadata_server=True)
    code = "print([endpoint.display_name for endpoint in aiplatform.Endpoint.list()])"
    done = run_client(variables, clients.double.api_endpoint, code)
    assert done.stdout.strip() == "['here']", done.stderr


@pytest.mark.parametrize("arrives", [False, True])
def test_a_client_is_killed_at_its_second_call_which_has_its_effect_if_it_arrived(
    clients: Clients, double: VertexDouble, arrives: bool
) -> None:
    code = (
        "from google.cloud import aiplatform_v1 as v1\n"
        f"client = v1.EndpointServiceClient(client_options={{'api_endpoint': {double.api_endpoint!r}}})\n"
        f"for name in 'ab':\n client.create_endpoint(parent={double.parent!r}, endpoint={{'display_name': name}})\n"
    )
    status = None if arrives else grpc.StatusCode.UNAVAILABLE
    double.faults.add(Fault(nth=2, hook=lambda _: process.kill(), code=status))
    process = subprocess.Popen([sys.executable, "-c", code])
    assert process.wait(60) == -signal.SIGKILL
    until = time.monotonic() + 5
    while len(double.endpoints()) < 1 + arrives and time.monotonic() < until:
        time.sleep(0.05)
    assert [endpoint.display_name for endpoint in double.endpoints()] == (["a", "b"] if arrives else ["a"])


def test_it_runs_as_a_process_of_its_own(tmp_path: Path, run_client: Callable[..., subprocess.CompletedProcess]) -> None:
    folder = tmp_path / "double"
    python_path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(REPOSITORY)])
    command = [
        sys.executable,
        "-m",
        "tests.doubles.vertex",
        "--port",
        "0",
        "--rest-port",
        "0",
        "--folder",
        str(folder),
        "--bucket",
        f"gs://models={tmp_path}",
    ]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": python_path}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("listens on localhost:")
        client = json.loads((folder / "environment.json").read_text())
        code = "print(aiplatform.Endpoint.create(display_name='flights').display_name)"
        done = run_client(client["environment"], client["api_endpoint"], code)
        assert done.stdout.strip().endswith("flights"), done.stderr
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("pools", "fields", "text"),
    [
        ((), {"display_name": ""}, "display_name; Message: Required field is not set"),
        (({"machine_spec": {}},), {}, r"worker_pool_specs\[0\].machine_spec.machine_type; Message: Required field is not set"),
        (({}, {"replica_count": 0}), {}, r"worker_pool_specs\[1\].replica_count; Message: Required field is not set"),
        (({"replica_count": 2},), {}, "The first worker pool must have one replica"),
        (({"container_spec": {}},), {}, "container_spec.image_uri; Message: Required field is not set"),
        (({"machine_spec": {"machine_type": "n1-standard-3"}},), {}, 'Machine type "n1-standard-3" is not supported'),
        ((), {"labels": {"Team": "flights"}}, "lowercase letters"),
    ],
)
def test_a_custom_job_that_the_service_does_not_take(clients: Clients, pools: tuple, fields: dict, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=text):
        clients.train("", *pools, **fields)


def test_a_custom_job_over_the_quota_says_which(clients: Clients) -> None:
    clients.double.quotas["custom_model_training_cpus"] = 11
    with pytest.raises(exceptions.ResourceExhausted, match=r"aiplatform\.googleapis\.com/custom_model_training_cpus"):
        clients.train("")


def test_a_custom_job_over_http_has_no_unknown_fields(double: VertexDouble) -> None:
    session = AuthorizedSession(google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0])
    body = {"displayName": "training", "jobSpec": {"workerPools": []}}
    refused = session.post(f"{double.rest_endpoint}/v1/{double.parent}/customJobs", json=body)
    assert (refused.status_code, "workerPools" in refused.json()["error"]["message"]) == (400, True)


def test_the_replicas_of_a_custom_job_know_each_other_and_end_with_the_chief(clients: Clients) -> None:
    program = "import os, time; text = os.environ['TF_CONFIG']; print(text, flush=True); '\"type\": \"chief\"' in text or time.sleep(600)"
    job = clients.ended(clients.train(program))
    assert job.state == v1.JobState.JOB_STATE_SUCCEEDED
    (line, *_) = clients.double.custom_jobs.log(job.name.rpartition("/")[2])
    config = json.loads(line.text)
    assert {kind: len(hosts) for kind, hosts in config["cluster"].items()} == {"chief": 1, "worker": 2}
    assert config["environment"] == "cloud"
    with pytest.raises(exceptions.FailedPrecondition, match="cannot be cancelled"):
        clients.jobs.cancel_custom_job(name=job.name)


def test_a_custom_job_fails_with_a_replica_and_says_which(clients: Clients) -> None:
    job = clients.ended(clients.train("import os, sys; print('no more'); sys.exit(3)", {}))
    assert (job.state, job.error.code) == (v1.JobState.JOB_STATE_FAILED, 3)
    assert job.error.message.startswith(
        "The replica workerpool0-0 exited with a non-zero status of 3. Termination reason: Error. \nno more\n"
    )


def test_a_custom_job_is_queued_without_machines_and_can_be_canceled(clients: Clients) -> None:
    clients.double.custom_jobs.lacks_machines = True
    name = clients.train("")
    assert clients.jobs.get_custom_job(name=name).state == v1.JobState.JOB_STATE_QUEUED
    clients.jobs.cancel_custom_job(name=name)
    assert clients.ended(name).state == v1.JobState.JOB_STATE_CANCELLED
    assert [job.name for job in clients.jobs.list_custom_jobs(parent=clients.double.parent)] == [name]
