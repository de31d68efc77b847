"""kfp.local only logs which task it is running, and how it ended; here the view of the run is notified."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..kfp_adapter.orchestrator import EXECUTE_SINGLE_TASK, Status
from .tasks import Task, View, begin, figure_of, pages, reason

_COMPONENT_PREFIX = "comp-"


def _watched(execute: Callable[..., Any], view: View, run_name: str) -> Callable[..., Any]:
    def wrapper(*, task_spec: Any, pipeline_resource_name: str, **rest: Any) -> Any:
        iteration = pipeline_resource_name.removeprefix(run_name).strip("/")
        name = task_spec.component_ref.name.removeprefix(_COMPONENT_PREFIX)
        task = begin(f"{iteration}/{name}" if iteration else name)
        task.retries = task_spec.retry_policy.max_retry_count
        try:
            outputs, result = execute(task_spec=task_spec, pipeline_resource_name=pipeline_resource_name, **rest)
        except Exception as error:
            # Upstream's own complaints about a task (an output that cannot be read, an input that is missing) fail the
            # task, not the orchestrator, so that exit handlers still run.
            task.error, outputs, result = reason(error), {}, Status.FAILURE
        _finish(task, outputs, result)
        view.finished(task)
        return outputs, result

    return wrapper


def _finish(task: Task, outputs: dict[str, Any], result: Status) -> None:
    task.seconds = time.monotonic() - task.started
    task.outputs = outputs
    if result != Status.SUCCESS:
        task.state = "failed"
        return
    if task.state != "cached":
        task.state = "done"
    task.reports = [Path(page.path) for page in pages(outputs) if Path(page.path).is_file()]
    task.figure = figure_of(outputs, task.figure)


@contextmanager
def watched(view: View, run_name: str) -> Iterator[None]:
    """Shows every task of a run to a view.

    Args:
        view: Who watches.
        run_name: The run's resource name: what lies below it is a loop's iteration.
    """
    with EXECUTE_SINGLE_TASK.wrapped(partial(_watched, view=view, run_name=run_name)):
        yield
