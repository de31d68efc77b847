"""What KServe's admission webhooks do to an InferenceService (pkg/apis/serving/v1beta1/inference_service_{defaults,validation}.go)."""

import re
from typing import Any

from .store import Object

MODE = "serving.kserve.io/deploymentMode"
STOP = "serving.kserve.io/stop"
AUTOSCALER = "serving.kserve.io/autoscalerClass"
STANDARD, KNATIVE = "Standard", "Knative"
CONTAINER = "kserve-container"
_LEGACY = {"RawDeployment": STANDARD, "Serverless": KNATIVE}
_NAME = "[a-z]([-a-z0-9]*[a-z0-9])?"
# What its config gives a predictor's container that says none, and no canary's: inferenceservice_defaults.go, setResourceRequirementDefaults.
_RESOURCES = {"cpu": "1", "memory": "2Gi"}
_FORMATS = ("sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm", "paddle")
_METRICS = {KNATIVE: ("concurrency", "rps"), "hpa": ("cpu", "memory")}


def default(item: Object, default_mode: str) -> None:
    """Fills in what the author left out: the deployment mode, the model format's annotation, the container's name, its resources."""
    annotations = item["metadata"].setdefault("annotations", {})
    mode = annotations.get(MODE)
    if mode is None and default_mode == STANDARD:
        annotations[MODE] = STANDARD
    elif mode in _LEGACY:
        annotations[MODE] = _LEGACY[mode]
    predictor = item["spec"]["predictor"]
    for name in _FORMATS:
        if name in predictor:
            predictor["model"] = predictor.pop(name) | {"modelFormat": {"name": name}}
    if name := predictor.get("model", {}).get("modelFormat", {}).get("name"):
        annotations.setdefault("modelFormat", name)
    if len(predictor.get("containers", [])) == 1:
        predictor["containers"][0]["name"] = CONTAINER
    if predictor.get("containers"):
        given = predictor["containers"][0].get("resources") or {}
        filled = {kind: _RESOURCES | (given.get(kind) or {}) for kind in ("requests", "limits")}
        predictor["containers"][0]["resources"] = given | filled
    for one in (predictor, *(canary["predictor"] for canary in item["spec"].get("canary") or [])):
        _complete(one)


def _complete(predictor: Object) -> None:
    """Writes what Go writes of a container though it is empty; the definition requires a canary's to be there."""
    if "model" in predictor:
        predictor["model"] = {"name": "", "resources": {}} | predictor["model"]
    predictor |= {"containers": [{"resources": {}} | one for one in predictor["containers"]]} if "containers" in predictor else {}


def validate(item: Object, old: Object | None) -> str:
    """Says in KServe's words why it refuses an object; empty if it does not.

    Args:
        item: The object as it is to be.
        old: As it is; None if it is new.
    """
    problem = (_changed(item, old) if old else "") or _name(item["metadata"]["name"]) or _autoscaler(item)
    return problem or _predictor(item["spec"]["predictor"], item) or _canaries(item)


def storage_uri(predictor: dict[str, Any]) -> str:
    """Returns where a predictor's model lies; empty if it names no place."""
    if uri := predictor.get("model", {}).get("storageUri"):
        return uri
    if uris := predictor.get("storageUris"):
        return uris[0]["uri"]
    variables = (variable for container in predictor.get("containers", []) for variable in container.get("env", []))
    return next((variable.get("value", "") for variable in variables if variable["name"] == "STORAGE_URI"), "")


def _changed(item: Object, old: Object) -> str:
    was = old.get("status", {}).get("deploymentMode", "")
    mode = item["metadata"].get("annotations", {}).get(MODE)
    if was and mode and mode != was:
        return f"update rejected: deploymentMode cannot be changed from '{was}' to '{mode}'"
    before, after = old["spec"]["predictor"], item["spec"]["predictor"]
    if before.get("name") != after.get("name") and storage_uri(before) == storage_uri(after):
        return "predictor.name change requires a model change (e.g. storageUri)"
    return ""


