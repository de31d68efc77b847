"""Finds the values that reach each task, by following a compiled file as a backend does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..spec.containers import component_of

_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")


@dataclass(frozen=True)
class Value:
    """A value on its way to a task.

    Attributes:
        value: The value; None where it is not known before the pipeline runs.
        parameter: The pipeline's parameter that it is, unchanged; empty: none.
        known: Whether it is known.
    """

    value: Any = None
    parameter: str = ""
    known: bool = True

    @property
    def text(self) -> str:
        """The value as text; empty for none. Numbers of JSON are whole where they can be."""
        if self.value is None:
            return ""
        whole = isinstance(self.value, float) and self.value.is_integer()
        return str(int(self.value) if whole else self.value).strip()


_UNKNOWN = Value(known=False)


@dataclass(frozen=True)
class Use:
    """A task that runs an executor.

    Attributes:
        task: Its key.
        inputs: The values of its parameters.
    """

    task: str
    inputs: dict[str, Value]

    def read(self, text: str) -> Value:
        """Returns a text of the executor with its placeholders filled in."""
        return _read(text, self.inputs)

    def error(self, message: str) -> UserError:
        """Returns an error about this task."""
        return UserError(f"task {self.task}: {message}")


def is_placeholder(text: str) -> bool:
    """Returns whether it stands for something that a task is given."""
    return bool(_PLACEHOLDER.search(text))


def uses_of(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, list[Use]]:
    """Returns the tasks that run each executor, by the executor's label.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given.
    """
    uses: dict[str, list[Use]] = {}
    given = {name: Value(value, name) for name, value in parameters.items()}
    names = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    inputs = {name: given.get(name, Value(definition.get("defaultValue"), name)) for name, definition in names.items()}
    for label, use in _walk(spec, spec["root"]["dag"], inputs):
        uses.setdefault(label, []).append(use)
    return uses


def given_to_penstock(spec: dict[str, Any], parameters: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """Yields what tasks of Penstock's are given of the pipeline's parameters, unchanged: the name of the input, and the value.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given.
    """
    executors = spec["deploymentSpec"]["executors"]
    for label, uses in uses_of(spec, parameters).items():
        if component_of(executors[label].get("container", {}).get("command", [])):
            yield from ((name, value) for use in uses for name, value in use.inputs.items() if value.parameter in parameters)


def _walk(spec: dict[str, Any], dag: dict[str, Any], inputs: dict[str, Value]) -> Iterator[tuple[str, Use]]:
    for key, task in dag["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        reached = _inputs(component, task, inputs)
        if "dag" in component:
            yield from _walk(spec, component["dag"], reached)
        else:
            yield component["executorLabel"], Use(key, reached)


def _inputs(component: dict[str, Any], task: dict[str, Any], of_dag: dict[str, Value]) -> dict[str, Value]:
    """Returns the parameters of a task; a constant may hold placeholders, of the task's other parameters."""
    definitions = component.get("inputDefinitions", {}).get("parameters", {})
    reached = {name: Value(each["defaultValue"]) if "defaultValue" in each else _default(each) for name, each in definitions.items()}
    given = task.get("inputs", {}).get("parameters", {})
    reached |= {name: _passed(each, of_dag) for name, each in given.items()}
    texts = {name: value.value for name, value in reached.items() if isinstance(value.value, str) and not value.parameter}
    return reached | {name: _read(text, reached) for name, text in texts.items() if is_placeholder(text)}


def _default(definition: dict[str, Any]) -> Value:
    """Returns what a parameter is that is not given: nothing, unless a loop gives it."""
    return Value() if definition.get("isOptional") else _UNKNOWN


def _passed(given: dict[str, Any], of_dag: dict[str, Value]) -> Value:
    if "parameterExpressionSelector" in given:
        return _UNKNOWN
    if "componentInputParameter" in given:
        return of_dag.get(given["componentInputParameter"], _UNKNOWN)
    if "constant" in given.get("runtimeValue", {}):
        return Value(given["runtimeValue"]["constant"])
    return _UNKNOWN


def _read(text: str, inputs: dict[str, Value]) -> Value:
    if whole := _PLACEHOLDER.fullmatch(text):
        return inputs.get(whole[1], _UNKNOWN)
    parts = [inputs.get(name, _UNKNOWN) for name in _PLACEHOLDER.findall(text)]
    if not all(part.known for part in parts):
        return _UNKNOWN
    return Value(_PLACEHOLDER.sub(lambda found: inputs[found[1]].text, text))
