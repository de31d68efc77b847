"""The double takes, refuses, runs and tells what Vertex AI Pipelines does, over both transports, to the real clients."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import google.auth
import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform
from google.cloud import aiplatform_v1 as v1
from google.cloud.aiplatform_v1 import PipelineState, PipelineTaskDetail
from google.protobuf import json_format

from ....doubles.vertex.double import VertexDouble
from ....doubles.vertex.faults import Fault
from ...pipelines import branches, chain, compiled, failing, gate, handled, loop, nested_gates, optional, retried, to, waiting

State = PipelineTaskDetail.State
SECONDS = 60


class Client:
    """The real clients over one transport, with pipelines that need no image."""

    def __init__(self, double: VertexDouble, transport: str, folder: Path) -> None:
        endpoint = double.api_endpoint if transport == "grpc" else double.rest_endpoint
        aiplatform.init(project=double.project, location=double.location, api_endpoint=endpoint, api_transport=transport)
        options: dict[str, Any] = {"client_options": {"api_endpoint": endpoint}, "transport": transport}
        self.double = double
        self.jobs = v1.PipelineServiceClient(**options)
        self.schedules = v1.ScheduleServiceClient(**options)
        self.metadata = v1.MetadataServiceClient(**options)
        self.folder = folder

    def job(self, pipeline: Any, key: str, **fields: Any) -> aiplatform.PipelineJob:
        values = {"folder": to(self.folder)} | fields.pop("parameter_values", {})
        given = {"display_name": key, "pipeline_root": "gs://bucket/root", "parameter_values": values} | fields
        return aiplatform.PipelineJob(template_path=str(compiled(pipeline, self.folder)), job_id=key, **given)

    def request(self, pipeline: Any, key: str, **fields: Any) -> v1.PipelineJob:
        """Returns what the SDK would send."""
        return v1.PipelineJob(json_format.ParseDict(self.job(pipeline, key, **fields).to_dict(), v1.PipelineJob.pb(v1.PipelineJob())))

    def submit(self, pipeline: Any, key: str, **fields: Any) -> str:
        """Creates a job without asking for its bucket's owner, which is unknown here."""
        return self.create(self.request(pipeline, key, **fields), key)

    def create(self, job: Any, key: str = "") -> str:
        return self.jobs.create_pipeline_job(parent=self.double.parent, pipeline_job=job, pipeline_job_id=key).name

    def wait(self, name: str) -> v1.PipelineJob:
        until = time.monotonic() + SECONDS
        while (job := self.jobs.get_pipeline_job(name=name)).state.value not in (4, 5, 7):
            assert time.monotonic() < until, job.state
            time.sleep(0.1)
        return job

    def until(self, name: str, holds: Callable[[v1.PipelineJob], bool]) -> v1.PipelineJob:
        until = time.monotonic() + SECONDS
        while not holds(job := self.jobs.get_pipeline_job(name=name)):
            assert time.monotonic() < until, job.state
            time.sleep(0.1)
        return job


