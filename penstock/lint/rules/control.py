"""Conditions and loops."""

import re
from collections.abc import Iterator

from ...spec.document import DagTask, Document, parameters_of, place_of
from ..registry import error, warning
from .links import PULL, SOURCE

_UNNAMED = "Output"
_LOCAL_LOOPS = 2
_TEXT = "STRING"
_STATUS = "TASK_FINAL_STATUS"
_RESOLVE = f"{SOURCE}backend/src/v2/driver/resolve.go"
_STATE = re.compile(r"\.state\b")
_ONLY_COMPLETE = re.compile(r"\A(?!.*['\"]SUCCEEDED['\"]).*['\"]COMPLETE['\"]", re.DOTALL)


@warning("if-on-task-output", "local", link=f"{PULL}13313")
def condition(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local silently skips a `dsl.If` on a named task output.

    It looks for the value among the pipeline's parameters, does not find it, and treats the condition as false. `penstock run` fixes this.
    A `dsl.Else` also avoids it.
    """
    for task in document.tasks():
        text = task.spec.get("triggerPolicy", {}).get("condition", "")
        for name in _named_outputs(task):
            if f"'{name}'" in text:
                yield f"{task.place}.triggerPolicy", f"kfp.local skips the tasks behind {text}; use `penstock run`, or add a dsl.Else"


@warning("loop-over-task-output", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/enhanced_dag_orchestrator.py")
def loop(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local cannot loop over a named task output.

    It looks for the list among the pipeline's parameters and raises ValueError. `penstock run` fixes this.
    """
    for task in document.tasks():
        if task.spec.get("parameterIterator", {}).get("items", {}).get("inputParameter", "") in _named_outputs(task):
            yield f"{task.place}.parameterIterator", "kfp.local raises ValueError for a loop over a task's output; use `penstock run`"


@warning("one-of-artifacts", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/orchestrator_utils.py")
def one_of(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local does not support `dsl.OneOf` over artifacts.

    It ends with `Expected 1 artifact in ArtifactSelectorSpec`. `penstock run` fixes this. `dsl.OneOf` over parameters works.
    """
    for name, component in document.components.items():
        for output, spec in component.get("dag", {}).get("outputs", {}).get("artifacts", {}).items():
            if len(spec.get("artifactSelectors", [])) > 1:
                yield f"{place_of(name)}.dag.outputs.artifacts.{output}", "kfp.local rejects dsl.OneOf over artifacts; use `penstock run`"


@error("loop-over-artifacts", "kubeflow", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/dag.go")
def artifact_loop(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow does not loop over artifacts.

    It rejects a run of `dsl.ParallelFor` over a list of artifacts: `artifact iterator not implemented yet`. Loop over their URIs, or over
    indices.
    """
    for task in document.tasks():
        if "artifactIterator" in task.spec:
            yield f"{task.place}.artifactIterator", "Kubeflow does not loop over artifacts; loop over a list of parameters"


@warning("loop-parallelism", "local", link=f"{SOURCE}sdk/python/kfp/local/orchestrator/enhanced_dag_orchestrator.py")
def parallelism(document: Document) -> Iterator[tuple[str, str]]:
    """Locally, two iterations of a loop run at the same time, whatever its parallelism is.

    The results are the same, but take longer.
    """
    for task in document.tasks():
        if (limit := task.spec.get("iteratorPolicy", {}).get("parallelismLimit", 0)) > _LOCAL_LOOPS:
            yield f"{task.place}.iteratorPolicy", f"{limit} iterations at the same time are {_LOCAL_LOOPS} locally"


@error("loop-item-type", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/resolve.go")
def item_type(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, the items of a loop over an untyped list are text.

    `dsl.ParallelFor` over a `list` gives STRING items. A task that accepts a number, bool, list or dict fails: `expect NUMBER_INTEGER, got
    string`. Declare the type of the items: `List[int]`, `List[dict]`.
    """
    loops = {
        task.component_name: task.spec["parameterIterator"].get("itemInput", "")
        for task in document.tasks()
        if "parameterIterator" in task.spec
    }
    for task in document.tasks():
        item = loops.get(task.parent)
        if not item or parameters_of(document.components[task.parent]).get(item, {}).get("parameterType") != _TEXT:
            continue
        for name, given in task.parameters.items():
            kind = parameters_of(task.component).get(name, {}).get("parameterType", _TEXT)
            if given.get("componentInputParameter") == item and kind != _TEXT:
                yield (
                    f"{task.place}.inputs.parameters.{name}",
                    f"the loop's items are {_TEXT}, but it accepts {kind}; declare the type of the items, as in List[int]",
                )


@warning("empty-loop", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/resolve.go")
def empty_loop(document: Document) -> Iterator[tuple[str, str]]:
    """Collecting the results of a loop over an empty list fails on Kubeflow.

    `dsl.Collected` over a loop without iterations ends with `subTaskName ... not in tasks`. Make sure that the list is not empty, or put
    both behind a `dsl.If`.
    """
    for task in document.tasks():
        for collected in task.producers:
            loop = document.components.get(task.parent, {}).get("dag", {}).get("tasks", {}).get(collected, {})
            if (items := loop.get("parameterIterator", {}).get("items", {})) and items.get("raw", "[]") == "[]":
                yield (
                    f"{task.place}.inputs",
                    f"it collects the outputs of {collected}, which fails if the list is empty; make sure that the list has an item",
                )


@warning("retry", "kubeflow", link=f"{SOURCE}manifests/kustomize/third-party/argo/base/workflow-controller-configmap-patch.yaml")
def retry(document: Document) -> Iterator[tuple[str, str]]:
    """`set_retry` does not retry a failed task in a default installation of Kubeflow 2.17, only one whose pod is lost with its node.

    The installation gives every template a retry strategy with the policy `OnError`, which replaces the task's own policy. For Argo, a
    container that ends with an exit code is not an error, so it is not retried. The administrator can change or remove `templateDefaults` in
    `workflowDefaults` in the ConfigMap `workflow-controller-configmap` (docs/kubeflow.md, "Retries"). Penstock's Terraform removes it.
    """
    for task in document.tasks():
        if task.spec.get("retryPolicy", {}).get("maxRetryCount"):
            yield (
                f"{task.place}.retryPolicy",
                "with Kubeflow's default retry policy OnError, a failed task is not retried; see docs/kubeflow.md",
            )


def _named_outputs(task: DagTask) -> list[str]:
    """Returns the inputs of a group that are named outputs of other tasks."""
    bound = {name: given.get("taskOutputParameter", {}).get("outputParameterKey") for name, given in task.parameters.items()}
    return [name for name, output in bound.items() if output and output != _UNNAMED]


@warning("final-status-state", link=_RESOLVE)
def final_status_state(document: Document) -> Iterator[tuple[str, str]]:
    """The state of a successful PipelineTaskFinalStatus differs between backends.

    Its `state` is `SUCCEEDED` on Vertex AI and locally, and `COMPLETE` on Kubeflow. `FAILED` is the same everywhere. Compare only with
    `FAILED`.
    """
    for task, code in _reads_final_status(document):
        if _STATE.search(code) and not _ONLY_COMPLETE.search(code):
            yield task.place, "its `state` is SUCCEEDED on Vertex AI and locally, but COMPLETE on Kubeflow; compare it only with FAILED"


@error("final-status-complete", "vertex", "local", link=_RESOLVE)
def final_status_complete(document: Document) -> Iterator[tuple[str, str]]:
    """The state of a PipelineTaskFinalStatus is `COMPLETE` only on Kubeflow.

    On Vertex AI and locally, its `state` is `SUCCEEDED` after a success. A component that compares it with `COMPLETE` treats that as a
    failure. Compare with `FAILED`.
    """
    for task, code in _reads_final_status(document):
        if _ONLY_COMPLETE.search(code):
            yield task.place, "its component compares `state` with COMPLETE, which occurs only on Kubeflow; compare it with FAILED"


@error("final-status-missing", link=_RESOLVE)
def final_status_missing(document: Document) -> Iterator[tuple[str, str]]:
    """Only the task of a `dsl.ExitHandler` receives a PipelineTaskFinalStatus.

    Any other task of a component with such an input fails: `'NoneType' object has no attribute 'get'`. Make it the exit task of a
    `dsl.ExitHandler`.
    """
    for task, _ in _reads_final_status(document):
        for name, spec in parameters_of(task.component).items():
            is_given = any("taskFinalStatus" in origin for _, origin in document.origins(task.component_name, name))
            if spec.get("parameterType") == _STATUS and not is_given:
                yield (
                    task.place,
                    f"its {name} is a PipelineTaskFinalStatus, but the task belongs to no exit handler; make it the exit task of one",
                )


def _reads_final_status(document: Document) -> Iterator[tuple[DagTask, str]]:
    """Yields the tasks whose containers receive a final status, with the text of their command."""
    for task in document.tasks():
        if _STATUS in {spec.get("parameterType") for spec in parameters_of(task.component).values()} and not task.is_group:
            yield task, " ".join(document.command_of(task))
