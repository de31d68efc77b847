"""Runs and schedules on a Vertex AI that really runs them, through the real clients, over both transports."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
from kfp import dsl

from penstock.components.release import vertex_logs
from penstock.errors import UserError
from penstock.remote.settings import VertexSettings
from penstock.remote.target import CACHED, CANCELED, DONE, ENDED, FAILED, SKIPPED, BackendUnavailable, Run, Submission, Timetable
from penstock.remote.vertex import VertexTarget
from penstock.remote.vertex import target as module
from penstock.spec.pipeline_file import PipelineFile

from ....doubles.vertex.double import VertexDouble
from ....doubles.vertex.faults import Fault
from ...pipelines import chain, compiled, failing, gate, loop, to, waiting

SECONDS = 60


def settings_of(double: VertexDouble, transport: str) -> VertexSettings:
    endpoint = double.api_endpoint if transport == "grpc" else double.rest_endpoint
    return VertexSettings(project=double.project, location=double.location, api_endpoint=endpoint, api_transport=transport)


@pytest.fixture(params=["grpc", "rest"])
def target(vertex: VertexDouble, request: pytest.FixtureRequest) -> VertexTarget:
    return VertexTarget(settings_of(vertex, request.param))


@pytest.fixture
def grpc_target(vertex: VertexDouble) -> VertexTarget:
    """For what has nothing to do with the transport."""
    return VertexTarget(settings_of(vertex, "grpc"))


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Submission]:
    """Returns a pipeline as it would be submitted, with parameters."""

    def prepare(pipeline: Any, **parameters: Any) -> Submission:
        file = PipelineFile(compiled(pipeline, tmp_path))
        given = {"folder": to(tmp_path)} | parameters
        return Submission(file, file.document, None, given, f"{file.name} by hand", pipeline_root="gs://bucket/root")

    return prepare


def wait(target: VertexTarget, run_id: str, holds: Callable[[Run], bool] = lambda run: run.state in ENDED) -> Run:
    until = time.monotonic() + SECONDS
    while not holds(run := target.run(run_id)):
        assert time.monotonic() < until, run
        time.sleep(0.1)
    return run


def test_a_run_is_followed_to_its_end(target: VertexTarget, prepared: Callable[..., Submission], tmp_path: Path) -> None:
    submitted = target.submit(prepared(chain))
    assert submitted.url == (
        f"https://console.cloud.google.com/vertex-ai/locations/us-central1/pipelines/runs/{submitted.id}?project=my-project"
    )
    assert (submitted.name, submitted.state in ENDED) == ("chain by hand", False)
    run = wait(target, submitted.id)
    assert (run.id, run.name, run.state, run.url, run.error) == (submitted.id, "chain by hand", DONE, submitted.url, "")
    assert run.created == submitted.created
    tasks = {task.key: task for task in run.tasks}
    assert {key: task.state for key, task in tasks.items()} == {"write": DONE, "read": DONE}
    assert all(run.created <= task.started <= task.ended <= run.ended for task in run.tasks)
    artifact = tasks["write"].outputs["artifact"]
    assert isinstance(artifact, dsl.Dataset)
    assert (tmp_path / "bucket" / artifact.uri.removeprefix("gs://bucket/")).read_text() == "same"


def test_output_parameters_have_their_types(target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    run = wait(target, target.submit(prepared(gate)).id)
    made = next(task for task in run.tasks if task.key == "make").outputs
    assert made == {"verdict": "blessed", "items": ["a", "b", "c"], "count": 3, "share": 0.5, "good": True}
    assert [type(made[name]) for name in ("count", "share", "good")] == [int, float, bool]


def test_what_a_condition_keeps_from_running_is_skipped(target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    run = wait(target, target.submit(prepared(gate, text="not_blessed")).id)
    assert {task.key: task.state for task in run.tasks} == {"make": DONE, "say": SKIPPED}


def test_a_second_run_takes_from_the_cache_unless_caching_is_off(grpc_target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    for caching, state in ((None, DONE), (None, CACHED), (False, DONE)):
        run = wait(grpc_target, grpc_target.submit(replace(prepared(gate), caching=caching)).id)
        made = next(task for task in run.tasks if task.key == "make")
        assert (made.state, made.outputs["verdict"]) == (state, "blessed")
    cached = list(grpc_target.runs())[1].id
    with pytest.raises(UserError, match="make has no log: its container has not started, or its outputs came from the cache"):
        list(grpc_target.logs(cached, "make"))


def test_iterations_have_keys_of_their_own(target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    run = wait(target, target.submit(prepared(loop)).id)
    inner = [f"for-loop-1/{number}/{name}" for number in range(3) for name in ("say", "say-2")]
    assert sorted(task.key for task in run.tasks) == [*inner, "make"]
    assert "[penstock] said b" in list(target.logs(run.id, "for-loop-1/1/say"))


def test_a_failed_run_says_which_task_and_the_log_why(
    target: VertexTarget, prepared: Callable[..., Submission], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex_logs, "_BY_PAGE", 3)
    run = wait(target, target.submit(prepared(failing)).id)
    assert run.state == FAILED
    assert "The failed tasks are: [fail]." in run.error
    failed = next(task for task in run.tasks if task.key == "fail")
    assert failed.state == FAILED
    assert "exited with a non-zero status" in failed.error
    assert list(target.logs(run.id, "fail"))[-1] == "the last words of a task"
    with pytest.raises(UserError, match="the run has not started task say; it has started fail"):
        list(target.logs(run.id, "say"))


def test_a_run_is_canceled_and_one_that_has_ended_left_alone(target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    submitted = target.submit(prepared(waiting))
    wait(target, submitted.id, lambda run: any(task.key == "wait" for task in run.tasks))
    target.cancel(submitted.id)
    run = wait(target, submitted.id)
    assert run.state == CANCELED
    assert next(task for task in run.tasks if task.key == "wait").state == CANCELED
    target.cancel(submitted.id)
    assert target.run(submitted.id).state == CANCELED


def test_runs_are_listed_newest_first_and_page_after_page(
    target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [wait(target, target.submit(prepared(gate)).id).id for _ in range(3)]
    monkeypatch.setattr(module, "_BY_PAGE", 2)
    vertex.faults.clear()
    runs = target.runs()
    first = next(runs)
    assert (first.id, first.name, first.state, first.tasks) == (ids[2], "gate by hand", DONE, ())
    assert first.created
    assert first.ended
    assert len(vertex.faults.calls) == 1
    assert [run.id for run in runs] == [ids[1], ids[0]]
    assert len(vertex.faults.calls) == 2


def test_a_run_belongs_to_its_experiment_and_nothing_else_is_printed(
    target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission], capfd: pytest.CaptureFixture[str]
) -> None:
    ids = [target.submit(replace(prepared(gate), experiment="flights")).id for _ in range(2)]
    assert vertex.runs_of("flights") == ids
    assert capfd.readouterr() == ("", "")


def test_the_metadata_store_that_an_experiment_brings_has_the_key_of_the_runs(
    vertex: VertexDouble, prepared: Callable[..., Submission]
) -> None:
    key = "projects/my-project/locations/us-central1/keyRings/ring/cryptoKeys/key"
    target = VertexTarget(replace(settings_of(vertex, "grpc"), encryption_key=key))
    target.submit(replace(prepared(gate), experiment="flights"))
    store = target._api.metadata.get_metadata_store(name=f"{vertex.parent}/metadataStores/default")
    assert store.encryption_spec.kms_key_name == key


def test_a_run_that_is_left_out_of_its_experiment_goes_on(
    grpc_target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission], capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.faults.add(
        Fault("AddContextChildren", code=grpc.StatusCode.PERMISSION_DENIED, message="'aiplatform.contexts.addContextChildren'")
    )
    run = grpc_target.submit(replace(prepared(gate), experiment="flights"))
    assert "warning: the run has started, but is not in experiment flights" in capsys.readouterr().err
    assert wait(grpc_target, run.id).state == DONE


def test_an_experiment_cannot_have_the_name_of_a_pipeline(grpc_target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    wait(grpc_target, grpc_target.submit(prepared(gate)).id)
    with pytest.raises(UserError, match="gate is not an experiment: ML Metadata has another resource with that name"):
        grpc_target.submit(replace(prepared(gate), experiment="gate"))
    assert len(list(grpc_target.runs())) == 1


def test_an_answer_that_is_lost_makes_no_second_run(
    target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission]
) -> None:
    vertex.faults.add(Fault("CreatePipelineJob", after=True, code=grpc.StatusCode.UNAVAILABLE))
    submitted = target.submit(prepared(gate))
    assert [run.id for run in target.runs()] == [submitted.id]


def test_no_bucket_is_made_and_no_owner_looked_up(
    grpc_target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission]
) -> None:
    with pytest.raises(UserError, match=r"cannot submit gate\.yaml: .*permission\(s\) to the bucket `other`"):
        grpc_target.submit(replace(prepared(gate), pipeline_root="gs://other/root"))
    assert vertex.buckets.path("gs://other") is None
    assert list(grpc_target.runs()) == []


@pytest.mark.parametrize(
    ("code", "message", "kind", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, "the service is away", BackendUnavailable, "does not answer in time"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "too slow", BackendUnavailable, "does not answer in time"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", BackendUnavailable, "slow down"),
        (grpc.StatusCode.INTERNAL, "a bug of theirs", BackendUnavailable, "a bug of theirs"),
        (grpc.StatusCode.INVALID_ARGUMENT, "the location of the moon", UserError, "cannot read the run gate: the location of the moon$"),
        (grpc.StatusCode.UNAUTHENTICATED, "expired", UserError, "gcloud auth application-default login"),
        (grpc.StatusCode.NOT_FOUND, "there is none", UserError, "it is not there; check project, region and name"),
    ],
)
def test_errors_are_one_line_and_tell_whether_to_ask_again(
    target: VertexTarget,
    vertex: VertexDouble,
    monkeypatch: pytest.MonkeyPatch,
    code: grpc.StatusCode,
    message: str,
    kind: type[UserError],
    expected: str,
) -> None:
    monkeypatch.setattr(module, "_BRIEFLY", 0.01)
    vertex.faults.add(Fault("GetPipelineJob", times=1000, code=code, message=message))
    with pytest.raises(UserError, match=expected) as error:
        target.run("gate")
    assert type(error.value) is kind
    assert "\n" not in error.value.message
    assert "GET http://" not in error.value.message


def test_a_missing_permission_is_named(target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission]) -> None:
    vertex.denied.add("aiplatform.pipelineJobs.create")
    with pytest.raises(
        UserError, match=r"the permission aiplatform\.pipelineJobs\.create or the resource is missing.*roles/aiplatform\.user"
    ):
        target.submit(prepared(gate))
    vertex.denied.clear()
    vertex.denied.add("iam.serviceAccounts.actAs")
    with pytest.raises(
        UserError, match=r"the permission iam\.serviceAccounts\.actAs or the resource is missing.*roles/iam\.serviceAccountUser"
    ):
        target.submit(replace(prepared(gate), service_account="runner@my-project.iam.gserviceaccount.com"))


def test_without_credentials_it_says_how_to_get_some(vertex: VertexDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="there are no credentials; run `gcloud auth application-default login`"):
        list(VertexTarget(settings_of(vertex, "grpc")).runs())
    assert vertex.faults.calls == []


@pytest.mark.parametrize("endpoint", [{"api_endpoint": "localhost:1"}, {"api_endpoint": "http://localhost:1", "api_transport": "rest"}])
def test_an_address_without_an_answer_is_named(vertex: VertexDouble, monkeypatch: pytest.MonkeyPatch, endpoint: dict[str, str]) -> None:
    monkeypatch.setattr(module, "_BRIEFLY", 0.01)
    with pytest.raises(BackendUnavailable, match=r"localhost:1 .*Connection refused"):
        list(VertexTarget(replace(settings_of(vertex, "grpc"), **endpoint)).runs())


TIMETABLE = Timetable("weekly flights", "30 6 * * 1", "Europe/Berlin", 2, False, None, datetime(2999, 1, 1, tzinfo=timezone.utc))


def test_a_schedule_makes_runs_as_defined(target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission]) -> None:
    made = target.create_schedule(prepared(waiting), TIMETABLE)
    assert made.state == "active"
    assert made.url.endswith(f"/locations/us-central1/pipelines/schedules/{made.id}?project=my-project")
    assert replace(made.timetable, start=None) == TIMETABLE
    assert made.next_run
    assert made.next_run > datetime.now(timezone.utc)
    name = f"{vertex.parent}/schedules/{made.id}"
    begun = [run for _ in range(3) for run in vertex.fire(name)]
    assert len(begun) == 2, "two at the same time, and no more"
    for run in begun:
        target.cancel(run)
        assert wait(target, run).state == CANCELED
    assert vertex.fire(name), "the third is not made up for; a new one is made"


def test_a_schedule_is_paused_resumed_and_deleted(target: VertexTarget, vertex: VertexDouble, prepared: Callable[..., Submission]) -> None:
    made = target.create_schedule(prepared(gate), replace(TIMETABLE, catch_up=True))
    later = target.create_schedule(prepared(gate), replace(TIMETABLE, name="later", time_zone="UTC"))
    assert [(schedule.id, schedule.timetable.name) for schedule in target.schedules()] == [(later.id, "later"), (made.id, "weekly flights")]
    for schedule, makes_up in ((made, True), (later, False)):
        target.pause_schedule(schedule.id)
        assert {found.id: found.state for found in target.schedules()}[schedule.id] == "paused"
        vertex.faults.clear()
        target.resume_schedule(schedule.id)
        assert {found.id: found.state for found in target.schedules()}[schedule.id] == "active"
        resumed = next(call.request for call in vertex.faults.calls if call.name == "ResumeSchedule")
        assert resumed.catch_up == schedule.timetable.catch_up == makes_up
    target.delete_schedule(made.id)
    assert [schedule.id for schedule in target.schedules()] == [later.id]
    with pytest.raises(UserError, match="it is not there"):
        target.pause_schedule(made.id)


def test_a_cron_that_vertex_refuses_is_reported_in_its_words(grpc_target: VertexTarget, prepared: Callable[..., Submission]) -> None:
    with pytest.raises(UserError, match=r"cannot schedule gate\.yaml: .*Invalid time zone 'Mars/Olympus'"):
        grpc_target.create_schedule(prepared(gate), replace(TIMETABLE, time_zone="Mars/Olympus"))