@pytest.fixture(params=["grpc", "rest"])
def client(vertex: VertexDouble, request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return Client(vertex, request.param, tmp_path)


@pytest.fixture
def grpc_client(vertex: VertexDouble, tmp_path: Path) -> Client:
    """For what has nothing to do with the transport."""
    return Client(vertex, "grpc", tmp_path)


def details(job: v1.PipelineJob) -> dict[str, PipelineTaskDetail]:
    return {detail.task_name: detail for detail in job.job_detail.task_details}


def test_a_job_runs_its_tasks_and_tells_their_states_outputs_and_artifacts(client: Client, tmp_path: Path) -> None:
    name = client.submit(chain, "chain-1", labels={"team": "flights"})
    assert name == f"{client.double.parent}/pipelineJobs/chain-1"
    assert client.jobs.get_pipeline_job(name=name).state in (PipelineState.PIPELINE_STATE_PENDING, PipelineState.PIPELINE_STATE_RUNNING)
    job = client.wait(name)
    assert job.state == PipelineState.PIPELINE_STATE_SUCCEEDED
    assert job.create_time <= job.start_time <= job.end_time
    assert job.labels["team"] == "flights"
    seen = details(job)
    assert {key: detail.state.name for key, detail in seen.items()} == {"chain-1": "SUCCEEDED", "write": "SUCCEEDED", "read": "SUCCEEDED"}
    (artifact,) = seen["write"].outputs["artifact"].artifacts
    assert artifact.uri.startswith("gs://bucket/root/")
    assert (tmp_path / "bucket" / artifact.uri.removeprefix("gs://bucket/")).read_text() == "same"
    assert artifact.schema_title.startswith("system.")
    assert seen["write"].parent_task_id == seen["chain-1"].task_id
    assert seen["write"].executor_detail.container_detail.main_job.startswith(f"{client.double.parent}/customJobs/")
    assert seen["read"].execution.schema_title == "system.ContainerExecution"
    assert seen["read"].inputs["artifact"].artifacts == [artifact], "the same one, by the same name"
    assert seen["chain-1"].execution.metadata["input:text"] == "same"
    assert (tmp_path / "read").read_text() == "same\n"


def test_what_a_condition_skips_is_not_triggered_and_its_tasks_are_not_listed(client: Client) -> None:
    seen = details(client.wait(client.submit(gate, "closed", parameter_values={"text": "not_blessed"})))
    assert seen["condition-1"].state == State.NOT_TRIGGERED
    assert "say" not in seen
    made = json_format.MessageToDict(type(seen["make"].execution).pb(seen["make"].execution))["metadata"]
    assert made["input:text"] == made["output:verdict"] == "not_blessed"
    assert (made["output:count"], made["output:share"], made["output:good"], made["output:items"]) == (3, 0.5, True, ["a", "b", "c"])


def test_a_second_job_takes_from_the_cache_unless_its_spec_says_not_to(client: Client) -> None:
    for key, caching, state in (("first", None, State.SUCCEEDED), ("second", None, State.SKIPPED), ("third", False, State.SUCCEEDED)):
        made = details(client.wait(client.submit(gate, key, enable_caching=caching)))["make"]
        assert made.state == state
        assert made.execution.metadata["output:verdict"] == "blessed"
        assert bool(made.executor_detail.container_detail.main_job) == (state == State.SUCCEEDED)


def test_iterations_lie_below_their_loop(grpc_client: Client) -> None:
    job = grpc_client.wait(grpc_client.submit(loop, "loop"))
    names = {detail.task_id: detail.task_name for detail in job.job_detail.task_details}
    above = [names[detail.parent_task_id] for detail in job.job_detail.task_details if detail.task_name == "say"]
    assert sorted(above) == ["for-loop-1-0", "for-loop-1-1", "for-loop-1-2"]
    detail = next(detail for detail in job.job_detail.task_details if detail.task_unique_name == "for-loop-1.for-loop-1-1.say")
    assert detail.execution.metadata["input:name"] == "items"
    assert detail.execution.metadata["input:text"] == "b"


@pytest.mark.parametrize(
    ("pipeline", "values", "states"),
    [
        (
            branches,
            {"text": "b"},
            {"condition-2": "NOT_TRIGGERED", "condition-3": "SUCCEEDED", "write-2": "SUCCEEDED", "read": "SUCCEEDED"},
        ),
        (nested_gates, {"least": 4}, {"condition-1": "NOT_TRIGGERED", "make": "SUCCEEDED"}),
        (handled, {}, {"exit-handler-1": "FAILED", "fail": "FAILED", "final": "SUCCEEDED"}),
        (optional, {}, {"say-optional": "SUCCEEDED"}),
        (retried, {}, {"fail-once": "SUCCEEDED"}),
    ],
)
def test_every_kind_of_task_is_listed(grpc_client: Client, pipeline: Any, values: dict[str, Any], states: dict[str, str]) -> None:
    seen = details(grpc_client.wait(grpc_client.submit(pipeline, "job", parameter_values=values)))
    assert states.items() <= {name: detail.state.name for name, detail in seen.items()}.items()


def test_a_failed_job_names_the_tasks_and_a_task_its_log(client: Client) -> None:
    job = client.wait(client.submit(failing, "failing"))
    assert job.state == PipelineState.PIPELINE_STATE_FAILED
    assert "The failed tasks are: [fail]." in job.error.message
    failed = details(job)["fail"]
    assert failed.state == State.FAILED
    number = failed.executor_detail.container_detail.main_job.rpartition("/")[2]
    assert f"resource=ml_job%2Fjob_id%2F{number}" in failed.error.message
    assert "say" not in details(job)


def test_logs_are_read_page_after_page_by_who_has_a_token(grpc_client: Client) -> None:
    job = grpc_client.wait(grpc_client.submit(failing, "failing"))
    number = details(job)["fail"].executor_detail.container_detail.main_job.rpartition("/")[2]
    url = f"{grpc_client.double.rest_endpoint}/v2/entries:list"
    asked = {
        "resourceNames": ["projects/my-project"],
        "filter": f'resource.type="ml_job" AND resource.labels.job_id="{number}"',
        "pageSize": 1,
    }
    assert requests.post(url, json=asked, timeout=SECONDS).status_code == 401
    lines, token = [], ""
    with AuthorizedSession(google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])[0]) as session:
        while token is not None:
            answer = session.post(url, json=asked | {"pageToken": token}, timeout=SECONDS).json()
            lines += [entry["jsonPayload"]["message"] for entry in answer["entries"]]
            token = answer.get("nextPageToken")
        foreign = session.post(url, json=asked | {"resourceNames": ["projects/other"]}, timeout=SECONDS)
    assert "the last words of a task\n" in lines
    assert foreign.status_code == 403


