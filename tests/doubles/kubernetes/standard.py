"""Standard mode: a Deployment for the predictor and one for each canary, autoscalers that hold their numbers, and HTTPRoutes.

After KServe's components/predictor.go (canaries, and what is cleaned up), reconcilers/hpa/hpa_reconciler.go, PropagateRawStatus in
inference_service_status.go and reconcilers/ingress/httproute_reconciler.go; seen on real clusters with 0.20.0 and with the state after it:
- 0.20.0 splits no traffic: its routes have the predictor alone, with weight 1, whatever the canaries' shares, which the status echoes. Later
  ones write the weights of canaries that are ready.
- The routes are NAME and, 0.20.0, NAME-PREDICTOR-predictor, which stays behind after each promotion; later ones NAME-predictor.
- While the predictor is not ready the routes stay as they are.
- The Deployment of a canary that is taken away goes before the routes change: 37 of 480 requests were lost in 1.8 s.
- A Deployment begins with one pod, and its HorizontalPodAutoscaler raises it to its least number later (class `none`: immediately). Those of
  canaries that are gone are never deleted; 0.20.0 gives those of canaries no owner.
"""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .conditions import Condition, condition, with_ready
from .model_status import model_status
from .patches import merge
from .store import Object
from .webhook import AUTOSCALER
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
_ROUTES_FOLLOW_SECONDS = 1.0


@dataclass
class Deployment:
    """A Deployment: the newest pods, and the ones before for as long as those are not ready.

    Attributes:
        newest: The pods of its template.
        serving: The pods that answer; None if none ever did.
        replicas: How many pods there are to be.
        generation: Its generation: it changes with the template and with the number of pods.
        changed_at: When its template changed, by the monotonic clock.
        had: How many pods there were before their number last changed.
        scaled_at: When that was, by the monotonic clock.
    """

    newest: Workload
    serving: Workload | None = None
    replicas: int = 1
    generation: int = 1
    changed_at: float = field(default_factory=time.monotonic)
    had: int = 0
    scaled_at: float = 0.0

    def look(self) -> None:
        """Lets the newest pods serve once they are ready."""
        if self.newest.is_ready:
            self.serving = self.newest

    def scale(self, replicas: int) -> None:
        """Changes the number of pods; more of them take as long to start as the first."""
        if replicas != self.replicas:
            self.had, self.replicas, self.scaled_at = self.available, replicas, time.monotonic()
            self.generation += 1

    @property
    def available(self) -> int:
        """How many pods answer."""
        if self.serving is None:
            return 0
        started = time.monotonic() >= self.scaled_at + self.newest.behavior.ready_after
        return self.replicas if started or not self.scaled_at else min(self.had, self.replicas)

    @property
    def is_available(self) -> bool:
        """Whether enough pods answer; a quarter of them, rounded down, may be missing."""
        return self.available >= self.replicas - self.replicas // 4

    def conditions(self, progress_deadline: float) -> list[Condition]:
        """Returns the conditions of its own: Available, Progressing, and ReplicaFailure where pods cannot be made."""
        minimum, replica_set = "minimum availability.", f'ReplicaSet "{self.newest.pod}"'
        found = [
            condition("Available", "True", "MinimumReplicasAvailable", f"Deployment has {minimum}")
            if self.is_available
            else condition("Available", "False", "MinimumReplicasUnavailable", f"Deployment does not have {minimum}")
        ]
        if self.newest.is_ready or not self.replicas:
            found.append(condition("Progressing", "True", "NewReplicaSetAvailable", f"{replica_set} has successfully progressed."))
        elif time.monotonic() > self.changed_at + progress_deadline:
            found.append(condition("Progressing", "False", "ProgressDeadlineExceeded", f"{replica_set} has timed out progressing."))
        else:
            found.append(condition("Progressing", "True", "ReplicaSetUpdated", f"{replica_set} is progressing."))
        if self.newest.trouble and self.newest.trouble.reason == "FailedCreate":
            found.append(condition("ReplicaFailure", "True", self.newest.trouble.reason, self.newest.trouble.message))
        return found

    def object(self, name: str, service: "Service") -> Object:
        """Returns it as the API has it; `observedGeneration` is added when it is written."""
        labels, annotations = self.newest.labels | {"app": f"isvc.{name}"}, self.newest.annotations
        predictor = self.newest.template["predictor"]
        containers = predictor.get("containers") or [{"name": "kserve-container", "image": self.newest.image}]
        named = [{"name": "kserve-container", "image": self.newest.image} | one for one in containers]
        template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": named}}
        spec = {"replicas": self.replicas, "selector": {"matchLabels": {"app": f"isvc.{name}"}}, "template": template}
        metadata = {"name": name, "labels": labels, "annotations": annotations, "ownerReferences": [service.owner]}
        return {"metadata": metadata, "spec": spec, "status": self._status(service.progress_deadline)}

    def _status(self, progress_deadline: float) -> Object:
        """Says how many pods there are: one more than asked for while new ones start beside old ones."""
        is_rolled_out = self.serving in (None, self.newest)
        updated = 0 if self.newest.trouble and self.newest.trouble.reason == "FailedCreate" else self.replicas if is_rolled_out else 1
        counts = {
            "replicas": updated if is_rolled_out else self.replicas + updated,
            "updatedReplicas": updated,
            "readyReplicas": self.available,
            "availableReplicas": self.available,
        }
        return {key: count for key, count in counts.items() if count} | {"conditions": self.conditions(progress_deadline)}


