"""What KServe never removes: autoscalers of predictors that are gone, and, 0.20.0, their routes.

An autoscaler without its Deployment complains four times a minute for ever, and those that 0.20.0 makes for canaries stay even after the
InferenceService, for they have no owner.
"""

from penstock.components.protocol import figure
from penstock.components.release.kubernetes import ClusterError

from .api import Cluster
from .seen import AUTOSCALER, ROUTE, InferenceService, Object, service_name


def clear_leftovers(cluster: Cluster, service: InferenceService | None) -> None:
    """Removes them, or says what is left where that is not allowed: nothing depends on it.

    Args:
        cluster: The InferenceService's cluster.
        service: The InferenceService; None if it is gone.
    """
    for kind, find in ((AUTOSCALER, _autoscalers), (ROUTE, _routes)):
        try:
            for item in find(cluster, service):
                cluster.remove(kind, item)
        except ClusterError as failure:
            figure(f"unused resources of kind {kind} remain in namespace {cluster.namespace}: {failure}")


def _autoscalers(cluster: Cluster, service: InferenceService | None) -> list[Object]:
    wanted = _services(service) if service else set()
    made = cluster.find_all(AUTOSCALER, f"serving.kserve.io/inferenceservice={cluster.name},component=predictor")
    return [item for item in made if item["metadata"]["name"] not in wanted]


def _routes(cluster: Cluster, service: InferenceService | None) -> list[Object]:
    """Returns the InferenceService's own HTTPRoutes of predictors that it has no more; later KServes have one for all of them."""
    if service is None:
        return []
    wanted, uid = {f"{cluster.name}-predictor", *_services(service)}, service["metadata"]["uid"]
    return [
        item
        for item in cluster.find_all(ROUTE)
        if uid in [owner["uid"] for owner in item["metadata"].get("ownerReferences") or []]
        and item["metadata"]["name"].endswith("-predictor")
        and item["metadata"]["name"] not in wanted
    ]


def _services(service: InferenceService) -> set[str]:
    predictors = [service["spec"]["predictor"], *(canary["predictor"] for canary in service["spec"].get("canary") or [])]
    return {service_name(service, predictor) for predictor in predictors}
