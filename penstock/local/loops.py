"""kfp.local finds a loop's items, and what its body is given, by names; here both are what the compiled file binds.

Upstream (kfp 2.17): `_run_parallel_for_task` cuts the name of a task out of the name of a list, so that a loop over a named output, or over a
field of an outer loop's item, fails; `create_parameter_loop_iteration_task_spec` gives the body the item in place of other tasks' outputs and
of outer loops' items; artifacts of nested loops are collected as lists of lists, which nothing takes; and where a condition kept a task from
running, what was collected has None.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..kfp_adapter.orchestrator import RUN_LOOP, Status, make_task_arguments


def _run_loop(*, task_name: str, task_spec: Any, components: Any, io_store: Any, parallel_executor: Any, **rest: Any) -> bool:
    """Runs all iterations of a loop; returns whether one failed."""
    given = make_task_arguments(task_spec.inputs, io_store)
    iterations = {f"{task_name}-iteration-{number}": item for number, item in enumerate(_items(task_spec, given))}
    for name, item in iterations.items():
        io_store.put_parent_input(name, item)
    outputs, result = parallel_executor.execute_parallel_tasks(
        tasks=[(name, _iteration(task_spec, name)) for name in iterations],
        components=components,
        io_store=io_store,
        parallelism_limit=task_spec.iterator_policy.parallelism_limit,
        **rest,
    )
    if result != Status.SUCCESS:
        return True
    definitions = components[task_spec.component_ref.name].output_definitions
    for output in definitions.parameters:
        io_store.put_task_output(task_name, output, _put_out(outputs, iterations, output))
    for output in definitions.artifacts:
        io_store.put_task_output(task_name, output, _flat(_put_out(outputs, iterations, output)))
    io_store.put_task_status(task_name, "SUCCEEDED")
    return False


def _items(task_spec: Any, given: dict[str, Any]) -> list[Any]:
    if task_spec.WhichOneof("iterator") == "artifact_iterator":
        return given[task_spec.artifact_iterator.items.input_artifact]
    items = task_spec.parameter_iterator.items
    values = json.loads(items.raw) if items.WhichOneof("kind") == "raw" else given[items.input_parameter]
    if isinstance(values, str):
        values = json.loads(values)
    if not isinstance(values, list):
        raise ValueError(f"it loops over {values!r:.60}, which is not a list")
    return values


def _iteration(task_spec: Any, item: str) -> Any:
    """Makes the task of one iteration of a loop, which takes its item from an input of that name."""
    spec = type(task_spec)()
    spec.CopyFrom(task_spec)
    if task_spec.WhichOneof("iterator") == "artifact_iterator":
        spec.inputs.artifacts[task_spec.artifact_iterator.item_input].component_input_artifact = item
    else:
        spec.inputs.parameters[task_spec.parameter_iterator.item_input].component_input_parameter = item
        spec.inputs.parameters[task_spec.parameter_iterator.item_input].ClearField("parameter_expression_selector")
    spec.ClearField("parameter_iterator")
    spec.ClearField("artifact_iterator")
    return spec


def _put_out(outputs: dict[str, dict[str, Any]], iterations: Iterable[str], output: str) -> list[Any]:
    """Returns what the iterations have put out, in their order; nothing for one where a condition kept the task from running."""
    return [outputs[name][output] for name in iterations if output in outputs[name]]


def _flat(artifacts: list[Any]) -> list[Any]:
    """Returns artifacts one by one: KFP knows no list of lists of them."""
    return [each for artifact in artifacts for each in (artifact if isinstance(artifact, list) else [artifact])]


@contextmanager
def patch() -> Iterator[None]:
    """Patches loops."""
    with RUN_LOOP.replaced(_run_loop):
        yield
