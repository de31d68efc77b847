"""What a cluster says of an InferenceService and of what KServe has made for it, and what that means.

An InferenceService's own status is not enough in mode standard. `Ready` stays True while a changed predictor crashes, for the old pods answer;
`observedGeneration` counts the Deployment's generations; a canary is ready as soon as one pod is, an old one too; and KServe 0.20.0 repeats every
share of the traffic in the status without having split any. So the Deployments say which pods run, and the HTTPRoute says who has the traffic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .record import RECORD

InferenceService = dict[str, Any]
Object = dict[str, Any]
DEPLOYMENT, ROUTE, AUTOSCALER = "Deployment", "HTTPRoute", "HorizontalPodAutoscaler"


@dataclass(frozen=True)
class Seen:
    """An InferenceService, and what belongs to it.

    Attributes:
        service: The InferenceService.
        read: Reads an object by its kind and name on demand. Returns None if it does not exist.
    """

    service: InferenceService
    read: Callable[[str, str], Object | None]

    def deployment(self, predictor: dict[str, Any]) -> Object | None:
        """Returns a predictor's Deployment."""
        return self.read(DEPLOYMENT, service_name(self.service, predictor))

    def route(self, suffix: str = "") -> Object | None:
        """Returns the HTTPRoute of the InferenceService's name, or of this name and a suffix."""
        return self.read(ROUTE, self.service["metadata"]["name"] + suffix)


def service_name(service: InferenceService, predictor: dict[str, Any]) -> str:
    """Returns the name of a predictor's Deployment and Service in mode standard."""
    return "-".join(part for part in (service["metadata"]["name"], predictor.get("name", ""), "predictor") if part)


def condition(service: InferenceService, name: str) -> dict[str, Any]:
    """Returns a condition of the status; empty if it has none of this name."""
    conditions = service.get("status", {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == name), {})


def is_true(service: InferenceService, name: str) -> bool:
    """Tells whether a condition is true."""
    return condition(service, name).get("status") == "True"


def is_rolled_out(deployment: Object | None, predictor: dict[str, Any], replicas: int = 1) -> bool:
    """Tells whether a Deployment is that of a predictor as it is now, and its pods are new, and enough of them answer."""
    if deployment is None or _record(deployment["spec"]["template"]["metadata"]) != _record(predictor):
        return False
    status = deployment.get("status", {})
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return False
    running, updated, answering = (status.get(f"{kind}eplicas", 0) for kind in ("r", "updatedR", "availableR"))
    return running == updated and answering >= max(replicas, 1)


def _record(has_annotations: dict[str, Any]) -> str | None:
    return (has_annotations.get("annotations") or {}).get(RECORD)


def shares(route: Object) -> dict[str, int]:
    """Returns the percentages of the traffic that an HTTPRoute gives to Services; empty if its rules disagree, for it is being changed."""
    split = []
    for rule in route["spec"].get("rules") or []:
        weights = {backend["name"]: backend.get("weight", 1) for backend in rule.get("backendRefs") or []}
        whole = sum(weights.values())
        split.append({name: round(100 * weight / whole) for name, weight in weights.items()} if whole else {})
    return split[0] if split and all(one == split[0] for one in split) else {}


def is_accepted(route: Object) -> bool:
    """Tells whether the gateways have taken an HTTPRoute as it is now."""
    generation = route["metadata"].get("generation")
    accepted = [
        (item["status"], item.get("observedGeneration", generation))
        for parent in route.get("status", {}).get("parents") or []
        for item in parent.get("conditions") or []
        if item["type"] == "Accepted"
    ]
    return bool(accepted) and all(item == ("True", generation) for item in accepted)