def test_a_cancelled_job_ends_its_tasks_and_only_one_that_has_ended_is_deleted(client: Client) -> None:
    name = client.submit(waiting, "waiting")
    client.until(name, lambda job: "wait" in details(job))
    with pytest.raises(exceptions.BadRequest, match="RUNNING and cannot be deleted"):
        client.jobs.delete_pipeline_job(name=name)
    client.jobs.cancel_pipeline_job(name=name)
    job = client.wait(name)
    assert job.state == PipelineState.PIPELINE_STATE_CANCELLED
    assert details(job)["wait"].state == State.CANCELLED
    with pytest.raises(exceptions.BadRequest, match="CANCELLED and cannot be cancelled"):
        client.jobs.cancel_pipeline_job(name=name)
    client.jobs.delete_pipeline_job(name=name).result(timeout=SECONDS)
    with pytest.raises(exceptions.NotFound, match="pipelineJobs/waiting"):
        client.jobs.get_pipeline_job(name=name)


def test_jobs_are_listed_by_filter_order_page_and_mask(client: Client) -> None:
    for key, team in (("job-a", "one"), ("job-b", "two"), ("job-c", "two")):
        client.wait(client.submit(gate, key, labels={"team": team}, display_name=f"flights {key[-1]}"))

    def found(**fields: Any) -> str:
        return "".join(job.name[-1] for job in client.jobs.list_pipeline_jobs({"parent": client.double.parent} | fields))

    assert found() == found(page_size=1) == "cba"
    assert found(order_by="create_time") == "abc"
    assert found(filter='labels.team="two"') == found(filter="labels.team=two AND state=PIPELINE_STATE_SUCCEEDED") == "cb"
    assert found(filter='display_name:"*b" OR pipeline_job_user_id="job-a"') == "ba"
    assert found(filter='pipeline_name="other"') == found(filter='create_time>"2999-01-01T00:00:00Z"') == ""
    assert found(filter='create_time>"2020-05-18T13:30:00Z"') == "cba"
    for wrong in (
        {"filter": "color=red"},
        {"filter": "state>1"},
        {"filter": "create_time>soon"},
        {"order_by": "color"},
        {"page_token": "x"},
    ):
        with pytest.raises(exceptions.BadRequest):
            found(**wrong)
    masked = client.jobs.list_pipeline_jobs({"parent": client.double.parent, "read_mask": {"paths": ["name", "state"]}})
    assert [(job.name[-1], job.display_name, bool(job.create_time)) for job in masked] == [(key, "", False) for key in "cba"]
    simple = aiplatform.PipelineJob.list(filter='display_name="flights a"', enable_simple_view=True)
    assert [job.display_name for job in simple] == ["flights a"]


def test_the_same_id_again_is_refused(client: Client) -> None:
    client.submit(gate, "gate")
    with pytest.raises((exceptions.AlreadyExists, exceptions.Conflict), match="pipelineJobs/gate"):
        client.submit(gate, "gate")


