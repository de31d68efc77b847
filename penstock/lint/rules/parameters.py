"""Parameters."""

import json
from collections.abc import Iterator
from typing import Any

from ...spec.document import Document, artifacts_of, parameters_of, place_of
from ..registry import error, warning
from .links import ISSUE, SOURCE

_RESERVED = "Output"


@warning("output-parameter", link=f"{SOURCE}sdk/python/kfp/dsl/component_factory.py")
def output_parameter(document: Document) -> Iterator[tuple[str, str]]:
    """kfp reserves the parameter name `Output`.

    It is the name of a component's single return value. kfp rejects a component whose input has that name, so the file cannot be compiled
    again from its source. Choose another name.
    """
    for name, component in document.components.items():
        if _RESERVED in {**parameters_of(component), **artifacts_of(component)}:
            yield f"{place_of(name)}.inputDefinitions", f"an input is called {_RESERVED}, which kfp reserves for return values; rename it"


@warning("optional-parameter", "kubeflow", "local", link=f"{ISSUE}11667")
def optional_parameter(document: Document) -> Iterator[tuple[str, str]]:
    """An optional pipeline parameter without a default fails if it is not given.

    `Optional[str] = None` compiles to an optional parameter without a default. If it has no value, the driver of older KFP versions fails,
    and kfp.local raises ValueError (`penstock run` fixes this). Use an empty value as the default: `''`, `0`, `[]`.
    """
    for name, spec in parameters_of(document.components["root"]).items():
        if spec.get("isOptional") and "defaultValue" not in spec:
            yield f"root.inputDefinitions.parameters.{name}", "it is optional but has no default; add one, such as ''"


@error("shared-container", "kubeflow", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/argo.go")
def shared_container(document: Document) -> Iterator[tuple[str, str]]:
    """Components with equal containers share one interface on Kubeflow.

    Kubeflow's compiler identifies a component by its container (image, command, arguments, environment, resources) and uses the first
    definition for all. The others fail with `neither value nor default value provided for non-optional parameter`. Make the containers
    differ, for example by an argument.
    """
    executors = document.spec.get("deploymentSpec", {}).get("executors", {})
    first: dict[str, tuple[str, Any]] = {}
    for name, component in document.components.items():
        container = executors.get(component.get("executorLabel", ""), {}).get("container")
        if not container:
            continue
        interface = {side: component.get(side) for side in ("inputDefinitions", "outputDefinitions")}
        other, others = first.setdefault(json.dumps(container, sort_keys=True), (name, interface))
        if others != interface:
            yield (
                place_of(name),
                f"its container equals that of {place_of(other)}, whose parameters Kubeflow uses for both; add an argument",
            )


@warning("number-in-collection", "local", link=f"{SOURCE}sdk/python/kfp/local/executor_input_utils.py")
def number_in_collection(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local converts integers within a list or dict to floats.

    It stores values as protobuf does, where every number is a float, and passes `3.0` where Kubeflow passes `3`. As a result, `range(n)`
    and list indices fail, and texts differ. A parameter of type `int` itself is not affected. `penstock run` fixes this, also for the
    results of `dsl.Collected`.
    """
    for place, value in [*document.constants(), *document.defaults()]:
        if isinstance(value, (list, dict)) and _has_whole_number(value):
            yield (
                place,
                "integers within a list or dict become floats in kfp.local; use `penstock run`, or convert them with int(...) in the "
                "component",
            )


def _has_whole_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_whole_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_whole_number, value))
    return isinstance(value, float) and value.is_integer()
