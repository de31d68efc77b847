"""Checks an object against the models that a client package generates from its API: names, types, required fields."""

import inspect
import re
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

_PLAIN: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
_NAMED = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
# Quantities and `IntOrString` are numbers or strings; the generators have no model for them.
_SCALARS = {"ResourceQuantity", "IntstrIntOrString", "V1Time", "datetime", "object", "V1beta1MetricQuantity"}


@dataclass
class Findings:
    """What is wrong with an object.

    Attributes:
        unknown: The paths of fields that do not exist.
        invalid: What is wrong with those that do, in the API server's words.
    """

    unknown: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)


class Schema:
    """The models of some packages, in which a type's name is looked up in order."""

    def __init__(self, *packages: ModuleType) -> None:
        self._packages = packages

    def check(self, value: Any, type_name: str, path: str) -> Findings:
        """Checks a JSON value against a type such as `V1beta1PredictorSpec` or `list[V1EnvVar]`."""
        findings = Findings()
        self._check(value, type_name, path, findings)
        return findings

    def _check(self, value: Any, type_name: str, path: str, findings: Findings) -> None:
        if value is None:  # null is the same as nothing
            return
        if match := re.fullmatch(r"list\[(.*)\]|dict[(\[]str, (.*)[)\]]", type_name):
            self._check_items(value, match[1], match[2], path, findings)
        elif type_name in _PLAIN:
            if not isinstance(value, _PLAIN[type_name]) or (isinstance(value, bool) and type_name != "bool"):
                findings.invalid.append(_wrong_type(value, path, _NAMED[type_name]))
        elif type_name in _SCALARS:
            if isinstance(value, dict | list) and type_name != "object":
                findings.invalid.append(_wrong_type(value, path, "string"))
        else:
            self._check_object(value, self._model(type_name), path, findings)

    def _check_items(self, value: Any, item: str | None, entry: str | None, path: str, findings: Findings) -> None:
        if item:
            if not isinstance(value, list):
                findings.invalid.append(_wrong_type(value, path, "array"))
                return
            for number, one in enumerate(value):
                self._check(one, item, f"{path}[{number}]", findings)
        elif not isinstance(value, dict):
            findings.invalid.append(_wrong_type(value, path, "object"))
        else:
            for key, one in value.items():
                self._check(one, entry or "str", f"{path}.{key}", findings)

    def _check_object(self, value: Any, model: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.invalid.append(_wrong_type(value, path, "object"))
            return
        types = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
        findings.unknown += [_join(path, name) for name in value if name not in types]
        findings.invalid += [f"{_join(path, name)}: Required value" for name in _required(model) if value.get(name) is None]
        for name, type_name in types.items():
            self._check(value.get(name), type_name, _join(path, name), findings)

    def _model(self, type_name: str) -> Any:
        # KServe names some of Kubernetes' types by their Go packages: `K8sIoApiAppsV1DeploymentStrategy` is `V1DeploymentStrategy`.
        plain = re.sub(r"^K8sIoApi(?:Apps|Core|AutoscalingV2$|Autoscaling)(?=V\d)", "", type_name)
        for name in (type_name, plain):
            for package in self._packages:
                if model := getattr(package, name, None):
                    return model
        raise LookupError(f"no package has a model {type_name}")


_PREDICTOR_NAME = "^[a-z]([-a-z0-9]*[a-z0-9])?$"


def wrong_names(service: dict[str, Any]) -> list[str]:
    """Returns what the pattern of the InferenceService's definition says of its predictors' names: they begin with a letter."""
    spec = service.get("spec") or {}
    predictors = {"spec.predictor": spec.get("predictor") or {}}
    predictors |= {
        f"spec.canary[{number}].predictor": canary.get("predictor") or {} for number, canary in enumerate(spec.get("canary") or [])
    }
    return [
        f"{path}.name: Invalid value: \"{name}\": {path}.name in body should match '{_PREDICTOR_NAME}'"
        for path, predictor in predictors.items()
        if (name := predictor.get("name")) and not re.fullmatch(_PREDICTOR_NAME, name)
    ]


def prune(value: dict[str, Any], unknown: list[str]) -> None:
    """Takes unknown fields out of an object, as the API server does unless it is asked to be strict."""
    for path in unknown:
        *parents, last = re.findall(r"[^.\[\]]+", path)
        holder: Any = value
        for part in parents:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        holder.pop(last, None)


@cache
def _required(model: Any) -> tuple[str, ...]:
    """Returns the names of the fields whose setters refuse None."""
    refuse = "must not be `None`"
    setters = ((attribute, inspect.getattr_static(model, attribute).fset) for attribute in model.attribute_map)
    return tuple(model.attribute_map[attribute] for attribute, setter in setters if refuse in _code(setter))


def _code(function: Any) -> str:
    return "".join(line for line in inspect.getsource(function).splitlines(keepends=True) if "raise ValueError" in line)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong_type(value: Any, path: str, wanted: str) -> str:
    given = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}[type(value)]
    return f'{path}: Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"'