def change(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """Returns what puts a value into a job in JSON form."""

    def put(job: dict[str, Any]) -> None:
        *parents, last = path
        for part in parents:
            job = job.setdefault(part, {})
        job[last] = value

    return put


CONTAINER = ("pipelineSpec", "deploymentSpec", "executors", "exec-write", "container")
WRITTEN = ("pipelineSpec", "components", "comp-write", "outputDefinitions", "artifacts", "artifact", "artifactType")
ACCELERATOR = (*CONTAINER, "resources", "accelerator")
WRONG = {
    "an unknown field": (change("pipelineSpec", "color", value="red"), 'no field named "color"'),
    "another version": (change("pipelineSpec", "schemaVersion", value="2.0.0"), "schema_version '2.0.0'"),
    "a pipeline's name": (change("pipelineSpec", "pipelineInfo", "name", value="Big Chain"), "pipeline_info.name 'Big Chain'"),
    "an artifact's type": (change(*WRITTEN, "schemaTitle", value="flights.Table"), "schema_title 'flights.Table'"),
    "no tasks": (change("pipelineSpec", "root", "dag", value={}), "no tasks"),
    "a placeholder": (change(*CONTAINER, "args", value=['{"IfPresent": {"InputName": "text", "Then": ["--text"]}}']), "IfPresent"),
    "an accelerator by parameter": (
        change(*ACCELERATOR, value={"resourceType": "{{$.inputs.parameters['kind']}}", "resourceCount": "1"}),
        "no static values",
    ),
    "an accelerator of Kubernetes": (
        change(*ACCELERATOR, value={"resourceType": "nvidia.com/gpu", "resourceCount": "1"}),
        "nvidia.com/gpu",
    ),
    "an accelerator without count": (change(*ACCELERATOR, value={"type": "NVIDIA_L4"}), "count '0'"),
    "an unknown parameter": (change("runtimeConfig", "parameterValues", "txet", value="x"), "'txet' is not defined"),
    "a parameter's type": (change("runtimeConfig", "parameterValues", "text", value=7), "'text' has the type STRING"),
    "a missing parameter": (change("runtimeConfig", "parameterValues", value={}), "'folder' is required"),
    "a folder": (change("runtimeConfig", "gcsOutputDirectory", value="/tmp/root"), "gcs_output_directory"),
    "no such bucket": (change("runtimeConfig", "gcsOutputDirectory", value="gs://other/root"), "bucket `other`"),
    "a label": (change("labels", value={"Team": "Flights"}), "labels"),
    "a name": (change("displayName", value="n" * 129), "128 characters"),
    "an account": (change("serviceAccount", value="me"), "service_account"),
    "a network": (change("network", value="projects/my-project/global/networks/n"), "network"),
    "a key": (change("encryptionSpec", value={"kmsKeyName": "my-key"}), "kms_key_name"),
    "a key elsewhere": (
        change("encryptionSpec", value={"kmsKeyName": "projects/p/locations/us/keyRings/r/cryptoKeys/k"}),
        "location 'us'",
    ),
    "its size": (change("pipelineSpec", "pipelineInfo", "description", value="x" * (11 << 20)), "payload size"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_job_that_vertex_would_not_take_is_refused(grpc_client: Client, what: str) -> None:
    wrong, message = WRONG[what]
    job = grpc_client.job(chain, "chain").to_dict()
    wrong(job)
    with pytest.raises(exceptions.InvalidArgument) as refused:
        grpc_client.create(json_format.ParseDict(job, v1.PipelineJob.pb(v1.PipelineJob())), "chain")
    assert message in str(refused.value)
    assert not list(grpc_client.jobs.list_pipeline_jobs(parent=grpc_client.double.parent))


def test_static_accelerators_in_old_and_new_fields_are_taken(grpc_client: Client) -> None:
    job = grpc_client.job(chain, "chain").to_dict()
    change(*ACCELERATOR, value={"type": "NVIDIA_L4", "count": "1", "resourceType": "NVIDIA_L4", "resourceCount": "1"})(job)
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    job |= {"network": "projects/123/global/networks/flights", "encryptionSpec": {"kmsKeyName": key}}
    grpc_client.create(json_format.ParseDict(job, v1.PipelineJob.pb(v1.PipelineJob())), "chain")


def test_errors_over_rest_are_those_of_grpc(vertex: VertexDouble, tmp_path: Path) -> None:
    client = Client(vertex, "rest", tmp_path)
    vertex.denied.add("aiplatform.pipelineJobs.get")
    with pytest.raises(exceptions.Forbidden) as refused:
        client.jobs.get_pipeline_job(name=f"{vertex.parent}/pipelineJobs/one")
    assert refused.value.reason == "IAM_PERMISSION_DENIED"
    vertex.denied.clear()
    with pytest.raises(exceptions.Forbidden, match="project other"):
        client.jobs.get_pipeline_job(name="projects/other/locations/us-central1/pipelineJobs/one")
    vertex.faults.add(Fault("ListPipelineJobs", code=grpc.StatusCode.RESOURCE_EXHAUSTED, message="slow down"))
    with pytest.raises(exceptions.TooManyRequests, match="slow down"):
        client.jobs.list_pipeline_jobs(parent=vertex.parent)
    url = f"{vertex.rest_endpoint}/v1/{vertex.parent}/pipelineJobs"
    assert requests.get(url, timeout=SECONDS).json()["error"]["status"] == "UNAUTHENTICATED"
    assert requests.get(f"{vertex.rest_endpoint}/v1/nothing", timeout=SECONDS).status_code == 404
    assert requests.post(url, data="{", timeout=SECONDS).status_code == 400


def test_who_may_not_act_as_the_service_account_submits_nothing(grpc_client: Client) -> None:
    grpc_client.double.denied.add("iam.serviceAccounts.actAs")
    job = grpc_client.request(gate, "gate")
    job.service_account = "runner@my-project.iam.gserviceaccount.com"
    with pytest.raises(exceptions.PermissionDenied, match="act as service account: runner@"):
        grpc_client.create(job, "gate")


def test_the_sdk_submits_into_a_new_bucket_and_an_experiment(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in client.double.environment(storage=True).items():
        monkeypatch.setenv(name, value)
    for key in ("one", "two"):
        job = client.job(gate, key, pipeline_root=f"gs://made-{key}/root")
        job.submit(service_account="runner@my-project.iam.gserviceaccount.com", experiment="flights")
        client.wait(job.resource_name)
        assert not job.has_failed
    assert client.double.runs_of("flights") == ["one", "two"]
    assert [found.name for found in aiplatform.Experiment.list()] == ["flights"]
    assert client.double.buckets.path("gs://made-one").is_dir()


def test_a_schedule_makes_runs_until_as_many_go_on_as_may(client: Client) -> None:
    made = client.job(waiting, "waiting").create_schedule(cron="TZ=Europe/Berlin 30 6 * * 1", display_name="weekly")
    name = made.resource_name
    schedule = client.schedules.get_schedule(name=name)
    next_run = schedule.next_run_time.astimezone(ZoneInfo("Europe/Berlin"))
    assert (next_run.hour, next_run.minute, next_run.weekday()) == (6, 30, 0)
    (first,) = client.double.fire(name)
    assert client.double.fire(name) == [], "a run too many is left out"
    assert [job.resource_name for job in made.list_jobs()] == [first]
    client.jobs.cancel_pipeline_job(name=first)
    client.wait(first)
    client.schedules.update_schedule(schedule={"name": name, "allow_queueing": True}, update_mask={"paths": ["allow_queueing"]})
    (second,) = client.double.fire(name)
    assert client.double.fire(name) == [], "a run too many waits"
    client.jobs.cancel_pipeline_job(name=second)
    client.wait(second)
    (third,) = client.double.fire(name)
    assert client.jobs.get_pipeline_job(name=third).schedule_name == name
    assert client.schedules.get_schedule(name=name).started_run_count == 3


def test_a_paused_schedule_makes_no_runs_until_it_is_resumed(client: Client) -> None:
    made = client.job(gate, "gate").create_schedule(cron="0 6 * * *", display_name="daily", max_run_count=1)
    made.pause()
    paused = client.schedules.get_schedule(name=made.resource_name)
    assert (paused.state, paused.next_run_time) == (v1.Schedule.State.PAUSED, None)
    assert client.double.fire(made.resource_name) == []
    with pytest.raises(exceptions.BadRequest, match="PAUSED"):
        client.schedules.pause_schedule(name=made.resource_name)
    client.schedules.resume_schedule(name=made.resource_name, catch_up=True)
    assert client.schedules.get_schedule(name=made.resource_name).catch_up
    assert len(client.double.fire(made.resource_name)) == 1
    completed = client.schedules.get_schedule(name=made.resource_name)
    assert completed.state == v1.Schedule.State.COMPLETED
    assert [schedule.display_name for schedule in client.schedules.list_schedules(parent=client.double.parent)] == ["daily"]
    client.schedules.delete_schedule(name=made.resource_name).result(timeout=SECONDS)
    with pytest.raises(exceptions.NotFound, match="schedules/"):
        client.schedules.get_schedule(name=made.resource_name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cron": "every day"}, "schedule.cron"),
        ({"cron": "0 25 * * *"}, "schedule.cron"),
        ({"cron": "TZ=Mars/Olympus 0 6 * * *"}, "Mars/Olympus"),
        ({"display_name": ""}, "display_name"),
        ({"max_concurrent_run_count": 0}, "max_concurrent_run_count"),
        ({"end_time": "2020-01-01T00:00:00Z", "start_time": "2021-01-01T00:00:00Z"}, "end_time"),
        ({"create_pipeline_job_request": {}}, "create_pipeline_job_request"),
    ],
)
def test_a_schedule_that_vertex_would_not_take_is_refused(grpc_client: Client, fields: dict[str, Any], message: str) -> None:
    job = grpc_client.request(gate, "gate")
    request = {"parent": grpc_client.double.parent, "pipeline_job": job}
    schedule = {"display_name": "s", "cron": "0 6 * * *", "max_concurrent_run_count": 1, "create_pipeline_job_request": request} | fields
    with pytest.raises(exceptions.InvalidArgument, match=message):
        grpc_client.schedules.create_schedule(parent=grpc_client.double.parent, schedule=schedule)
