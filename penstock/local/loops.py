"""kfp.local cannot loop over a named task output, and gives a loop's body the item in place of other tasks' outputs.

Upstream (kfp 2.17): `_run_parallel_for_task` looks a list from a named task output up as a pipeline parameter and raises ValueError;
`create_parameter_loop_iteration_task_spec` overwrites every task output among the loop's inputs with the loop's item.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kfp.local import io
from kfp.local.orchestrator import task_spec_utils

from .replacing import replaced

_CHANNEL = "pipelinechannel--"


def _get_parent_input(store: io.IOStore | None, key: str) -> Any:
    """Finds an input in the innermost scope that has it; a channel `pipelinechannel--<task>-<output>` is a task's output."""
    scope = store
    while scope is not None:
        if key in scope._parent_input_data:
            return scope._parent_input_data[key]
        task, _, output = key.removeprefix(_CHANNEL).rpartition("-")  # output names have no hyphens
        if key.startswith(_CHANNEL) and output in scope._task_output_data.get(task, {}):
            return scope._task_output_data[task][output]
        scope = scope._parent
    raise ValueError(f"Parent pipeline input argument '{key}' not found.")


def _keep_task_outputs(make_spec: Callable[..., Any]) -> Callable[..., Any]:
    def make(original_task_spec: Any, loop_item: Any, loop_task_name: str) -> Any:
        spec = make_spec(original_task_spec, loop_item, loop_task_name)
        for name, given in original_task_spec.inputs.parameters.items():
            if given.HasField("task_output_parameter"):
                spec.inputs.parameters[name].CopyFrom(given)
        return spec

    return make


@contextmanager
def mend() -> Iterator[None]:
    """Mends loops over, and loops beside, task outputs."""
    keep = _keep_task_outputs(task_spec_utils.create_parameter_loop_iteration_task_spec)
    with (
        replaced(io.IOStore, "get_parent_input", _get_parent_input),
        replaced(task_spec_utils, "create_parameter_loop_iteration_task_spec", keep),
    ):
        yield