@dataclass
class Autoscaler:
    """A HorizontalPodAutoscaler: the fewest and the most pods of the Deployment of its name, and the labels of that."""

    least: int
    most: int
    labels: dict[str, str]
    has_owner: bool

    def object(self, name: str, service: "Service") -> Object:
        """Returns it as the API has it."""
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
        owners = {"ownerReferences": [service.owner]} if self.has_owner else {}
        spec = {"scaleTargetRef": target, "minReplicas": self.least, "maxReplicas": self.most, "metrics": [cpu]}
        return {"metadata": {"name": name, "labels": self.labels} | owners, "spec": spec, "status": {"desiredReplicas": 0}}


@dataclass
class Deployments:
    """What there is of an InferenceService, by name.

    Attributes:
        by_name: The Deployments.
        autoscalers: The HorizontalPodAutoscalers.
        routes: The HTTPRoutes: the names of the Deployments behind them, with their weights.
        ended: The pods of Deployments that were taken away.
        routes_follow_at: Until when what is behind the routes has gone, and they have not followed, by the monotonic clock.
        scaled_at: When the autoscalers last looked.
    """

    by_name: dict[str, Deployment] = field(default_factory=dict)
    autoscalers: dict[str, Autoscaler] = field(default_factory=dict)
    routes: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    ended: dict[str, Workload] = field(default_factory=dict)
    routes_follow_at: float = 0.0
    scaled_at: float = 0.0

    def scale(self, every: float) -> None:
        """Holds the numbers of pods, now and then."""
        if time.monotonic() < self.scaled_at + every:
            return
        self.scaled_at = time.monotonic()
        for name, autoscaler in self.autoscalers.items():
            if deployment := self.by_name.get(name):
                deployment.scale(min(max(deployment.replicas, autoscaler.least), autoscaler.most))

    def objects(self, service: "Service") -> list[Object]:
        """Returns the Deployments as the API has them."""
        return [one.object(name, service) for name, one in self.by_name.items()]

    def autoscaler_objects(self, service: "Service") -> list[Object]:
        """Returns the HorizontalPodAutoscalers as the API has them."""
        return [one.object(name, service) for name, one in self.autoscalers.items() if name in self.by_name]

    def route_objects(self, service: "Service") -> list[Object]:
        """Returns the HTTPRoutes as the API has them."""
        return [_route_object(service, name, backends) for name, backends in self.routes.items()]

    @property
    def workloads(self) -> list[Workload]:
        """All their pods."""
        both = [pods for one in list(self.by_name.values()) for pods in (one.serving, one.newest) if pods and one.replicas]
        return list(dict.fromkeys(both))


