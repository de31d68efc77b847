"""kfp.local cannot run `dsl.OneOf` over artifacts, nor a loop around a `dsl.If` whose results are collected.

Upstream (kfp 2.17): `OrchestratorUtils.get_dag_output_artifacts` says "Expected 1 artifact in ArtifactSelectorSpec", and
`get_dag_output_parameters` raises ValueError where a condition kept the task from running whose output a pipeline gives back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..kfp_adapter.orchestrator import DAG_OUTPUT_ARTIFACTS, DAG_OUTPUT_PARAMETERS, is_there


def _parameters_that_are(get: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def wrapper(dag_outputs_spec: Any, io_store: Any) -> dict[str, Any]:
        known = type(dag_outputs_spec)()
        for name, spec in dag_outputs_spec.parameters.items():
            source = spec.value_from_parameter
            if spec.WhichOneof("kind") != "value_from_parameter" or is_there(
                io_store, source.producer_subtask, source.output_parameter_key
            ):
                known.parameters[name].CopyFrom(spec)
        return get(dag_outputs_spec=known, io_store=io_store)

    return wrapper


def _get_dag_output_artifacts(dag_outputs_spec: Any, io_store: Any) -> dict[str, Any]:
    """Takes each output from the one branch that ran; none where the only task that gives it did not run."""
    found = {name: list(_found(spec.artifact_selectors, io_store)) for name, spec in dag_outputs_spec.artifacts.items()}
    for name, spec in dag_outputs_spec.artifacts.items():
        if len(found[name]) != 1 and len(spec.artifact_selectors) > 1:
            raise ValueError(f"{len(found[name])} of the tasks that can produce the artifact {name} produced it; expected exactly one")
    return {name: artifacts[0] for name, artifacts in found.items() if artifacts}


def _found(selectors: Any, io_store: Any) -> Iterator[Any]:
    for selector in selectors:
        if is_there(io_store, selector.producer_subtask, selector.output_artifact_key):
            yield io_store.get_task_output(selector.producer_subtask, selector.output_artifact_key)


@contextmanager
def patch() -> Iterator[None]:
    """Fixes the outputs of nested pipelines."""
    with DAG_OUTPUT_PARAMETERS.wrapped(_parameters_that_are), DAG_OUTPUT_ARTIFACTS.replaced(_get_dag_output_artifacts):
        yield
