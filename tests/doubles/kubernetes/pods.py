"""The Pod, Deployment, HTTPRoute, HorizontalPodAutoscaler and Event objects of an InferenceService, which say what its conditions do not."""

from typing import Any

from ...apiserver.api import ApiError
from .resources import AUTOSCALERS, DEPLOYMENTS, EVENTS, HTTP_ROUTES, PODS
from .store import Object, Resource, Store, now
from .workload import Trouble, Workload

_WITHOUT_PODS = ("FailedCreate", "ContainerMissing")
ISVC_LABEL = "serving.kserve.io/inferenceservice"


def write_pods(store: Store, namespace: str, service: str, workloads: list[Workload]) -> None:
    """Makes one Pod for each workload that gets one, and tells of trouble as an Event."""
    pods = [_pod(one) for one in workloads if one.trouble is None or one.trouble.reason not in _WITHOUT_PODS]
    _write(store, PODS, namespace, service, pods)
    for one in workloads:
        if one.trouble and one.trouble.reason != "ContainerMissing":
            _tell(store, namespace, one, one.trouble)


def write_deployments(store: Store, namespace: str, service: str, deployments: list[Object]) -> None:
    """Makes the Deployment objects of an InferenceService what they are to be."""
    _write(store, DEPLOYMENTS, namespace, service, deployments)


def write_routes(store: Store, namespace: str, routes: list[Object]) -> None:
    """Adds and changes HTTPRoutes; those that are not wanted any more are left behind."""
    _add(store, HTTP_ROUTES, namespace, routes)


def write_autoscalers(store: Store, namespace: str, autoscalers: list[Object]) -> None:
    """Adds and changes HorizontalPodAutoscalers; those that are not wanted any more are left behind."""
    _add(store, AUTOSCALERS, namespace, autoscalers)


def delete_owned(store: Store, namespace: str, uid: str) -> None:
    """Collects the garbage of an InferenceService that is gone: what it owned."""
    for resource in (HTTP_ROUTES, AUTOSCALERS):
        for item in store.list(resource, namespace):
            if uid in [owner["uid"] for owner in item["metadata"].get("ownerReferences", [])]:
                store.delete(resource, namespace, item["metadata"]["name"])


def _add(store: Store, resource: Resource, namespace: str, wanted: list[Object]) -> None:
    existing = {item["metadata"]["name"]: item for item in store.list(resource, namespace)}
    for item in wanted:
        _put(store, resource, namespace, existing.get(item["metadata"]["name"]), item)


def _write(store: Store, resource: Resource, namespace: str, service: str, wanted: list[Object]) -> None:
    """Adds, changes and removes an InferenceService's objects of a kind, until they are the ones that are wanted."""
    mine = [item for item in store.list(resource, namespace) if item["metadata"].get("labels", {}).get(ISVC_LABEL) == service]
    existing = {item["metadata"]["name"]: item for item in mine}
    for name in existing.keys() - {item["metadata"]["name"] for item in wanted}:
        store.delete(resource, namespace, name)
    for item in wanted:
        _put(store, resource, namespace, existing.get(item["metadata"]["name"]), item)


def _put(store: Store, resource: Resource, namespace: str, old: Object | None, item: Object) -> None:
    """Writes an object; what has changed is observed at the next look: until then `generation` is ahead of the status."""
    if old is None:
        store.create(resource, namespace, item)
        return
    new = store.replace(resource, namespace, old | {"spec": item["spec"]})
    if new["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]:
        status = _observed(item["status"], old["metadata"].get("generation", 1))
        store.replace(resource, namespace, old | {"status": status}, status=True)


def _observed(status: Object, generation: int) -> Object:
    """Says which generation a status speaks of: a Deployment's in one field, a route's in the gateway's conditions."""
    if "parents" not in status:
        return status | ({"observedGeneration": generation} if "conditions" in status else {})
    conditions = [one | {"observedGeneration": generation} for parent in status["parents"] for one in parent["conditions"]]
    return {"parents": [parent | {"conditions": conditions} for parent in status["parents"]]}


def _pod(workload: Workload) -> Object:
    labels = workload.labels | {"app": f"isvc.{workload.name}", "serving.knative.dev/revision": workload.name}
    container = {"name": "kserve-container", "image": workload.image, "ready": workload.is_ready, "restartCount": 0, "imageID": ""}
    initializer = {"name": "storage-initializer", "image": "kserve/storage-initializer", "ready": True, "restartCount": 0, "imageID": ""}
    trouble = workload.trouble
    broken = (
        _broken(trouble) if trouble else {"state": {"running": {}} if workload.is_ready else {"waiting": {"reason": "PodInitializing"}}}
    )
    if trouble and trouble.is_storage:
        initializer |= broken | {"ready": False}
        container["state"] = {"waiting": {"reason": "PodInitializing"}}
    else:
        container |= broken
    ready = {"type": "Ready", "status": str(workload.is_ready)}
    status = {
        "phase": "Running" if workload.is_ready else "Pending",
        "conditions": [ready],
        "containerStatuses": [container],
        "initContainerStatuses": [initializer],
    }
    if workload.behavior.unscheduled and not workload.is_ready:  # kubelet has not seen it: there are no containers yet
        unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": workload.behavior.unscheduled}
        status = {"phase": "Pending", "conditions": [unscheduled]}
    metadata = {"name": workload.pod, "labels": labels, "annotations": workload.annotations}
    containers = [{"name": "kserve-container", "image": workload.image}]
    return {"metadata": metadata, "spec": {"containers": containers}, "status": status}


def _broken(trouble: Trouble) -> dict[str, Any]:
    """Returns the state of a container in trouble: why it waits, and how it ended if it ever ran."""
    if trouble.exit_code < 0:
        return {"state": {"waiting": {"reason": trouble.reason, "message": trouble.message}}}
    waiting = {"reason": trouble.reason, "message": "back-off 10s restarting failed container"}
    ended = {"reason": "Error", "message": trouble.message, "exitCode": trouble.exit_code}
    return {"state": {"waiting": waiting}, "lastState": {"terminated": ended}, "restartCount": 2}


def _tell(store: Store, namespace: str, workload: Workload, trouble: Trouble) -> None:
    reason = {"ImagePullBackOff": "Failed", "CrashLoopBackOff": "BackOff"}.get(trouble.reason, trouble.reason)
    name = f"{workload.pod}.{trouble.reason.lower()}"
    try:
        store.get(EVENTS, namespace, name)
    except ApiError:
        tell(store, {"kind": "Pod", "namespace": namespace, "name": workload.pod}, name, reason, trouble.message)


def tell(store: Store, involved: dict[str, str], name: str, reason: str, message: str) -> None:
    """Reports on an object by an Event, or counts the Event again."""
    event = {"metadata": {"name": name}, "involvedObject": involved, "reason": reason, "message": message, "type": "Warning"}
    common = {"source": {"component": "v1beta1Controllers"}, "firstTimestamp": now(), "lastTimestamp": now(), "count": 1}
    try:
        old = store.get(EVENTS, involved["namespace"], name)
    except ApiError:
        store.create(EVENTS, involved["namespace"], event | common)
    else:
        store.replace(EVENTS, involved["namespace"], old | {"lastTimestamp": now(), "count": old["count"] + 1})