def reconcile(service: "Service", item: Object, common: dict[str, Any]) -> dict[str, Any]:
    """Brings the Deployments and the routes to what is asked for; returns the new status."""
    before, standard = item.get("status", {}), service.standard
    stable, canaries = item["spec"]["predictor"], item["spec"].get("canary") or []
    stable_name = deployment_name(service.name, stable)
    if time.monotonic() >= standard.routes_follow_at:
        _deploy_all(service, common, stable, canaries, before)
        _clean_up(service, {stable_name, *(deployment_name(service.name, canary["predictor"]) for canary in canaries)})
    standard.scale(service.autoscaler_seconds)
    for deployment in standard.by_name.values():
        deployment.look()
    if time.monotonic() < standard.routes_follow_at:
        _answer(service, stable_name)
        return before
    statuses = [_canary_status(service, canary) for canary in canaries]
    predictor = _predictor_ready(service, standard.by_name[stable_name])
    if predictor["status"] == "True":
        standard.routes = _routes(service, stable, statuses)
    _answer(service, stable_name)
    return _status(service, before, predictor, stable_name, statuses)


def stop(service: "Service", before: dict[str, Any]) -> dict[str, Any]:
    """Takes away all that there is, as the annotation serving.kserve.io/stop asks; returns the new status."""
    for deployment in service.standard.by_name.values():
        deployment.newest.end()
    service.standard = Deployments()
    service.hosts = service.services = {}
    stopped = [condition(kind, "False", "Stopped") for kind in ("PredictorReady", "IngressReady")]
    kept = {key: before[key] for key in ("canaryStatuses",) if key in before}
    return {"conditions": with_ready(stopped, stopped=True)} | kept


def deployment_name(service: str, predictor: dict[str, Any]) -> str:
    """Returns the name of a predictor's Deployment and Service."""
    return "-".join(part for part in (service, predictor.get("name", ""), "predictor") if part)


def _deploy_all(
    service: "Service", common: dict[str, Any], stable: dict[str, Any], canaries: list[dict[str, Any]], before: dict[str, Any]
) -> None:
    """Makes what is asked for. The predictor needs not have the pods that canaries have; later than 0.20.0: those that are ready."""
    ready = {one["name"] for one in before.get("canaryStatuses", []) if one["ready"]}
    counted = 0
    for canary in canaries:
        replicas = _canary_replicas(stable, canary)
        _deploy(service, common, merge(stable, canary["predictor"]), replicas, replicas, is_canary=True)
        counted += replicas if not service.splits_traffic or canary["predictor"]["name"] in ready else 0
    least = stable.get("minReplicas", 1)
    _deploy(service, common, stable, max(least - counted, 1) if counted else least, stable.get("maxReplicas", 0), is_canary=False)


def _canary_replicas(stable: dict[str, Any], canary: dict[str, Any]) -> int:
    """A canary without `minReplicas` has its share of the stable pods: none at all at 0 %."""
    least = canary["predictor"].get("minReplicas")
    return math.ceil(stable.get("minReplicas", 1) * canary["trafficPercent"] / 100) if least is None else least


def _deploy(service: "Service", common: dict[str, Any], predictor: dict[str, Any], least: int, most: int, *, is_canary: bool) -> None:
    name, standard = deployment_name(service.name, predictor), service.standard
    template = common | {"predictor": {key: value for key, value in predictor.items() if key not in _NOT_IN_PODS}}
    deployment = standard.by_name.get(name)
    if deployment is None:
        deployment = standard.by_name[name] = Deployment(service.start(name, template))
    elif deployment.newest.template != template:
        deployment.newest, deployment.changed_at = service.start(name, template), time.monotonic()
        deployment.generation += 1
    scaling = common["annotations"].get(AUTOSCALER, "hpa")
    if scaling == "none":
        deployment.scale(least)
    elif scaling == "hpa":
        fewest = max(least, 1)
        labels = deployment.newest.labels | {"app": f"isvc.{name}"}
        has_owner = service.splits_traffic or not is_canary
        standard.autoscalers[name] = Autoscaler(fewest, max(most, fewest), labels, has_owner)


def _clean_up(service: "Service", wanted: set[str]) -> None:
    """Removes Deployments that the spec no longer has, even if requests still reach them: the routes follow later."""
    standard = service.standard
    for orphan in set(standard.by_name) - wanted:
        standard.ended[orphan] = standard.by_name.pop(orphan).newest
        standard.ended[orphan].end()
        if any(name == orphan and weight for backends in standard.routes.values() for name, weight in backends):
            standard.routes_follow_at = time.monotonic() + _ROUTES_FOLLOW_SECONDS


