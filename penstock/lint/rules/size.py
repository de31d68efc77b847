"""Sizes."""

import re
from collections.abc import Iterator
from typing import Any

from ...spec.document import DagTask, Document, artifacts_of, as_json, known_value, parameters_of, place_of
from ..registry import error
from .links import ISSUE, SOURCE

# Linux: MAX_ARG_STRLEN, 32 pages of 4 KiB, with the byte that ends the string.
_LONGEST_ARGUMENT = 32 * 4096 - 1
# What is left of it beside the launcher's own flags, and of the 128 KiB above which Argo needs a ConfigMap for a pod's template.
_MOST_ON_KUBEFLOW = 120 * 1024
# Of an artifact: its URI, and metadata as Penstock's components write it.
_ARTIFACT = 2048
# etcd's --max-request-bytes.
_LARGEST_WORKFLOW = 1_572_864
_TAGS = re.compile(rb"[<>&]")


@error("argument-size", link="https://man7.org/linux/man-pages/man2/execve.2.html")
def argument_size(document: Document) -> Iterator[tuple[str, str]]:
    """Linux rejects an argument of 128 KiB or more.

    `execve` fails with `Argument list too long` (E2BIG) on every backend. All parameters of a task arrive in one argument, the executor
    input, so the limit applies to their sum, including the pipeline's defaults. Pass large values as artifacts or by URI.
    """
    for place, text in document.arguments():
        if (size := len(text.encode())) > _LONGEST_ARGUMENT:
            yield place, f"{size // 1024} KiB in one argument exceed the limit of 128 KiB; put it into the image or pass it by URI"
    for task in document.tasks():
        if not task.is_group and (size := len(as_json(_known_parameters(document, task)))) > _LONGEST_ARGUMENT:
            yield (
                f"{task.place}.inputs.parameters",
                f"{size // 1024} KiB of parameters in one argument exceed the limit of 128 KiB; pass large values by URI",
            )


@error("executor-input-size", "kubeflow", link=f"{SOURCE}backend/src/v2/driver/driver.go")
def executor_input_size(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, a task's executor input must stay below 120 KiB, including the metadata of its artifacts.

    Argo's executor gets it in one argument (`exec /var/run/argo/argoexec: argument list too long`), and moves a pod template of 128 KiB
    into a ConfigMap, which its account may not create. In the template it is JSON within JSON within JSON: a quote of a value takes eight
    bytes, a line feed five. This rule counts the known parameters as they are there, and 2 KiB for each artifact. Pass large values by URI.
    """
    for task in document.tasks():
        if task.is_group:
            continue
        artifacts = [*artifacts_of(task.component), *task.component.get("outputDefinitions", {}).get("artifacts", {})]
        in_template = _escaped(_escaped(as_json(_known_parameters(document, task))))
        if (size := len(in_template) + len(artifacts) * _ARTIFACT) > _MOST_ON_KUBEFLOW:
            yield (
                f"{task.place}.inputs",
                f"an executor input of {size // 1024} KiB, as Argo escapes it, exceeds Kubeflow's limit of 120 KiB; pass large values by URI",
            )


@error("run-parameters-size", "kubeflow", link=f"{SOURCE}backend/src/v2/cmd/driver/main.go")
def run_parameters_size(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, the parameters of a run and the pipeline's own DAG together must stay below 120 KiB.

    Both are arguments of the first driver, which does not start from 128 KiB on. In the template of its pod they are JSON within JSON: a
    quote of a value takes four bytes. Pass large values by URI, and shorten descriptions.
    """
    if (size := len(_escaped(document.root)) + len(_escaped(as_json(document.given)))) > _MOST_ON_KUBEFLOW:
        yield (
            "root.inputDefinitions.parameters",
            f"{size // 1024} KiB of parameters and DAG, as Argo escapes them, exceed Kubeflow's limit of 120 KiB; pass large values by URI",
        )


@error("dag-size", "kubeflow", link=f"{ISSUE}12453")
def dag_size(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubeflow, a DAG within the pipeline must stay below 120 KiB.

    KFP passes it to the driver in one argument, which Argo escapes in the template of the pod. From 128 KiB on, the driver's pods do not
    start (`exec /var/run/argo/argoexec: argument list too long`). Split the pipeline into nested pipelines, and shorten descriptions and defaults.
    """
    for name, component in document.components.items():
        if "dag" in component and name != "root" and (size := len(_escaped(as_json(component)))) > _MOST_ON_KUBEFLOW:
            yield place_of(name), f"a DAG of {size // 1024} KiB exceeds Kubeflow's limit of 120 KiB; split it into nested pipelines"


@error("workflow-size", "kubeflow", link=f"{ISSUE}9837")
def workflow_size(document: Document) -> Iterator[tuple[str, str]]:
    """etcd rejects objects larger than 1.5 MiB.

    Kubeflow creates one Argo workflow from the pipeline, which is at least as large as the pipeline. Creating the run fails with
    `etcdserver: request is too large`. While the workflow runs, Argo's status makes it larger still. Split the pipeline, and keep source
    code and data out of it.
    """
    if (size := len(as_json(document.spec))) > _LARGEST_WORKFLOW:
        yield "root", f"a pipeline of {size / 2**20:.1f} MiB exceeds etcd's limit of 1.5 MiB; split it, and pass large values by URI"


def _escaped(text: bytes) -> bytes:
    """Returns a text as it is within JSON that Go writes (`json.Marshal`): Argo's template of a pod, and KFP's patch of it."""
    return _TAGS.sub(lambda found: b"\\u%04x" % ord(found[0]), as_json(text.decode()))


def _known_parameters(document: Document, task: DagTask) -> dict[str, Any]:
    """Returns the task's parameters, as far as they are known beforehand."""
    return {name: _known(document, task, name) for name in {*parameters_of(task.component), *task.parameters}}


def _known(document: Document, task: DagTask, name: str) -> Any:
    binding = task.parameters.get(name)
    if binding is None:
        return parameters_of(task.component)[name].get("defaultValue")
    if "componentInputParameter" in binding:
        origins = [origin for _, origin in document.origins(task.parent, binding["componentInputParameter"])]
        return max(map(known_value, origins), key=lambda value: len(as_json(value)), default=None)
    return known_value(binding)
