"""Knative mode: one Knative service, whose template's changes make revisions, and whose route splits the traffic over two of them.

After pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go (traffic) and
pkg/apis/serving/v1beta1/inference_service_status.go, PropagateStatus (which revision counts as rolled out).
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .conditions import Condition, condition, of_ready, with_ready
from .model_status import model_status
from .store import Object
from .workload import Workload

if TYPE_CHECKING:
    from .controller import Service

# For 0.1 to 0.3 s after each change of shares the status has them already, and Ready is Unknown.
_INGRESS_SECONDS = 0.15
TAGS = "serving.kserve.io/enable-tag-routing"


@dataclass
class Revisions:
    """The Knative service of an InferenceService.

    Attributes:
        workloads: Its revisions, the oldest first.
        latest_ready: The newest revision that was ready; None if none was.
        generation: Its generation: it changes with the template and with the traffic.
        asked: The template and the traffic that it was asked for last.
        configured_at: When the ingress has heard of that traffic, by the monotonic clock.
    """

    workloads: list[Workload] = field(default_factory=list)
    latest_ready: Workload | None = None
    generation: int = 0
    asked: tuple[dict[str, Any], list[dict[str, Any]]] | None = None
    configured_at: float = 0.0

    def named(self, name: str) -> Workload | None:
        """Returns a revision."""
        return next((one for one in self.workloads if one.name == name), None)


def reconcile(service: "Service", item: Object, common: dict[str, Any]) -> dict[str, Any]:
    """Brings the revisions and the route to what is asked for; returns the new status."""
    before = item.get("status", {})
    component = dict(before.get("components", {}).get("predictor", {}))
    predictor = item["spec"]["predictor"]
    template = common | {"predictor": {key: value for key, value in predictor.items() if key != "canaryTrafficPercent"}}
    targets = _targets(predictor.get("canaryTrafficPercent"), component.get("latestRolledoutRevision", ""), common["annotations"])
    _apply(service, template, targets)
    ksvc = service.knative
    created = ksvc.workloads[-1]
    traffic = _traffic(service, targets)
    _route(service, traffic)
    _roll(component, traffic, created, ksvc.latest_ready)
    route = _route_ready(created, ksvc.latest_ready, is_configured=time.monotonic() >= ksvc.configured_at)
    conditions = _conditions(created, ksvc.latest_ready, route, has_url="url" in before)
    ready = next(one for one in conditions if one["type"] == "Ready")["status"] == "True"
    status = {"observedGeneration": ksvc.generation, "conditions": conditions, "components": {"predictor": component}}
    if ready:
        component |= {
            "url": service.url(f"{service.name}-predictor"),
            "address": {"url": service.cluster_url(f"{service.name}-predictor")},
        }
        status |= {"url": service.url(service.name), "address": {"url": service.cluster_url(f"{service.name}-predictor")}}
    else:
        status |= {key: before[key] for key in ("url", "address") if key in before}
    return status | {"modelStatus": model_status(created, ready)}


def _targets(percent: int | None, rolled_out: str, annotations: dict[str, str]) -> list[dict[str, Any]]:
    """Splits the traffic; a share is ignored as long as nothing was rolled out."""
    tag = {"tag": "latest"} if annotations.get(TAGS) == "true" else {}
    if percent is None or not rolled_out:
        return [{"latestRevision": True, "percent": 100} | tag]
    latest = [{"latestRevision": True, "percent": percent} | tag]
    stable = {"revisionName": rolled_out, "latestRevision": False, "percent": 100 - percent, "tag": "prev"}
    return latest + ([stable] if percent < 100 else [])


def _apply(service: "Service", template: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    ksvc = service.knative
    if not ksvc.workloads or ksvc.workloads[-1].template != template:
        ksvc.workloads.append(service.start(f"{service.name}-predictor-{len(ksvc.workloads) + 1:05d}", template))
    if ksvc.asked and ksvc.asked[1] != targets:
        ksvc.configured_at = time.monotonic() + _INGRESS_SECONDS
    if ksvc.asked != (template, targets):
        ksvc.asked = (template, targets)
        ksvc.generation += 1
    ksvc.latest_ready = next((one for one in reversed(ksvc.workloads) if one.is_ready), ksvc.latest_ready)


def _traffic(service: "Service", targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names the revision of each target, and the URL of each tag."""
    latest = service.knative.latest_ready
    if latest is None:
        return []
    named = [{"revisionName": latest.name} | target for target in targets]
    return [one | ({"url": service.url(f"{one['tag']}-{service.name}-predictor")} if "tag" in one else {}) for one in named]


