"""The data flow between the tasks of a pipeline."""

from collections.abc import Iterator
from typing import Any

from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2


def depend_on_producers(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    """Lets each task depend on every task whose output it is given; changes the pipeline."""
    for component in [spec.root, *spec.components.values()]:
        for task in component.dag.tasks.values():
            missing = {producer for _, _, producer, _ in inputs_from_tasks(task)} - {*task.dependent_tasks}
            task.dependent_tasks.extend(sorted(missing & component.dag.tasks.keys()))


def inputs_from_tasks(task: Any) -> Iterator[tuple[Any, str, str, str]]:
    """Yields the inputs of a task that another one gives: the map that has it, its name, that task and the output."""
    for name, given in list(task.inputs.parameters.items()):
        if given.HasField("task_output_parameter"):
            output = given.task_output_parameter
            yield task.inputs.parameters, name, output.producer_task, output.output_parameter_key
    for name, given in list(task.inputs.artifacts.items()):
        if given.HasField("task_output_artifact"):
            source = given.task_output_artifact
            yield task.inputs.artifacts, name, source.producer_task, source.output_artifact_key
