"""What the tasks of a run were given: found by following the compiled pipeline's references."""

import json
import re
from typing import Any

from ..pipeline_runs import ObservedTask

Path = tuple[str, ...]
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")


class Inputs:
    """The inputs of one run's tasks. What a task was given by a whole DAG (`dsl.Collected`, `dsl.OneOf`), and parts of values, are left out.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters.
        tasks: The tasks, as far as they have come.
    """

    def __init__(self, spec: dict[str, Any], parameters: dict[str, Any], tasks: dict[str, ObservedTask]) -> None:
        self._spec = spec
        self._given = parameters
        self._outputs = {task.path: task.outputs for task in tasks.values()}

    def parameters(self, path: Path) -> dict[str, Any]:
        """Returns the values of a task's parameters, by name; those that have none are left out."""
        names = self._component(path).get("inputDefinitions", {}).get("parameters", {})
        values = {name: self._parameter(path, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def artifacts(self, path: Path) -> dict[str, dict[str, Any]]:
        """Returns a task's artifacts, by name, each as ExecutorOutput has it."""
        names = self._component(path).get("inputDefinitions", {}).get("artifacts", {})
        found = {name: self._artifact(path, name) for name in names}
        return {name: artifact for name, artifact in found.items() if artifact}

    def _parameter(self, path: Path, name: str) -> Any:
        default = self._component(path).get("inputDefinitions", {}).get("parameters", {}).get(name, {}).get("defaultValue")
        if not path:
            return self._given.get(name, default)
        if path[-1].isdigit():
            return self._of_iteration(path, name)
        source = self._task(path).get("inputs", {}).get("parameters", {}).get(name, {})
        if "parameterExpressionSelector" in source:
            return None
        if "runtimeValue" in source:
            return self._constant(path, source["runtimeValue"].get("constant"))
        if "componentInputParameter" in source:
            return self._parameter(path[:-1], source["componentInputParameter"])
        if "taskOutputParameter" in source:
            reference = source["taskOutputParameter"]
            produced = self._outputs.get((*path[:-1], reference["producerTask"]), {})
            return produced.get("parameterValues", {}).get(reference["outputParameterKey"])
        return default

    def _of_iteration(self, path: Path, name: str) -> Any:
        iterator = self._task(path[:-1]).get("parameterIterator", {})
        if iterator.get("itemInput") != name:
            return self._parameter(path[:-1], name)
        items = iterator["items"]
        found = json.loads(items["raw"]) if "raw" in items else self._parameter(path[:-1], items["inputParameter"])
        return found[int(path[-1])] if found else None

    def _constant(self, path: Path, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return _PLACEHOLDER.sub(lambda match: str(self._parameter(path, match[1])), value)

    def _artifact(self, path: Path, name: str) -> dict[str, Any]:
        if not path or path[-1].isdigit():
            return self._artifact(path[:-1], name) if path else {}
        source = self._task(path).get("inputs", {}).get("artifacts", {}).get(name, {})
        if "componentInputArtifact" in source:
            return self._artifact(path[:-1], source["componentInputArtifact"])
        reference = source.get("taskOutputArtifact", {})
        produced = self._outputs.get((*path[:-1], reference.get("producerTask", "")), {})
        return produced.get("artifacts", {}).get(reference.get("outputArtifactKey"), {})

    def _task(self, path: Path) -> dict[str, Any]:
        return self._component(path[:-1])["dag"]["tasks"][path[-1]]

    def _component(self, path: Path) -> dict[str, Any]:
        component = self._spec["root"]
        for key in path:
            if not key.isdigit():
                component = self._spec["components"][component["dag"]["tasks"][key]["componentRef"]["name"]]
        return component
