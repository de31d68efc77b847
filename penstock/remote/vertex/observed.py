"""The state of a run on Vertex AI (https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from google.cloud.aiplatform_v1 import PipelineJob, PipelineState, PipelineTaskDetail
from google.protobuf import json_format

from penstock.components.protocol.values import whole

from ...kfp_adapter.dsl import create_artifact_instance
from ..target import CACHED, CANCELED, DONE, FAILED, RUNNING, SKIPPED, WAITING, Run, TaskState

_RUN_STATES = {
    PipelineState.PIPELINE_STATE_RUNNING: RUNNING,
    PipelineState.PIPELINE_STATE_CANCELLING: RUNNING,
    PipelineState.PIPELINE_STATE_SUCCEEDED: DONE,
    PipelineState.PIPELINE_STATE_FAILED: FAILED,
    PipelineState.PIPELINE_STATE_CANCELLED: CANCELED,
}
_States = PipelineTaskDetail.State
_TASK_STATES = {
    _States.RUNNING: RUNNING,
    _States.CANCEL_PENDING: RUNNING,
    _States.CANCELLING: RUNNING,
    _States.SUCCEEDED: DONE,
    _States.SKIPPED: CACHED,  # "due to cache hit"
    _States.NOT_TRIGGERED: SKIPPED,
    _States.FAILED: FAILED,
    _States.CANCELLED: CANCELED,
}
_TEXTS = {"STRING", "TASK_FINAL_STATUS"}
_OUTPUT = "output:"


@dataclass(frozen=True)
class Located:
    """A task of a run, and its place in the compiled pipeline.

    Attributes:
        key: As `TaskState.key`.
        component: Its component's specification.
        detail: What Vertex AI tells of it.
    """

    key: str
    component: dict[str, Any]
    detail: Any


def read_run(job: PipelineJob, url: str) -> Run:
    """Returns a run, with the tasks that it has started.

    Args:
        job: As the service answers it; in a list, without its tasks.
        url: Its page.
    """
    raw = PipelineJob.pb(job)
    return Run(
        id=raw.name.rpartition("/")[2],
        name=raw.display_name,
        state=_RUN_STATES.get(job.state, WAITING),
        url=url,
        error=raw.error.message,
        created=_moment(raw, "create_time"),
        ended=_moment(raw, "end_time"),
        tasks=tuple(_states(job)),
    )


def located_tasks(job: PipelineJob) -> Iterator[Located]:
    """Yields the tasks of a run, including groups, but not the run's own task, and no task whose place is unknown."""
    raw = PipelineJob.pb(job)
    spec = json_format.MessageToDict(raw.pipeline_spec)
    details = {detail.task_id: detail for detail in raw.job_detail.task_details}
    for detail in details.values():
        names = _path(detail, details, spec)
        if names and (found := _find(names, spec)):
            yield Located(*found, detail)


def _states(job: PipelineJob) -> Iterator[TaskState]:
    tasks = list(located_tasks(job))
    reported = {task.key for task in tasks}
    spec = json_format.MessageToDict(PipelineJob.pb(job).pipeline_spec)
    for task in tasks:
        state = _TASK_STATES.get(task.detail.state, WAITING)
        if "dag" not in task.component:
            yield _state(task, state)
        elif state == SKIPPED:  # the API does not return the tasks below
            yield from (TaskState(key, SKIPPED) for key in _leaves(task.component, spec) if key not in reported)


def _state(task: Located, state: str) -> TaskState:
    detail = task.detail
    ran = state not in (CACHED, SKIPPED, WAITING)
    return TaskState(
        key=task.key,
        state=state,
        started=_moment(detail, "start_time") if ran else None,
        ended=_moment(detail, "end_time") if ran else None,
        error=detail.error.message,
        outputs=_outputs(detail, task.component) if state in (DONE, CACHED) else {},
    )


def _path(detail: Any, details: dict[int, Any], spec: dict[str, Any]) -> list[str]:
    """Returns the names of the tasks that a task lies in, from outside in, and its own; without the whole pipeline's."""
    names = [detail.task_name]
    while parent := details.get(detail.parent_task_id):
        detail = parent
        names.insert(0, detail.task_name)
    return names if names[0] in spec["root"]["dag"]["tasks"] else names[1:]


def _find(names: list[str], spec: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Follows a path through the pipeline's components; between a loop and its tasks lies the iteration, which ends with its number."""
    component, loops, key, in_loop = spec["root"], "", "", False
    for name in names:
        task = component.get("dag", {}).get("tasks", {}).get(name)
        if task:
            key = f"{loops}{name}"
            component = spec["components"][task["componentRef"]["name"]]
            in_loop = _is_loop(task)
            loops = f"{key}/" if in_loop else loops
        elif in_loop and (number := re.search(r"\d+$", name)):
            loops, in_loop = f"{loops}{number[0]}/", False
        else:
            return None
    return key, component


def _leaves(component: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    """Yields the names of the tasks below, except those in loops, whose iterations are unknown."""
    for name, task in component["dag"]["tasks"].items():
        child = spec["components"][task["componentRef"]["name"]]
        if "dag" not in child:
            yield name
        elif not _is_loop(task):
            yield from _leaves(child, spec)


def _is_loop(task: dict[str, Any]) -> bool:
    return "parameterIterator" in task or "artifactIterator" in task


def _outputs(detail: Any, component: dict[str, Any]) -> dict[str, Any]:
    kinds = component.get("outputDefinitions", {}).get("parameters", {})
    recorded = whole(json_format.MessageToDict(detail.execution.metadata))
    parameters = {name.removeprefix(_OUTPUT): value for name, value in recorded.items() if name.startswith(_OUTPUT)}
    typed = {name: _typed(value, kinds.get(name, {}).get("parameterType", "STRING")) for name, value in parameters.items()}
    return typed | {name: _artifacts(name, found.artifacts) for name, found in detail.outputs.items()}


def _typed(value: Any, kind: str) -> Any:
    """ML Metadata holds what is not a plain value as JSON."""
    return json.loads(value) if isinstance(value, str) and kind not in _TEXTS else value


def _artifacts(name: str, found: Any) -> Any:
    made = [
        create_artifact_instance(
            {
                "name": name,
                "uri": artifact.uri,
                "metadata": whole(json_format.MessageToDict(artifact.metadata)),
                "type": {"schemaTitle": artifact.schema_title},
            }
        )
        for artifact in found
    ]
    return made[0] if len(made) == 1 else made


def _moment(message: Any, field: str) -> datetime | None:
    return getattr(message, field).ToDatetime(timezone.utc) if message.HasField(field) else None
