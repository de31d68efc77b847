"""Standard mode: a Deployment for the predictor and one for each canary, and an HTTPRoute with their shares of the traffic.

After pkg/controller/v1beta1/inferenceservice/components/predictor.go (canaries), reconcilers/ingress/httproute_reconciler.go (shares)
and pkg/apis/serving/v1beta1/inference_service_status.go, PropagateRawStatus (conditions).
"""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .conditions import Condition, condition, with_ready
from .model_status import model_status
from .patches import merge
from .store import Object
from .workload import Workload

if TYPE_CHECKING:
    from .controller import Service

# What a Deployment's pods do not depend on.
_NOT_IN_PODS = {
    "name",
    "minReplicas",
    "maxReplicas",
    "scaleTarget",
    "scaleMetric",
    "autoScaling",
    "canaryTrafficPercent",
    "deploymentStrategy",
}


@dataclass
class Deployment:
    """A Deployment: the newest pods, and the ones before for as long as those are not ready.

    Attributes:
        newest: The pods of its template.
        serving: The pods that answer; None if none ever did.
        replicas: How many pods there are to be.
        generation: Its generation: it changes with the template and with the number of pods.
        changed_at: When its template changed, by the monotonic clock.
    """

    newest: Workload
    serving: Workload | None = None
    replicas: int = 1
    generation: int = 1
    changed_at: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Lets the newest pods serve once they are ready."""
        if self.newest.is_ready:
            self.serving = self.newest

    @property
    def is_available(self) -> bool:
        """Whether a pod answers."""
        return self.replicas > 0 and self.serving is not None

    def conditions(self, progress_deadline: float) -> list[Condition]:
        """Returns the conditions of its own: ReplicaFailure, Progressing and Available, the most telling first."""
        newest, available = self.newest, self.is_available
        minimum = "minimum availability."
        said = [
            condition("Available", "True", "MinimumReplicasAvailable", f"Deployment has {minimum}")
            if available or not self.replicas
            else condition("Available", "False", "MinimumReplicasUnavailable", f"Deployment does not have {minimum}")
        ]
        replica_set = f'ReplicaSet "{newest.pod}"'
        if newest.is_ready or not self.replicas:
            said.insert(0, condition("Progressing", "True", "NewReplicaSetAvailable", f"{replica_set} has successfully progressed."))
        elif time.monotonic() > self.changed_at + progress_deadline:
            said.insert(0, condition("Progressing", "False", "ProgressDeadlineExceeded", f"{replica_set} has timed out progressing."))
        else:
            said.insert(0, condition("Progressing", "True", "ReplicaSetUpdated", f"{replica_set} is progressing."))
        if newest.trouble and newest.trouble.reason == "FailedCreate":
            said.insert(0, condition("ReplicaFailure", "True", newest.trouble.reason, newest.trouble.message))
        return said

    def object(self, name: str, service: str, progress_deadline: float) -> Object:
        """Returns it as the API has it."""
        labels = {"serving.kserve.io/inferenceservice": service, "component": "predictor", "app": f"isvc.{name}"}
        containers = [{"name": "kserve-container", "image": self.newest.image}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        status = {
            "observedGeneration": self.generation,
            "replicas": self.replicas,
            "conditions": self.conditions(progress_deadline),
        } | ({"availableReplicas": self.replicas, "readyReplicas": self.replicas} if self.is_available else {})
        spec = {"replicas": self.replicas, "selector": {"matchLabels": {"app": f"isvc.{name}"}}, "template": template}
        return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


@dataclass
class Deployments:
    """The Deployments of an InferenceService, by name."""

    by_name: dict[str, Deployment] = field(default_factory=dict)

    def objects(self, service: "Service") -> list[Object]:
        """Returns them as the API has them."""
        return [one.object(name, service.name, service.progress_deadline) for name, one in self.by_name.items()]

    @property
    def workloads(self) -> list[Workload]:
        """All their pods."""
        both = [pods for one in self.by_name.values() for pods in (one.serving, one.newest) if pods and one.replicas]
        return list(dict.fromkeys(both))


def reconcile(service: "Service", item: Object, common: dict[str, Any]) -> dict[str, Any]:
    """Brings the Deployments and the route to what is asked for; returns the new status."""
    before = item.get("status", {})
    stable = item["spec"]["predictor"]
    canaries = item["spec"].get("canary") or []
    stable_name = _deployment_name(service.name, stable)
    deployments = service.standard.by_name
    for canary in canaries:
        merged = merge(stable, canary["predictor"])
        _deploy(service, _deployment_name(service.name, merged), common, merged, _canary_replicas(stable, canary))
    for orphan in set(deployments) - {stable_name, *(_deployment_name(service.name, canary["predictor"]) for canary in canaries)}:
        del deployments[orphan]
    _deploy(service, stable_name, common, stable, max(1, stable.get("minReplicas", 1)))
    for deployment in deployments.values():
        deployment.look()
    statuses = [_canary_status(service, canary) for canary in canaries]
    _route(service, stable_name, canaries, statuses)
    return _status(service, before, deployments[stable_name], statuses)


def _deployment_name(service: str, predictor: dict[str, Any]) -> str:
    return "-".join(part for part in (service, predictor.get("name", ""), "predictor") if part)


def _canary_replicas(stable: dict[str, Any], canary: dict[str, Any]) -> int:
    """A canary without `minReplicas` has its share of the stable pods: none at all at 0 %."""
    least = canary["predictor"].get("minReplicas")
    return math.ceil(stable.get("minReplicas", 1) * canary["trafficPercent"] / 100) if least is None else least


def _deploy(service: "Service", name: str, common: dict[str, Any], predictor: dict[str, Any], replicas: int) -> None:
    template = common | {"predictor": {key: value for key, value in predictor.items() if key not in _NOT_IN_PODS}}
    deployment = service.standard.by_name.get(name)
    if deployment is None:
        service.standard.by_name[name] = Deployment(service.start(name, template), replicas=replicas)
    elif deployment.newest.template != template:
        deployment.newest, deployment.changed_at = service.start(name, template), time.monotonic()
        deployment.generation += 1
    if deployment and deployment.replicas != replicas:
        deployment.replicas = replicas
        deployment.generation += 1


def _canary_status(service: "Service", canary: dict[str, Any]) -> dict[str, Any]:
    deployment = service.standard.by_name[_deployment_name(service.name, canary["predictor"])]
    return {"name": canary["predictor"]["name"], "ready": deployment.is_available, "trafficPercent": canary["trafficPercent"]}


def _route(service: "Service", stable_name: str, canaries: list[dict[str, Any]], statuses: list[dict[str, Any]]) -> None:
    """Splits the traffic over the stable pods and the canaries that are ready."""
    deployments = service.standard.by_name
    split = [
        (deployments[_deployment_name(service.name, canary["predictor"])], canary["trafficPercent"])
        for canary, status in zip(canaries, statuses, strict=True)
        if status["ready"]
    ]
    everything = [(deployments[stable_name], 100 - sum(percent for _, percent in split)), *split]
    backends = [(deployment.serving, percent) for deployment, percent in everything if deployment.serving and percent]
    shares = {id(deployment): percent for deployment, percent in everything}
    own = {name: [(one.serving, shares.get(id(one), 0))] if one.serving and one.replicas else [] for name, one in deployments.items()}
    service.hosts = {service.name: backends, f"{service.name}-predictor": backends}
    service.services = own


def _status(service: "Service", before: dict[str, Any], stable: Deployment, statuses: list[dict[str, Any]]) -> dict[str, Any]:
    predictor = _predictor_ready(service, stable)
    is_ready = predictor["status"] == "True"
    ingress = condition("IngressReady", "True") if is_ready else condition("IngressReady", "False", "Predictor ingress not created")
    conditions = [predictor, ingress]
    if statuses:
        all_ready = all(one["ready"] for one in statuses)
        conditions.append(condition("CanaryPredictorReady", str(all_ready), "AllCanariesReady" if all_ready else "CanariesNotReady"))
    component = dict(before.get("components", {}).get("predictor", {}))
    status: dict[str, Any] = {key: before[key] for key in ("url", "address") if key in before}
    if is_ready:
        component["url"] = service.url(f"{service.name}-predictor")
        status = {"url": service.url(service.name), "address": {"url": service.cluster_url(stable.newest.name)}}
    status |= {"observedGeneration": stable.generation, "conditions": with_ready(conditions), "components": {"predictor": component}}
    if statuses:
        status["canaryStatuses"] = statuses
    return status | {"modelStatus": model_status(stable.newest, is_ready)}


def _predictor_ready(service: "Service", deployment: Deployment) -> Condition:
    """Says the worst that the Deployment says; one whose old pods answer is Available, whatever its newest do."""
    said = deployment.conditions(service.progress_deadline)
    worst = next((one for one in said if one["status"] == ("True" if one["type"] == "ReplicaFailure" else "False")), None)
    if worst and not (deployment.is_available and deployment.newest.behavior.ready_though_broken):
        return condition("PredictorReady", "False", worst["reason"], worst["message"])
    return condition("PredictorReady", "True")