def _route(service: "Service", traffic: list[dict[str, Any]]) -> None:
    revisions = [(target, service.knative.named(target["revisionName"])) for target in traffic]
    split = [(revision, target["percent"]) for target, revision in revisions if revision and target["percent"]]
    tagged = {
        f"{target['tag']}-{service.name}-predictor": [(revision, target["percent"])]
        for target, revision in revisions
        if "tag" in target and revision
    }
    service.hosts = {service.name: split, f"{service.name}-predictor": split} | tagged if traffic else {}
    # A revision has a Service of its pods. That of its own name leads to the activator, which is in another namespace, so that the API server
    # finds no endpoints there (seen: Knative 0.48 on Kubernetes 1.34).
    service.services = {f"{one.name}-private": [(one, _share(traffic, one))] if one.is_ready else [] for one in service.knative.workloads}


def _share(traffic: list[dict[str, Any]], revision: Workload) -> int:
    return sum(target["percent"] for target in traffic if target["revisionName"] == revision.name)


def _roll(component: dict[str, Any], traffic: list[dict[str, Any]], created: Workload, ready: Workload | None) -> None:
    """Says which revisions are created, ready and rolled out, as PropagateStatus does."""
    component["latestCreatedRevision"] = created.name
    shares: dict[str, int] = {}
    for target in traffic:
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
    for target in traffic:
        if not target["latestRevision"]:
            continue
        rolled_out, previous = component.get("latestRolledoutRevision", ""), component.get("previousRolledoutRevision", "")
        if rolled_out != target["revisionName"]:
            if target["percent"] == 100:
                component |= {"latestRolledoutRevision": target["revisionName"]} | (
                    {"previousRolledoutRevision": rolled_out} if rolled_out else {}
                )
        elif created is ready and target["percent"] < 100 and shares[target["revisionName"]] == 100 and previous:
            component["latestRolledoutRevision"] = previous  # rolled out, and then rolled back
    if ready:
        component |= {"latestReadyRevision": ready.name, "traffic": traffic}


def _route_ready(created: Workload, ready: Workload | None, *, is_configured: bool) -> Condition:
    if not is_configured:
        return condition("PredictorRouteReady", "Unknown", "IngressNotConfigured", "Ingress has not yet been reconciled.")
    missing = f'Configuration "{created.name.rsplit("-", 1)[0]}" is waiting for a Revision to become ready.'
    return condition("PredictorRouteReady", "True") if ready else condition("PredictorRouteReady", "Unknown", "RevisionMissing", missing)


def _failure(created: Workload) -> str:
    """Returns why a revision failed. A pod without a node is a failure until it has one (pkg/reconciler/revision/reconcile_resources.go)."""
    return created.trouble.message if created.trouble else ("" if created.is_ready else created.behavior.unscheduled)


def _conditions(created: Workload, ready: Workload | None, route: Condition, *, has_url: bool) -> list[Condition]:
    configuration = condition("PredictorConfigurationReady", "Unknown")
    if created is ready or (created.behavior.ready_though_broken and ready):
        configuration = condition("PredictorConfigurationReady", "True")
    elif why := _failure(created):
        failed = f'Revision "{created.name}" failed with message: {why}.'
        configuration = condition("PredictorConfigurationReady", "False", "RevisionFailed", failed)
    worst = configuration if configuration["status"] != "True" else route
    predictor = of_ready("PredictorReady", worst)
    ingress = condition("IngressReady", "True" if has_url or predictor["status"] == "True" else "Unknown")
    aggregated = [
        condition(kind, part["status"], "" if part["status"] == "True" else f"{part['type']} not ready")
        for kind, part in (("RoutesReady", route), ("LatestDeploymentReady", configuration))
    ]
    return with_ready([configuration, route, predictor, ingress, *aggregated])
