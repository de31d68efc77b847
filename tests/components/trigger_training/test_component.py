"""Trainings on Kubeflow Pipelines, on Vertex AI and on this machine: what the place has then."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

import penstock.components as library
from penstock.components.data.local_runs import local_runs

from ...command import COMMAND, WARM_COMMAND
from ...doubles.kubeflow.double import KubeflowDouble
from ...penstock.remote.backends import Backend, Kubeflow, Vertex
from ...penstock.remote.conftest import kubeflow, person, trusting, vertex  # noqa: F401 - fixtures
from .conftest import NAME, PIPELINE


@pytest.fixture(params=["kubeflow", "vertex"])
def place(request: pytest.FixtureRequest, person, monkeypatch) -> tuple[Backend, str]:  # noqa: F811
    """Each backend, and the URI that names it."""
    double = request.getfixturevalue(request.param)
    monkeypatch.chdir(person.folder)
    monkeypatch.setenv("PENSTOCK_COMMAND", WARM_COMMAND)
    if isinstance(double, KubeflowDouble):
        return Kubeflow(double), f"kubeflow://?host={double.url}"
    person.writes_context(backend := Vertex(double))
    return backend, f"vertex://{double.project}/{double.location}?pipeline_root=gs://bucket/root"


@pytest.fixture(autouse=True)
def _interface_again() -> Iterator[None]:
    """Running a task in this process puts its package where the interface of its name is, which other tests of the SDK read."""
    yield
    vars(library).pop(NAME, None)


def names(backend: Backend) -> list[str]:
    """Returns the names of the runs that the backend was asked to make."""
    if isinstance(backend, Kubeflow):
        return [run.name for run in backend.double.records.runs.values()]
    return [call.request.pipeline_job_id for call in backend.double.faults.calls if call.name == "CreatePipelineJob"]


def test_a_second_trigger_finds_the_first_run(place, trigger):
    backend, uri = place
    first = trigger("degraded", runs_at=uri)
    assert (first.code, first.parameters.get("outcome")) == (0, "triggered"), first.error
    second = trigger("degraded", runs_at=uri)
    assert second.parameters == {"outcome": "already_triggered", "run_id": first.parameters["run_id"]}
    assert names(backend) == [first.decision["run"]["name"]]
    assert backend.got().parameters["input_uri"].endswith("/data/2026-11-22-{SPAN}")
    assert backend.got().parameters["marker"] == "degraded"
    assert first.decision["run"]["url"].startswith("http")


def test_a_new_window_of_the_same_champion_is_the_same_episode(place, trigger):
    backend, uri = place
    first = trigger("degraded", runs_at=uri)
    backend_run_ends(backend)
    later = datetime.now(timezone.utc) + timedelta(days=2)
    again = trigger("drifted", "degraded", about={"end": later}, runs_at=uri)
    assert again.parameters == {"outcome": "same_episode", "run_id": first.parameters["run_id"]}
    recovered = trigger("degraded", "ok", about={"end": later}, runs_at=uri)
    assert recovered.parameters["outcome"] == "triggered", "after a window that was ok, it is another episode"
    assert len(names(backend)) == 2


def backend_run_ends(backend: Backend) -> None:
    """Waits until no run goes on."""
    if isinstance(backend, Kubeflow):
        engines = [run.engine for run in backend.double.records.runs.values()]
    else:
        engines = [job.run for job in backend.double._pipelines._jobs.values()]
    for engine in engines:
        assert engine.wait(120)


def test_the_run_has_the_reason_as_a_label(place, trigger):
    backend, uri = place
    trigger("degraded", runs_at=uri)
    if isinstance(backend, Kubeflow):
        assert next(iter(backend.double.records.runs.values())).description == "reason=degraded"
    else:
        request = next(call.request for call in backend.double.faults.calls if call.name == "CreatePipelineJob")
        labels = {"reason": "degraded", "penstock_pipeline": "find-span", "penstock_run": request.pipeline_job_id}
        assert dict(request.pipeline_job.labels) == labels


def test_what_a_backend_refuses(place, trigger):
    _, uri = place
    if uri.startswith("kubeflow"):
        result = trigger("degraded", runs_at="kubeflow://?host=http://127.0.0.1:9")
        assert "http://127.0.0.1:9 cannot be reached" in result.error
    else:
        result = trigger("degraded", runs_at=uri.replace("gs://bucket", "gs://other"))
        assert "does not have `[storage.objects.get" in result.error
    assert result.code == 1
    assert "\n" not in result.error


def test_a_name_that_is_used_twice_at_once(kubeflow, person, trigger, monkeypatch):  # noqa: F811
    """Kubeflow Pipelines takes a name twice (it distinguishes only the runs of recurring runs); the first run counts."""
    from penstock.remote.connect import connect
    from penstock.remote.submission import SubmissionOptions, make_submission
    from penstock.spec.pipeline_file import PipelineFile

    target, settings = connect("", "kubeflow", {"host": kubeflow.url})
    options = SubmissionOptions(values={"input_uri": "x/{SPAN}"}, name="retrain-1", once=True)
    submission, _ = make_submission(PipelineFile(PIPELINE), options, settings, "kubeflow")
    monkeypatch.setattr(target, "_first", lambda name: None)  # the other's run is made after this one was looked for
    target.submit(submission)
    monkeypatch.undo()
    other, _ = connect("", "kubeflow", {"host": kubeflow.url})
    looked = []

    def first(name, of=other._first):
        looked.append(name)
        return None if len(looked) == 1 else of(name)

    monkeypatch.setattr(other, "_first", first)
    run = other.submit(submission)
    made = list(kubeflow.records.runs.values())
    assert [each.name for each in made] == ["retrain-1", "retrain-1"]
    counts = min(made, key=lambda each: (each.created.replace(microsecond=0), each.id))
    assert run.id == counts.id


def test_a_training_on_this_machine(trigger, tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_COMMAND", COMMAND)
    root = tmp_path / "runs"
    first = trigger("drifted", runs_at=f"local://{root}")
    assert (first.code, first.parameters.get("outcome")) == (0, "triggered"), first.error
    second = trigger("drifted", runs_at=f"local://{root}")
    assert second.parameters == {"outcome": "already_triggered", "run_id": first.parameters["run_id"]}
    end = time.monotonic() + 120
    while (run := next(iter(local_runs(root)))).state == "running" and time.monotonic() < end:
        time.sleep(0.1)
    assert (run.name, run.pipeline, run.labels) == (first.parameters["run_id"], "find-span", {"reason": "drifted"})
    assert run.state == "done", (root / f"{run.name}.log").read_text()


def test_a_training_on_this_machine_that_cannot_begin(trigger, tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_COMMAND", WARM_COMMAND)
    result = trigger("drifted", runs_at=f"local://{tmp_path}/runs", parameters={"input_uri": "x", "settled_minutes": "soon"})
    assert (result.code, result.error) == (1, "error: parameter settled_minutes must be a number, not 'soon'")


def test_no_right_to_submit(vertex, person, trigger, monkeypatch):  # noqa: F811
    person.writes_context(Vertex(vertex))
    monkeypatch.chdir(person.folder)
    monkeypatch.setenv("PENSTOCK_COMMAND", WARM_COMMAND)
    vertex.denied.add("aiplatform.pipelineJobs.create")
    try:
        result = trigger("drifted", runs_at=f"vertex://{vertex.project}/{vertex.location}?pipeline_root=gs://bucket/root")
    finally:
        vertex.denied.clear()
    assert result.code == 1
    assert "aiplatform.pipelineJobs.create" in result.error
    assert "\n" not in result.error
