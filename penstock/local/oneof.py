"""kfp.local cannot run `dsl.OneOf` over artifacts.

Upstream (kfp 2.17, `OrchestratorUtils.get_dag_output_artifacts`): "Expected 1 artifact in ArtifactSelectorSpec".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils

from .replacing import replaced


def _get_dag_output_artifacts(dag_outputs_spec: Any, io_store: Any) -> dict[str, Any]:
    """Takes each output from the one branch that ran."""
    return {name: _the_one(name, spec.artifact_selectors, io_store) for name, spec in dag_outputs_spec.artifacts.items()}


def _the_one(name: str, selectors: Any, io_store: Any) -> Any:
    found = []
    for selector in selectors:
        try:
            found.append(io_store.get_task_output(selector.producer_subtask, selector.output_artifact_key))
        except ValueError:
            continue  # this branch did not run
    if len(found) != 1:
        raise ValueError(f"{len(found)} of the tasks that may produce the artifact {name} did so; expected exactly one")
    return found[0]


@contextmanager
def mend() -> Iterator[None]:
    """Mends OneOf over artifacts."""
    with replaced(OrchestratorUtils, "get_dag_output_artifacts", staticmethod(_get_dag_output_artifacts)):
        yield
