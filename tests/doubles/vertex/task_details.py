"""What Vertex AI tells of a pipeline job's tasks (the API reference of PipelineTaskDetail), from what its run is observed to do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1 import types
from google.rpc import status_pb2

from ..pipeline_runs import ObservedTask
from .inputs import Inputs
from .names import Names

State = types.PipelineTaskDetail.State
_ROOT: tuple[str, ...] = ()
# Tasks that wait for others are not listed: the service makes a task when its turn comes.
_STATES = {
    "running": State.RUNNING,
    "done": State.SUCCEEDED,
    "cached": State.SKIPPED,
    "failed": State.FAILED,
    "skipped": State.NOT_TRIGGERED,
}
_EXECUTIONS = {
    State.RUNNING: types.Execution.State.RUNNING,
    State.SUCCEEDED: types.Execution.State.COMPLETE,
    State.SKIPPED: types.Execution.State.CACHED,
    State.FAILED: types.Execution.State.FAILED,
    State.CANCELLED: types.Execution.State.CANCELLED,
}


class TaskDetails:
    """The details of one job's tasks; each keeps the numbers that it has got.

    Args:
        names: The project and the region.
        new_number: Makes an id.
        uri: Gives the URI of what lies at a path.
        job_id: The job's id.
    """

    def __init__(self, names: Names, new_number: Callable[[], str], uri: Callable[[str], str], job_id: str) -> None:
        self._names = names
        self._new_number = new_number
        self._uri = uri
        self._job_id = job_id
        self._numbers: dict[tuple[Any, ...], str] = {}

    def log(self, job_number: str, tasks: dict[str, ObservedTask]) -> Path | None:
        """Returns what the custom job of a number has printed; None if there is no such job."""
        found = (task.log for task in tasks.values() if task.log and self._number("job", task.path) == job_number)
        return next(found, None)

    def all(
        self, tasks: dict[str, ObservedTask], inputs: Inputs, job: types.PipelineJob, *, canceled: bool
    ) -> list[types.PipelineTaskDetail]:
        """Returns the details of the job itself, of the DAGs that it has come to, and of their tasks.

        Args:
            tasks: The tasks, as they are now.
            inputs: What they were given.
            job: The job, as it is now.
            canceled: Whether it was canceled.
        """
        begun = [task for task in tasks.values() if task.state in _STATES]
        closed = _closed(begun)
        shown = [task for task in begun if not any(_within(path, [task]) for path in closed)]
        come = {_without_iterations(task.path) for task in begun}
        waiting = [task for task in tasks.values() if task.state == "waiting" and task.path not in come]
        inner = list(dict.fromkeys(path for task in shown for path in _above(task.path)))
        details = [self._dag(path, _within(path, shown), bool(_within(path, waiting)), canceled) for path in inner]
        details += [self._detail(path, State.NOT_TRIGGERED) for path in closed]
        details += [self._leaf(task, canceled) for task in shown]
        for detail, path in zip(details, [*inner, *closed, *(task.path for task in shown)], strict=True):
            self._add_inputs(detail, path, inputs)
        return [self._root(job, inputs), *details]

    def _root(self, job: types.PipelineJob, inputs: Inputs) -> types.PipelineTaskDetail:
        name = job.state.name.removeprefix("PIPELINE_STATE_")
        detail = self._detail(_ROOT, State[name] if name in State.__members__ else State.PENDING)
        detail.start_time, detail.end_time = job.start_time, job.end_time
        detail.execution.schema_title = "system.Run"
        self._add_inputs(detail, _ROOT, inputs)
        return detail

    def _add_inputs(self, detail: types.PipelineTaskDetail, path: tuple[str, ...], inputs: Inputs) -> None:
        given = {f"input:{name}": value for name, value in inputs.parameters(path).items()}
        type(detail.execution).pb(detail.execution).metadata.update(given)
        detail.inputs = {name: self._artifacts(name, artifact) for name, artifact in inputs.artifacts(path).items()}

    def _dag(self, path: tuple[str, ...], tasks: list[ObservedTask], more: bool, canceled: bool) -> types.PipelineTaskDetail:
        states = {_state(task, canceled) for task in tasks} | ({State.RUNNING} if more else set())
        order = (State.RUNNING, State.FAILED, State.CANCELLED)
        detail = self._detail(path, next((state for state in order if state in states), State.SUCCEEDED))
        detail.create_time = detail.start_time = min((task.started for task in tasks if task.started), default=None)
        if detail.state != State.RUNNING:
            detail.end_time = max((task.ended for task in tasks if task.ended), default=None)
        detail.execution.schema_title = "system.DagExecution"
        return detail

    def _leaf(self, task: ObservedTask, canceled: bool) -> types.PipelineTaskDetail:
        detail = self._detail(task.path, _state(task, canceled))
        detail.create_time, detail.start_time, detail.end_time = task.started, task.started, task.ended
        detail.execution.schema_title = "system.ContainerExecution"
        detail.execution.metadata = {f"output:{name}": value for name, value in task.outputs.get("parameterValues", {}).items()}
        detail.outputs = {name: self._artifacts(name, given) for name, given in task.outputs.get("artifacts", {}).items()}
        if task.log and task.state != "cached":
            detail.executor_detail.container_detail.main_job = self._names.full("customJobs", self._number("job", task.path))
        if detail.state == State.FAILED:
            detail.error = self._error(task)
        return detail

    def _detail(self, path: tuple[str, ...], state: State) -> types.PipelineTaskDetail:
        name = _name(path) if path else self._job_id
        execution = types.Execution(
            name=self._names.full("metadataStores", f"default/executions/{self._number('execution', path)}"),
            display_name=name,
            state=_EXECUTIONS.get(state, types.Execution.State.NEW),
        )
        return types.PipelineTaskDetail(
            task_id=int(self._number("task", path)),
            parent_task_id=int(self._number("task", path[:-1])) if path else 0,
            task_name=name,
            task_unique_name=".".join(_name(above) for above in [*_above(path), path] if above),
            state=state,
            execution=execution,
        )

    def _artifacts(self, name: str, given: dict[str, Any]) -> types.PipelineTaskDetail.ArtifactList:
        artifacts = [
            types.Artifact(
                name=self._names.full("metadataStores", f"default/artifacts/{self._number('artifact', artifact.get('uri'))}"),
                display_name=name,
                uri=self._uri(artifact.get("uri", "")),
                schema_title=artifact.get("type", {}).get("schemaTitle", ""),
                schema_version=artifact.get("type", {}).get("schemaVersion", ""),
                state=types.Artifact.State.LIVE,
                metadata=artifact.get("metadata", {}),
            )
            for artifact in given.get("artifacts", [])
        ]
        return types.PipelineTaskDetail.ArtifactList(artifacts=artifacts)

    def _error(self, task: ObservedTask) -> status_pb2.Status:
        number = self._number("job", task.path)
        text = (
            "The replica workerpool0-0 exited with a non-zero status of 1. To find out more about why your job exited please check the logs: "
            f"https://console.cloud.google.com/logs/viewer?project={self._names.number}&resource=ml_job%2Fjob_id%2F{number}"
            f"&advancedFilter=resource.type%3D%22ml_job%22%0Aresource.labels.job_id%3D%22{number}%22"
        )
        return status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message=text)

    def _number(self, *key: Any) -> str:
        if key not in self._numbers:
            self._numbers[key] = self._new_number()
        return self._numbers[key]


def _state(task: ObservedTask, canceled: bool) -> State:
    state = _STATES[task.state]
    return State.CANCELLED if canceled and state in (State.RUNNING, State.FAILED) else state


def _closed(tasks: list[ObservedTask]) -> list[tuple[str, ...]]:
    """Returns the outermost DAGs of which nothing was run: their conditions were not met, and nothing within them was made."""
    candidates = dict.fromkeys(path for task in tasks if task.state == "skipped" for path in _above(task.path))
    closed: list[tuple[str, ...]] = []
    for path in sorted(candidates, key=len):
        if all(task.state == "skipped" for task in _within(path, tasks)) and not any(path[: len(other)] == other for other in closed):
            closed.append(path)
    return closed


def _within(path: tuple[str, ...], tasks: list[ObservedTask]) -> list[ObservedTask]:
    return [task for task in tasks if task.path[: len(path)] == path]


def _without_iterations(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in path if not key.isdigit())


def _above(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the paths of the DAGs that a task lies in, without the root."""
    return (path[:length] for length in range(1, len(path)))


def _name(path: tuple[str, ...]) -> str:
    """Returns a task's name; an iteration's is its loop's with the number."""
    return f"{path[-2]}-{path[-1]}" if path[-1].isdigit() else path[-1]