def _name(name: str) -> str:
    if re.fullmatch(_NAME, name):
        return ""
    rule = "a InferenceService name must consist of lower case alphanumeric characters or '-', and must start with alphabetical character."
    return f'the InferenceService "{name}" is invalid: {rule} (e.g. "my-name" or "abc-123", regex used for validation is \'{_NAME}\')'


def _autoscaler(item: Object) -> str:
    given = item["metadata"].get("annotations", {}).get(AUTOSCALER)
    return f"[{given}] is not a supported autoscaler class type" if given and given not in ("hpa", "keda", "external", "none") else ""


def _predictor(predictor: dict[str, Any], item: Object) -> str:
    if len([name for name in ("model", "containers") if predictor.get(name)]) != 1:
        return "exactly one of [model, containers] must be specified in PredictorSpec"
    if predictor.get("model", {}).get("name"):
        return "the 'name' field is not allowed in standard predictor"
    if predictor.get("storageUris") and (predictor.get("model", {}).get("storageUri")):
        return "Setting both StorageURI and StorageURIs is not supported."
    return _replicas(predictor) or _logger(predictor) or _scaling(predictor, item["metadata"].get("annotations", {}))


def _replicas(predictor: dict[str, Any]) -> str:
    least, most = predictor.get("minReplicas", 1), predictor.get("maxReplicas", 0)
    if least < 0 or most < 0:
        return f"'{'MinReplicas' if least < 0 else 'MaxReplicas'}' cannot be less than 0"
    return "'MinReplicas' cannot be greater than MaxReplicas" if 0 < most < least else ""


def _logger(predictor: dict[str, Any]) -> str:
    logger = predictor.get("logger")
    return "invalid logger type" if logger is not None and logger.get("mode") not in ("all", "request", "response") else ""


def _scaling(predictor: dict[str, Any], annotations: dict[str, str]) -> str:
    is_standard = annotations.get(MODE) == STANDARD
    scale = "hpa" if is_standard else KNATIVE
    if is_standard and annotations.get(AUTOSCALER) != "hpa":
        return ""
    if not is_standard and "deploymentStrategy" in predictor:
        return "customizing deploymentStrategy is only supported for raw deployment mode"
    metric = predictor.get("scaleMetric")
    if metric and metric not in _METRICS[scale]:
        return f"[{metric}] is not a supported metric"
    if scale == "hpa" and not 1 <= predictor.get("scaleTarget", 80) <= 100 and metric != "memory":
        return "the target utilization percentage should be a [1-100] integer"
    return ""


def _canaries(item: Object) -> str:
    canaries = item["spec"].get("canary") or []
    if canaries and item["metadata"].get("annotations", {}).get(MODE) != STANDARD:
        return "canary is only supported in Standard deployment mode"
    stable = item["spec"]["predictor"]
    names: set[str] = {stable.get("name", "")}
    for number, canary in enumerate(canaries):
        predictor = canary["predictor"]
        name = predictor.get("name", "")
        if not name:
            return f"canary[{number}] predictor.name is required"
        if name in names:
            clash = "conflicts with stable predictor name" if name == stable.get("name") else "is duplicated"
            return f'canary predictor.name "{name}" {clash}'
        names.add(name)
        if problem := _canary(name, predictor, canary["trafficPercent"], stable, item):
            return problem
    total = sum(canary["trafficPercent"] for canary in canaries)
    return f"sum of canary trafficPercent values ({total}) must be <= 100" if total > 100 else ""


def _canary(name: str, predictor: dict[str, Any], percent: int, stable: dict[str, Any], item: Object) -> str:
    if not 0 <= percent <= 100:
        return f'canary "{name}" trafficPercent must be between 0 and 100, got {percent}'
    if problem := _predictor(predictor, item):
        return f'canary "{name}" predictor: {problem}'
    if "workerSpec" in predictor:
        return f'canary "{name}" must not set workerSpec (multi-node is not yet supported for canary)'
    for field in ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling"):
        if predictor.get(field):
            return f'canary "{name}" must not set {field} (canary uses fixed replicas)'
    least, allowed = predictor.get("minReplicas", 0), stable.get("minReplicas", 1)
    if least > allowed:
        return f'canary "{name}" minReplicas ({least}) must not exceed stable predictor minReplicas ({allowed})'
    return ""