def _canary_status(service: "Service", canary: dict[str, Any]) -> dict[str, Any]:
    deployment = service.standard.by_name[deployment_name(service.name, canary["predictor"])]
    name, percent = canary["predictor"]["name"], canary["trafficPercent"]
    return {"name": name, "ready": deployment.available > 0, "trafficPercent": percent, "modelStatus": {"transitionStatus": ""}}


def _routes(service: "Service", stable: dict[str, Any], statuses: list[dict[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    name = deployment_name(service.name, stable)
    if not service.splits_traffic:
        return {service.name: [(name, 1)], name: [(name, 1)]}
    ready = [(deployment_name(service.name, one), one["trafficPercent"]) for one in statuses if one["ready"]]
    backends = [(name, 100 - sum(percent for _, percent in ready)), *ready] if statuses else [(name, 1)]
    return {service.name: backends, f"{service.name}-predictor": backends}


def _route_object(service: "Service", name: str, backends: list[tuple[str, int]]) -> Object:
    refs = [{"group": "", "kind": "Service", "name": one, "port": 80, "weight": weight} for one, weight in backends]
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "kserve", "name": "kserve-ingress-gateway"}
    spec = {"hostnames": [f"{name}-{service.namespace}.example.com"], "parentRefs": [parent], "rules": [{"backendRefs": refs}]}
    accepted = condition("Accepted", "True", "Accepted", "No error found") | {"lastTransitionTime": service.since}
    status = {"parents": [{"controllerName": "traefik.io/gateway-controller", "parentRef": parent, "conditions": [accepted]}]}
    return {"metadata": {"name": name, "labels": {}, "ownerReferences": [service.owner]}, "spec": spec, "status": status}


def _answer(service: "Service", stable_name: str) -> None:
    """Has the pods answer under the hosts of the routes, and under the names of their own Services."""
    deployments = service.standard.by_name
    shares = dict(service.standard.routes.get(service.name, []))
    total = sum(shares.values()) or 1
    own = {
        name: [(one.serving, round(100 * shares.get(name, 0) / total))] if one.serving and one.available else []
        for name, one in deployments.items()
    }
    hosts = {}
    for route, backends in service.standard.routes.items():
        hosts[route] = [
            (workload, round(100 * weight / total)) for name, weight in backends if weight and (workload := _behind(service, name))
        ]
    service.hosts, service.services = hosts, own


def _behind(service: "Service", name: str) -> Workload | None:
    """Returns the pods behind a name; those that have ended answer nothing."""
    deployment = service.standard.by_name.get(name)
    return deployment.serving if deployment else service.standard.ended.get(name)


def _status(
    service: "Service", before: dict[str, Any], predictor: Condition, stable_name: str, statuses: list[dict[str, Any]]
) -> dict[str, Any]:
    stable, is_ready = service.standard.by_name[stable_name], predictor["status"] == "True"
    ingress = condition("IngressReady", "True") if is_ready else condition("IngressReady", "False", "Predictor ingress not created")
    conditions = [predictor, ingress]
    if statuses:
        all_ready = all(one["ready"] for one in statuses)
        reason = "AllCanariesReady" if all_ready else "CanariesNotReady"
        conditions.append(condition("CanaryPredictorReady", str(all_ready), reason) | {"severity": "Info"})
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
    """Says what PropagateRawStatus makes of the Deployment's conditions: old pods that answer are Available, whatever the newest do."""
    conditions = {one["type"]: one for one in deployment.conditions(service.progress_deadline)}
    available, progressing, failure = conditions["Available"], conditions["Progressing"], conditions.get("ReplicaFailure")
    ready = available
    if progressing["status"] == "False" or progressing["reason"] == "NewReplicaSetAvailable":
        ready = progressing
    elif available["status"] != "True":
        ready = progressing | {"status": "Unknown"}
    if available["status"] == "False":
        ready = available
    if failure:
        ready = failure | {"status": "False"}
    return ready | {"type": "PredictorReady"}
