"""Conditions and loops."""

from collections.abc import Iterator

from ..document import Document, Task, place_of
from ..registry import error, warning
from .links import PULL, SOURCE

_UNNAMED = "Output"
_LOCAL_LOOPS = 2


@warning("if-on-task-output", "local", link=f"{PULL}13313")
def condition(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local silently skips a `dsl.If` on a named task output.

    It looks the value up as a pipeline parameter, does not find it, and takes the condition for false. `penstock run` mends this; a `dsl.Else` avoids
    it.
    """
    for task in document.tasks():
        text = task.spec.get("triggerPolicy", {}).get("condition", "")
        for name in _named_outputs(task):
            if f"'{name}'" in text:
                yield f"{task.place}.triggerPolicy", f"kfp.local skips what is behind {text}; use `penstock run`, or add a dsl.Else"


@warning("loop-over-task-output", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/enhanced_dag_orchestrator.py")
def loop(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local cannot loop over a named task output.

    It looks the list up as a pipeline parameter and raises ValueError. `penstock run` mends this.
    """
    for task in document.tasks():
        if task.spec.get("parameterIterator", {}).get("items", {}).get("inputParameter", "") in _named_outputs(task):
            yield f"{task.place}.parameterIterator", "kfp.local raises ValueError on a loop over a task's output; use `penstock run`"


@warning("one-of-artifacts", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/orchestrator_utils.py")
def one_of(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local cannot take one of several artifacts.

    `dsl.OneOf` over artifacts ends with `Expected 1 artifact in ArtifactSelectorSpec`. `penstock run` mends this; over parameters it works.
    """
    for name, component in document.components.items():
        for output, spec in component.get("dag", {}).get("outputs", {}).get("artifacts", {}).items():
            if len(spec.get("artifactSelectors", [])) > 1:
                yield f"{place_of(name)}.dag.outputs.artifacts.{output}", "kfp.local refuses dsl.OneOf over artifacts; use `penstock run`"


@error("loop-over-artifacts", "kubeflow", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/dag.go")
def artifact_loop(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not loop over artifacts.

    `dsl.ParallelFor` over a list of artifacts is refused when the run is made: `artifact iterator not implemented yet`. Loop over their URIs, or over
    indices.
    """
    for task in document.tasks():
        if "artifactIterator" in task.spec:
            yield f"{task.place}.artifactIterator", "Kubeflow does not loop over artifacts; loop over a list of parameters"


@warning("loop-parallelism", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/enhanced_dag_orchestrator.py")
def parallelism(document: Document) -> Iterator[tuple[str, str]]:
    """Locally, two iterations of a loop run at the same time, whatever its parallelism says.

    Tasks that do not need each other run one after the other there. The results are the same; they take longer.
    """
    for task in document.tasks():
        if (limit := task.spec.get("iteratorPolicy", {}).get("parallelismLimit", 0)) > _LOCAL_LOOPS:
            yield f"{task.place}.iteratorPolicy", f"{limit} iterations at the same time are {_LOCAL_LOOPS} locally"


def _named_outputs(task: Task) -> list[str]:
    """Returns the inputs of a group that are named outputs of other tasks."""
    bound = {name: given.get("taskOutputParameter", {}).get("outputParameterKey") for name, given in task.parameters.items()}
    return [name for name, output in bound.items() if output and output != _UNNAMED]
