"""Machines: processors, memory, accelerators."""

import re
from collections.abc import Iterator

from ...spec.document import Document, Spec, known_value
from ..registry import error, warning
from .links import ISSUE, LOCAL_GUIDE, SOURCE, VERTEX_GUIDE

_DRIVER = f"{SOURCE}backend/src/v2/driver/driver.go"
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\[['\"](?P<name>[^'\"]+)['\"]\]\}\}")
_KUBERNETES_WORD = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*")
_VERTEX_WORD = re.compile(r"(NVIDIA|TPU|AMD)_[A-Z0-9_]+")
_QUANTITIES = ("resourceCpuLimit", "resourceMemoryLimit", "resourceCpuRequest", "resourceMemoryRequest")
_COUNTS = ("resourceType", "resourceCount")
_DOCUMENTED = {field: re.compile(r"[0-9]+m?" if "Cpu" in field else r"[0-9]+[KMG]?") for field in _QUANTITIES}
_MOST_PROCESSORS, _MOST_GIGABYTES = 96, 624


@error("accelerator-word-vertex", "vertex", link="https://cloud.google.com/vertex-ai/docs/reference/rest/v1/MachineSpec#AcceleratorType")
def vertex_word(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI has its own accelerator names.

    They are the names of the AcceleratorType enum, such as `NVIDIA_L4`. Kubernetes' `nvidia.com/gpu` is not valid there. Use STRING
    parameters for type and count; `penstock submit` translates them for each backend.
    """
    for place, word in _accelerators(document):
        if not _VERTEX_WORD.fullmatch(word):
            yield place, f"Vertex AI has no accelerator {word!r}; use one of its AcceleratorType names (NVIDIA_L4), or a STRING parameter"


@error("accelerator-word-kubernetes", "kubeflow", link="https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/")
def kubernetes_word(document: Document) -> Iterator[tuple[str, str]]:
    """On Kubernetes, an accelerator is the resource of its device plugin.

    KFP's driver copies the type into the pod's limits. `nvidia.com/gpu` is a resource and `NVIDIA_L4` is not, so Kubernetes rejects the
    pod. Use STRING parameters for type and count; `penstock submit` translates them for each backend. A node selector chooses the model of
    the GPU.
    """
    for place, word in _accelerators(document):
        if not _KUBERNETES_WORD.fullmatch(word):
            yield place, f"{word!r} is not a resource of Kubernetes; use one (nvidia.com/gpu), or a STRING parameter"


@warning("machine-parameter", "vertex", link=f"{ISSUE}6681")
def machine_parameter(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI documents only static machine settings.

    KFP's driver resolves pipeline parameters in `set_cpu_limit`, `set_memory_limit`, `set_accelerator_type` and `set_accelerator_limit`.
    Vertex AI reads the static fields, which are then missing. `penstock submit --target vertex` writes them into its request.
    """
    for place, _, container in document.executors("container"):
        if names := sorted({name for _, name in _parameters(container)}):
            yield (
                f"{place}.resources",
                f"given by {', '.join(names)}; use `penstock submit --target vertex`, which makes them static, or set them in the file",
            )


@error("empty-quantity", "kubeflow", link=_DRIVER)
def empty_quantity(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow fails a task with an empty processor or memory limit.

    KFP's driver parses the value of the parameter as a Kubernetes quantity, and an empty text is invalid. (An empty accelerator means no
    accelerator.) Use a quantity as the parameter's default, such as `'1'` or `'4G'`, or no default. `penstock submit` removes an empty one.
    """
    for place, field, _, spec in _given(document):
        if field in _QUANTITIES and known_value(spec) == "":
            yield place, f"it is empty, but it sets a task's {field}; use a quantity, such as '1' or '4G'"


@error("resource-parameter-type", "kubeflow", link=_DRIVER)
def resource_parameter_type(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow reads machine parameters only if they are STRING.

    KFP's driver reads an INTEGER parameter as an empty text. The task then silently gets no accelerator, or fails because of an empty
    quantity. Make the parameter a `str`.
    """
    for place, field, name, spec in _given(document):
        if (kind := spec.get("parameterType", "STRING")) != "STRING":
            yield place, f"{name} is {kind}, which Kubeflow reads as empty for {field}; make it a str"


@warning("machine-limit", "vertex", link=f"{VERTEX_GUIDE}machine-types")
def machine_limit(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI documents at most 96 processors and 624 GB of memory for a task."""
    for place, _, container in document.executors("container"):
        resources = container.get("resources", {})
        if resources.get("cpuLimit", 0) > _MOST_PROCESSORS or resources.get("memoryLimit", 0) > _MOST_GIGABYTES:
            yield f"{place}.resources", f"more than {_MOST_PROCESSORS} processors or {_MOST_GIGABYTES} GB; request less"


@warning("machine-quantity", "vertex", link=f"{VERTEX_GUIDE}machine-types")
def machine_quantity(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI documents whole numbers of processors and memory, with the suffixes `m`, `K`, `M` and `G`.

    KFP's compiler takes `'0.5'` and `'16Gi'` too. Use `'500m'` and `'17180M'`, which every backend reads. `penstock submit --target vertex`
    writes the value of a parameter in this form.
    """
    for place, _, container in document.executors("container"):
        for field, documented in _DOCUMENTED.items():
            text = container.get("resources", {}).get(field, "")
            if text and "{{$" not in text and not documented.fullmatch(text):
                yield f"{place}.resources", f"{field} is {text!r}; use a whole number such as {'500m' if 'Cpu' in field else '16G'}"


@warning("resources-local", "local", link=LOCAL_GUIDE)
def resources_local(document: Document) -> Iterator[tuple[str, str]]:
    """A laptop cannot limit or reserve resources for a task.

    Limits and requests of processors, memory and accelerators have no effect. A task that needs a GPU must find one on the machine.
    """
    for place, _, container in document.executors("container"):
        if container.get("resources"):
            yield f"{place}.resources", "no effect locally; the task gets the resources of the machine"


def _accelerators(document: Document) -> Iterator[tuple[str, str]]:
    """Yields the accelerators that the file names."""
    for place, _, container in document.executors("container"):
        accelerator = container.get("resources", {}).get("accelerator", {})
        word = accelerator.get("resourceType") or accelerator.get("type", "")
        if word and "{{$" not in word:
            yield f"{place}.resources.accelerator", word


def _parameters(container: Spec) -> Iterator[tuple[str, str]]:
    """Yields the fields of a machine that are given by input parameters, with their names."""
    resources = container.get("resources", {})
    fields = {key: resources.get(key, "") for key in _QUANTITIES} | {key: resources.get("accelerator", {}).get(key, "") for key in _COUNTS}
    for field, text in fields.items():
        if found := _PARAMETER.fullmatch(text):
            yield field, found["name"].removeprefix("pipelinechannel--")


def _given(document: Document) -> Iterator[tuple[str, str, str, Spec]]:
    """Yields where each parameter of a machine comes from: the place, the machine's field, the parameter, what is there."""
    for _, label, container in document.executors("container"):
        for field, name in _parameters(container):
            for component in document.users_of(label):
                for place, spec in document.origins(component, f"pipelinechannel--{name}"):
                    yield place, field, name, spec
