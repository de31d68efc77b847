"""Encodes a compiled pipeline and its parameters so that every backend passes each value on unchanged.

What some backend would change (see `penstock.components.protocol.values`) is encoded where only tasks of Penstock's read it, for they decode
it. What kfp's compiler writes as a text around a parameter, although it is the parameter alone, becomes that parameter: Kubeflow's launcher
puts the parameter into the JSON of the executor input as plain text, where a quote breaks it. And tasks that may be cached are given their
components' defaults: Kubeflow's cache looks at what a task is given, and would take another default's outputs.
"""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from penstock.components.protocol.values import decode, encode

from .all_tasks import tasks_of
from .containers import component_of

Spec = dict[str, Any]
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_EXECUTOR_INPUT = ["--executor_input", "{{$}}"]


def portable(spec: Spec, parameters: dict[str, Any]) -> tuple[Spec, dict[str, Any]]:
    """Returns a pipeline and a run's parameters, with what would be changed on its way encoded.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given.
    """
    spec = _with_defaults(without_woven(spec))
    definitions = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    decoded = {name for name in definitions if _is_decoded(spec, "root", name)}
    for name in decoded:
        if "defaultValue" in definitions[name]:
            definitions[name]["defaultValue"] = _encoded(definitions[name]["defaultValue"])
    for _, task in tasks_of(spec):
        for name, given in task.get("inputs", {}).get("parameters", {}).items():
            constant = given.get("runtimeValue", {}).get("constant")
            if not _placeholders(constant) and _belongs_to_task(spec, task, name):
                given.get("runtimeValue", {}).update({"constant": _encoded(constant)} if constant is not None else {})
    return spec, {name: _encoded(value) if name in decoded else value for name, value in parameters.items()}


def without_woven(spec: Spec) -> Spec:
    """Returns a pipeline whose tasks are given no parameter as a text around nothing but that parameter.

    kfp's compiler writes `set_accelerator_type(parameter)` so, also where the component has no such input: that is left out.
    """
    spec = copy.deepcopy(spec)
    for _, task in tasks_of(spec):
        given = task.get("inputs", {}).get("parameters", {})
        inputs = _component(spec, task).get("inputDefinitions", {}).get("parameters", {})
        for name, binding in list(given.items()):
            constant = binding.get("runtimeValue", {}).get("constant")
            woven = _PLACEHOLDER.fullmatch(constant) if isinstance(constant, str) else None
            if not woven or woven[1] not in given:
                continue
            if name in inputs:
                given[name] = copy.deepcopy(given[woven[1]])
            else:
                del given[name]
    return spec


def _with_defaults(spec: Spec) -> Spec:
    """Gives each task of a container that may be cached what its component would take by default; changes the pipeline."""
    for _, task in tasks_of(spec):
        component = _component(spec, task)
        if "executorLabel" not in component or not task.get("cachingOptions", {}).get("enableCache"):
            continue
        for name, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
            if "defaultValue" in definition:
                given = task.setdefault("inputs", {}).setdefault("parameters", {})
                given.setdefault(name, {"runtimeValue": {"constant": copy.deepcopy(definition["defaultValue"])}})
    return spec


def _encoded(value: Any) -> Any:
    """Encodes a value, once: a number or a bool alone has no other form."""
    return encode(decode(value), structured=True) if isinstance(value, (str, list, dict)) else value


def _is_decoded(spec: Spec, name: str, parameter: str) -> bool:
    """Tells whether whatever reads an input of a component decodes it: tasks of Penstock's, and no condition, loop, text or importer."""
    component = spec["root"] if name == "root" else spec.get("components", {}).get(name, {})
    if "dag" not in component:
        return _is_read_by_penstock(spec, component, parameter)
    tasks = component["dag"].get("tasks", {}).values()
    return all(_belongs_to_task(spec, task, inner) for task in tasks for inner in _bound(task, parameter))


def _belongs_to_task(spec: Spec, task: Spec, parameter: str) -> bool:
    """Tells the same of an input of a task."""
    condition = task.get("triggerPolicy", {}).get("condition", "")
    others = [given.get("runtimeValue", {}).get("constant") for given in task.get("inputs", {}).get("parameters", {}).values()]
    is_looped = task.get("parameterIterator", {}).get("items", {}).get("inputParameter") == parameter
    if f"'{parameter}'" in condition or is_looped or any(parameter in _placeholders(text) for text in others):
        return False
    return _is_decoded(spec, task.get("componentRef", {}).get("name", ""), parameter)


def _is_read_by_penstock(spec: Spec, component: Spec, parameter: str) -> bool:
    executor = spec.get("deploymentSpec", {}).get("executors", {}).get(component.get("executorLabel", ""), {})
    container = executor.get("container", {})
    is_ours = bool(component_of(container.get("command", []))) and container.get("args") == _EXECUTOR_INPUT
    return is_ours and parameter not in _placeholders(json.dumps(executor))


def _bound(task: Spec, parameter: str) -> Iterator[str]:
    """Yields the inputs of a task that are a parameter of the DAG around it."""
    given = task.get("inputs", {}).get("parameters", {})
    return (name for name, binding in given.items() if binding.get("componentInputParameter") == parameter)


def _placeholders(text: Any) -> list[str]:
    found = text if isinstance(text, str) else json.dumps(text)
    return _PLACEHOLDER.findall(found)


def _component(spec: Spec, task: Spec) -> Spec:
    return spec.get("components", {}).get(task.get("componentRef", {}).get("name", ""), {})
