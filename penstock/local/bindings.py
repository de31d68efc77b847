"""kfp.local gives a task what lies under a name; here it is given what the compiled file binds, or there is an error.

Upstream (kfp 2.17): `build_nested_dag_arguments` forgets a task's artifact where a nested pipeline takes no parameter, and puts what has the same
name further out in the place of what was not given; `_apply_expression_selector` gives a loop's whole item on where it lacks the field that is asked for;
a task with `ignore_upstream_failure` fails for want of a failed task's output, although it has a default; and a task is not run after the
tasks that its limits of processors and memory come from, which the compiler does not name among those it depends on.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..kfp_adapter.orchestrator import EXECUTE_TASK, NESTED_ARGUMENTS, SELECT_FIELD, is_there, make_task_arguments
from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2
from ..spec.producers import inputs_from_tasks

_ALWAYS = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED
_FIELD = re.compile(r'parseJson\(string_value\)\[(".*")\]', re.DOTALL)


def _nested_arguments(task_name: str, task_spec: Any, component_spec: Any, io_store: Any) -> dict[str, Any]:
    return make_task_arguments(task_spec.inputs, io_store)


def _select(value: Any, expression: str) -> Any:
    field = _FIELD.fullmatch(expression)
    if not field:
        raise ValueError(f"{expression} cannot be evaluated")
    item = json.loads(value) if isinstance(value, str) else value
    name = json.loads(field[1])
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"an item has no field {name}: {value!r:.100}")
    return item[name]


def _without_missing(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a task that runs whatever became of others without what these did not give: its defaults stand in."""

    def run(*, task_spec: Any, io_store: Any, **rest: Any) -> Any:
        kept = type(task_spec)()
        kept.CopyFrom(task_spec)
        if task_spec.trigger_policy.strategy == _ALWAYS:
            for inputs, name, producer, output in inputs_from_tasks(kept):
                if not is_there(io_store, producer, output):
                    del inputs[name]
        return execute(task_spec=kept, io_store=io_store, **rest)

    return run


@contextmanager
def patch() -> Iterator[None]:
    """Patches what tasks and nested pipelines are given."""
    with EXECUTE_TASK.wrapped(_without_missing), NESTED_ARGUMENTS.replaced(_nested_arguments), SELECT_FIELD.replaced(_select):
        yield
