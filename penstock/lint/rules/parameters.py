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
    """A parameter called `Output` is kfp's own.

    It is the name of a component's single return value; kfp refuses a component whose input has that name, so that the file cannot be made
    again from source. Choose another name.
    """
    for name, component in document.components.items():
        if _RESERVED in {**parameters_of(component), **artifacts_of(component)}:
            yield f"{place_of(name)}.inputDefinitions", f"an input is called {_RESERVED}, which kfp keeps for return values; rename it"


@warning("optional-parameter", "kubeflow", "local", link=f"{ISSUE}11667")
def optional_parameter(document: Document) -> Iterator[tuple[str, str]]:
    """An optional parameter of the pipeline without a default fails where it is not given.

    `Optional[str] = None` compiles to a parameter that is optional and has no default. Where no value is given, the driver of older KFP fails, and
    kfp.local raises ValueError (`penstock run` mends this). Take an empty value as the default: `''`, `0`, `[]`.
    """
    for name, spec in parameters_of(document.components["root"]).items():
        if spec.get("isOptional") and "defaultValue" not in spec:
            yield f"root.inputDefinitions.parameters.{name}", "optional without a default; give it one, such as ''"


@error("shared-container", "kubeflow", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/argo.go")
def shared_container(document: Document) -> Iterator[tuple[str, str]]:
    """Components with equal containers share one interface on Kubeflow.

    Its compiler knows a component by its container (image, command, arguments, environment, resources) and takes the first one's definition for all: the others
    fail with `neither value nor default value provided for non-optional parameter`. Make the containers differ, for instance by an argument.
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
                f"its container is that of {place_of(other)}, and Kubeflow takes that one's parameters for both; add an argument",
            )


@warning("number-in-collection", "local", link=f"{SOURCE}sdk/python/kfp/local/executor_input_utils.py")
def number_in_collection(document: Document) -> Iterator[tuple[str, str]]:
    """kfp.local gives whole numbers within a list or dict on as floats.

    It keeps values as protobuf does, for which every number is a float, and passes `3.0` on where Kubeflow passes `3`: `range(n)` and
    a list's index fail, texts differ. A parameter that is an `int` itself arrives as one. `penstock run` mends this, also for what `dsl.Collected` gathers.
    """
    for place, value in [*document.constants(), *document.defaults()]:
        if isinstance(value, (list, dict)) and _has_whole_number(value):
            yield (
                place,
                "whole numbers within a list or dict are floats in kfp.local; use `penstock run`, or say int(...) inside the component",
            )


def _has_whole_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_whole_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_whole_number, value))
    return isinstance(value, float) and value.is_integer()
