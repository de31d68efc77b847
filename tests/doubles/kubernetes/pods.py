"""The Pod, Deployment and Event objects of an InferenceService, which say what its conditions do not."""

from typing import Any

from .errors import ApiError
from .resources import DEPLOYMENTS, EVENTS, PODS
from .store import Object, Resource, Store
from .workload import Trouble, Workload

ISVC_LABEL = "serving.kserve.io/inferenceservice"


def write_pods(store: Store, namespace: str, service: str, workloads: list[Workload]) -> None:
    """Makes one Pod for each workload that gets one, and tells of trouble as an Event."""
    pods = [_pod(one, service) for one in workloads if one.trouble is None or one.trouble.reason != "FailedCreate"]
    _write(store, PODS, namespace, service, pods)
    for one in workloads:
        if one.trouble:
            _tell(store, namespace, one, one.trouble)


def write_deployments(store: Store, namespace: str, service: str, deployments: list[Object]) -> None:
    """Makes the Deployment objects of an InferenceService what they are to be."""
    _write(store, DEPLOYMENTS, namespace, service, deployments)


def _write(store: Store, resource: Resource, namespace: str, service: str, wanted: list[Object]) -> None:
    """Adds, changes and removes an InferenceService's objects of a kind, until they are the ones that are wanted."""
    mine = [item for item in store.list(resource, namespace) if item["metadata"]["labels"].get(ISVC_LABEL) == service]
    existing = {item["metadata"]["name"]: item for item in mine}
    for name in existing.keys() - {item["metadata"]["name"] for item in wanted}:
        store.delete(resource, namespace, name)
    for item in wanted:
        old = existing.get(item["metadata"]["name"])
        if old is None:
            store.create(resource, namespace, item)
            continue
        if old["spec"] != item["spec"]:
            store.replace(resource, namespace, old | {"spec": item["spec"]})
        if old["status"] != item["status"]:
            store.replace(resource, namespace, item, status=True)


def _pod(workload: Workload, service: str) -> Object:
    labels = workload.template["labels"] | {
        ISVC_LABEL: service,
        "component": "predictor",
        "app": f"isvc.{workload.name}",
        "serving.knative.dev/revision": workload.name,
    }
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
    metadata = {"name": workload.pod, "labels": labels, "annotations": workload.template["annotations"]}
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
    name = f"{workload.pod}.{trouble.reason.lower()}"
    reason = {"ImagePullBackOff": "Failed", "CrashLoopBackOff": "BackOff"}.get(trouble.reason, trouble.reason)
    involved = {"kind": "Pod", "namespace": namespace, "name": workload.pod}
    event = {"metadata": {"name": name}, "involvedObject": involved, "reason": reason, "message": trouble.message, "type": "Warning"}
    try:
        store.get(EVENTS, namespace, name)
    except ApiError:
        store.create(EVENTS, namespace, event)
