"""kfp.local runs independent tasks one after the other; here they run side by side, as on Kubeflow and Vertex AI.

Upstream (kfp 2.17): `run_dag` and `run_enhanced_dag` wait for each task before they come to the next. That order stays. While they wait for one
task, others start beside it that need nothing of it; when they come to one of these, its outputs are there or are awaited.

What runs beside a task that fails goes on to its end, as on Kubeflow, where Argo schedules no more but waits for what runs.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..kfp_adapter.orchestrator import EXECUTE_SINGLE_TASK, Status, is_root
from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2, topological_sort_tasks
from ..spec.containers import family_of
from ..spec.pipeline_file import PipelineFile

_WHERE_ALL_SUCCEEDED = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.TriggerStrategy.ALL_UPSTREAM_TASKS_SUCCEEDED
# Each task of TensorFlow's takes a gigabyte, and as many processors as there are.
_MOST = 4

_Result = tuple[dict[str, Any], Status]


def default_limit() -> int:
    """Returns how many tasks run at the same time by default: one per processor, and no more than four."""
    return min(os.cpu_count() or 1, _MOST)


class _SideBySide:
    """The tasks of a pipeline, but for those of pipelines within it.

    Args:
        execute: Runs a task to its end.
        pipeline: The pipeline.
        limit: How many may run at the same time.
        pool: Its threads wait for those beside.
    """

    def __init__(self, execute: Callable[..., _Result], pipeline: PipelineFile, limit: int, pool: ThreadPoolExecutor) -> None:
        self._execute = execute
        self._to_come = dict(_independent(pipeline))
        self._limit = limit
        self._pool = pool
        self._ahead: dict[str, Future[_Result]] = {}
        self._done: set[str] = set()

    def run(self, *, task_name: str, io_store: Any, **task: Any) -> _Result:
        """Runs a task, or takes the result that it has had beside another."""
        if not is_root(io_store):
            return self._execute(task_name=task_name, io_store=io_store, **task)
        self._to_come.pop(task_name, None)
        running = self._ahead.pop(task_name, None)
        if not (running and running.done()):
            self._start_beside(io_store=io_store, **task)
        result = running.result() if running else self._execute(task_name=task_name, io_store=io_store, **task)
        if result[1] == Status.SUCCESS:
            self._done.add(task_name)
        return result

    def _start_beside(self, **task: Any) -> None:
        ready = [name for name, spec in self._to_come.items() if self._done.issuperset(spec.dependent_tasks)]
        busy = 1 + sum(not future.done() for future in self._ahead.values())
        for name in ready[: self._limit - busy]:
            self._ahead[name] = self._pool.submit(self._execute, **task | {"task_name": name, "task_spec": self._to_come.pop(name)})


def _independent(pipeline: PipelineFile) -> Iterator[tuple[str, Any]]:
    """Yields the tasks that may run beside others, in their order: no pipelines, loops, conditions and exit handlers, and none that takes the GPU."""
    tasks = pipeline.spec.root.dag.tasks
    for name in reversed(topological_sort_tasks(tasks)):
        task = tasks[name]
        component = pipeline.spec.components[task.component_ref.name]
        is_plain = not (task.trigger_policy.condition or task.WhichOneof("iterator") or component.WhichOneof("implementation") == "dag")
        if (
            is_plain
            and task.trigger_policy.strategy <= _WHERE_ALL_SUCCEEDED
            and not _takes_gpu(pipeline.executors[component.executor_label])
        ):
            yield name, task


def _takes_gpu(executor: Any) -> bool:
    return family_of(executor.container.image) == "tf-gpu"


@contextmanager
def running(pipeline: PipelineFile, limit: int) -> Iterator[None]:
    """Runs a pipeline's tasks side by side, and waits for all of them in the end.

    Args:
        pipeline: The pipeline.
        limit: How many may run at the same time.
    """
    with (
        ThreadPoolExecutor(limit) as pool,
        EXECUTE_SINGLE_TASK.wrapped(lambda execute: _SideBySide(execute, pipeline, limit, pool).run),
    ):
        yield
