"""kfp.local skips a `dsl.If` in silence where it cannot evaluate the condition; here that is an error.

Upstream (kfp 2.17, `ConditionEvaluator.evaluate_condition`): a condition on a named task output is looked up as a pipeline
parameter, not found, and taken for false; any other failure (a value with a quote in it, a missing one) is false as well. A gate
must never be passed over, so the values come from the task's own inputs, as the compiled file binds them, and a condition
that cannot be evaluated fails the pipeline.

Upstream also puts the values into the text and hands it to Python's `eval`: the author of a pipeline, or of a value, could run
code here. Ours parses it (see `cel`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..kfp_adapter.orchestrator import EVALUATE_CONDITION, RUN_DAG, Status, make_task_arguments
from . import faults
from .conditions import ConditionError, brief, evaluate
from .tasks import reason

_scope = threading.local()


def _evaluate_in_scope(condition: str, io_store: Any) -> bool:
    """Stands in for upstream's evaluator: the values are the inputs of the task that carries the condition."""
    if not condition.strip():
        return True
    task = next(task for task in _scope.dag.tasks.values() if task.trigger_policy.condition == condition)
    try:
        values = make_task_arguments(task.inputs, io_store)
    except ValueError as error:
        raise ConditionError(
            f"the condition {brief(condition)} has an undefined value ({error}); the tasks behind it did not run"
        ) from error
    passed = evaluate(condition, values)
    if not passed and (view := faults.view()):
        view.skipped(condition, values)
    return passed


def _within_scope(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """Remembers the running DAG of each thread, because the evaluator gets only the condition."""

    def run(*, dag_component_spec: Any, **rest: Any) -> Any:
        outer = getattr(_scope, "dag", None)
        _scope.dag = dag_component_spec.dag
        try:
            return run_dag(dag_component_spec=dag_component_spec, **rest)
        except Exception as error:
            faults.tell(reason(error))
            return {}, Status.FAILURE
        finally:
            _scope.dag = outer

    return run


@contextmanager
def patch() -> Iterator[None]:
    """Fixes the evaluation of conditions."""
    with EVALUATE_CONDITION.replaced(_evaluate_in_scope), RUN_DAG.wrapped(_within_scope):
        yield
