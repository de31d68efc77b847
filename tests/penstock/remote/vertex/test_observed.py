"""Answers that Vertex AI can give, and that no short run makes it give."""

from typing import Any

import pytest
from google.cloud.aiplatform_v1 import PipelineJob, PipelineState, PipelineTaskDetail
from kfp import dsl

from penstock.remote.target import CANCELED, DONE, FAILED, RUNNING, SKIPPED, WAITING
from penstock.remote.vertex.logs import custom_jobs
from penstock.remote.vertex.observed import read_run

States = PipelineTaskDetail.State
OUTPUTS = {
    "parameters": {
        "rows": {"parameterType": "NUMBER_INTEGER"},
        "splits": {"parameterType": "LIST"},
        "limits": {"parameterType": "STRUCT"},
        "good": {"parameterType": "BOOLEAN"},
        "text": {"parameterType": "STRING"},
    }
}


def dag(**tasks: dict[str, Any]) -> dict[str, Any]:
    return {"dag": {"tasks": {name: {"componentRef": {"name": f"comp-{name}"}} | more for name, more in tasks.items()}}}


SPEC = {
    "root": dag(train={}, outer={}, each={"parameterIterator": {"itemInput": "item"}}),
    "components": {
        "comp-train": {"executorLabel": "exec-train", "outputDefinitions": OUTPUTS},
        "comp-outer": dag(inner={}, push={}),
        "comp-inner": dag(check={}, each={"parameterIterator": {"itemInput": "item"}}),
        "comp-each": dag(say={}),
        "comp-push": {"executorLabel": "exec-push"},
        "comp-check": {"executorLabel": "exec-check"},
        "comp-say": {"executorLabel": "exec-say"},
    },
}


def job(*details: dict[str, Any], **fields: Any) -> PipelineJob:
    root = {"task_id": 1, "task_name": "job-1", "state": States.RUNNING}
    name = "projects/1/locations/us-central1/pipelineJobs/job-1"
    return PipelineJob(name=name, pipeline_spec=SPEC, job_detail={"task_details": [root, *details]}, **fields)


def detail(number: int, name: str, state: States = States.SUCCEEDED, parent: int = 1, **more: Any) -> dict[str, Any]:
    return {"task_id": number, "task_name": name, "state": state, "parent_task_id": parent} | more


@pytest.mark.parametrize(
    ("pipeline_state", "state"),
    [
        ("QUEUED", WAITING),
        ("PENDING", WAITING),
        ("PAUSED", WAITING),
        ("RUNNING", RUNNING),
        ("CANCELLING", RUNNING),
        ("SUCCEEDED", DONE),
        ("FAILED", FAILED),
        ("CANCELLED", CANCELED),
    ],
)
def test_a_run_that_has_not_ended_waits_or_runs(pipeline_state: str, state: str) -> None:
    assert read_run(job(state=PipelineState[f"PIPELINE_STATE_{pipeline_state}"]), "").state == state


def test_outputs_that_are_kept_as_text_have_their_types() -> None:
    kept = {
        "output:rows": "7",
        "output:splits": '["a"]',
        "output:limits": '{"rows": 2}',
        "output:good": "true",
        "output:text": "7",
        "input:x": 1,
    }
    (train,) = read_run(job(detail(2, "train", execution={"metadata": kept})), "").tasks
    assert train.outputs == {"rows": 7, "splits": ["a"], "limits": {"rows": 2}, "good": True, "text": "7"}


def test_artifacts_keep_their_metadata_and_numbers_are_whole_where_they_were() -> None:
    made = {"uri": "gs://bucket/m", "schema_title": "system.Model", "metadata": {"rows": 3, "auc": 0.5, "splits": {"train": 2}}}
    foreign = {"uri": "https://x", "schema_title": "google.VertexModel"}
    outputs = {"model": {"artifacts": [made]}, "models": {"artifacts": [made, foreign]}}
    (train,) = read_run(job(detail(2, "train", outputs=outputs)), "").tasks
    model = train.outputs["model"]
    assert isinstance(model, dsl.Model)
    assert (model.name, model.uri, model.metadata) == ("model", "gs://bucket/m", {"rows": 3, "auc": 0.5, "splits": {"train": 2}})
    assert isinstance(model.metadata["rows"], int)
    assert [artifact.uri for artifact in train.outputs["models"]] == ["gs://bucket/m", "https://x"]


def test_nested_dags_and_loops_give_keys_as_they_lie() -> None:
    details = [
        detail(2, "outer", States.RUNNING),
        detail(3, "inner", States.RUNNING, 2),
        detail(4, "check", States.RUNNING, 3),
        detail(5, "each", States.RUNNING, 3),
        detail(6, "each-11", States.RUNNING, 5),
        detail(7, "say", States.PENDING, 6),
        detail(8, "something new", States.RUNNING),
    ]
    assert {task.key: task.state for task in read_run(job(*details), "").tasks} == {"check": RUNNING, "each/11/say": WAITING}


def test_all_that_lies_behind_a_condition_is_skipped_with_it() -> None:
    run = read_run(job(detail(2, "outer", States.NOT_TRIGGERED)), "")
    assert {task.key: task.state for task in run.tasks} == {"check": SKIPPED, "push": SKIPPED}


def test_every_attempt_of_a_task_has_its_log() -> None:
    names = {"main_job": "projects/1/locations/l/customJobs/30", "failed_main_jobs": ["projects/1/locations/l/customJobs/10"]}
    retried = detail(2, "train", executor_detail={"container_detail": names})
    custom = detail(3, "push", parent=4, executor_detail={"custom_job_detail": {"job": "projects/1/locations/l/customJobs/40"}})
    answer = job(retried, detail(4, "outer"), custom)
    assert custom_jobs(answer, "train") == ["10", "30"]
    assert custom_jobs(answer, "push") == ["40"]
