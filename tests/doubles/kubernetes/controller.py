"""KServe's controller: it sees what an InferenceService asks for, makes the pods, and writes the status (KServe 0.20/0.21).

Both modes keep what surprises in the real one:
- Labels and annotations of an InferenceService are part of the pod template: whoever changes one makes a new revision (Knative), or
  has the pods replaced (Standard). `observedGeneration` is the generation of what the controller made from the InferenceService (the
  Knative service, the stable Deployment), not of the InferenceService.
- Ready may be as it was for a while after a change, and True although the newest revision does not run.
"""

import threading
import time
from typing import Any

from ..models import ModelServers
from . import knative, standard, webhook
from .errors import ApiError
from .pods import write_deployments, write_pods
from .resources import INFERENCE_SERVICES
from .store import Object, Store, now
from .workload import Behavior, Storage, Workload, behavior_of

Backends = list[tuple[Workload, int]]
TICK_SECONDS = 0.02
_NOT_PROPAGATED = {
    "autoscaling.knative.dev/min-scale",
    "autoscaling.knative.dev/max-scale",
    "internal.serving.kserve.io/storage-initializer-sourceuri",
    "kubectl.kubernetes.io/last-applied-configuration",
    "modelFormat",
}


class Service:
    """What the controller has made for one InferenceService.

    Attributes:
        generation: The generation of the InferenceService that the controller has seen.
        hosts: The pods behind each host that the ingress knows, with their shares of the traffic in percent.
        services: The pods behind each service name inside the cluster.
        progress_deadline: After how many seconds a Deployment that does not get ready has failed.
    """

    def __init__(self, item: Object, controller: "Controller") -> None:
        self.name = item["metadata"]["name"]
        self.namespace = item["metadata"]["namespace"]
        self.uid = item["metadata"]["uid"]
        self.generation = 0
        self.changed_at = 0.0
        self.hosts: dict[str, Backends] = {}
        self.services: dict[str, Backends] = {}
        self.progress_deadline = controller.progress_deadline
        self.knative = knative.Revisions()
        self.standard = standard.Deployments()
        self._controller = controller

    def url(self, name: str) -> str:
        """Returns the URL of a name from outside: by path, as KServe's `pathTemplate` makes them, or by host, if there is a domain."""
        if domain := self._controller.domain:
            return f"http://{name}.{self.namespace}.{domain}"
        return f"{self._controller.base_url}/serving/{self.namespace}/{name}"

    def cluster_url(self, name: str) -> str:
        """Returns the URL of a name inside the cluster."""
        return f"http://{name}.{self.namespace}.svc.cluster.local"

    def start(self, name: str, template: dict[str, Any]) -> Workload:
        """Starts the pods of a template."""
        behavior = self._controller.behavior(name, template["predictor"])
        return Workload(name, template, self.name, behavior, self._controller.storage, self._controller.servers)


class Controller:
    """Looks at every InferenceService again and again, in a thread of its own.

    Attributes:
        behaviors: How pods behave, by model.
        storage: Where their models come from.
        base_url: Where services are reached.
        progress_deadline: A Deployment's `progressDeadlineSeconds`.
        domain: The domain of the ingress; empty: URLs name services by path.
    """

    def __init__(self, store: Store, servers: ModelServers, storage: Storage, default_mode: str, domain: str) -> None:
        self.store = store
        self.servers = servers
        self.storage = storage
        self.default_mode = default_mode
        self.domain = domain
        self.behaviors: list[Behavior] = []
        self.base_url = ""
        self.progress_deadline = 600.0
        self._services: dict[tuple[str, str], Service] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Starts to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stops; what runs goes on running."""
        self._stopping.set()
        self._thread.join()

    def behavior(self, name: str, predictor: dict[str, Any]) -> Behavior:
        """Returns how the pods of a predictor behave."""
        return behavior_of(self.behaviors, name, predictor)

    def backends(self, namespace: str, name: str, *, in_cluster: bool) -> Backends | None:
        """Returns the pods behind a host of the ingress, or behind a service inside the cluster; None if there is no such one."""
        mine = [one for one in list(self._services.values()) if one.namespace == namespace]
        tables = [one.services if in_cluster else one.hosts for one in mine]
        return next((table[name] for table in tables if name in table), None)

    def workloads(self) -> list[Workload]:
        """Returns all pods that there are."""
        return [one for service in list(self._services.values()) for one in [*service.knative.workloads, *service.standard.workloads]]

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            items = self.store.list(INFERENCE_SERVICES)
            for item in items:
                try:
                    self._reconcile(item)
                except ApiError as error:
                    if error.code not in (404, 409):  # somebody was faster: look again, as the real one does
                        raise
            alive = {item["metadata"]["uid"] for item in items}
            for key in [key for key, service in self._services.items() if service.uid not in alive]:
                service = self._services.pop(key)
                write_pods(self.store, service.namespace, service.name, [])
                write_deployments(self.store, service.namespace, service.name, [])

    def _reconcile(self, item: Object) -> None:
        metadata = item["metadata"]
        if "deletionTimestamp" in metadata:
            self.store.delete(INFERENCE_SERVICES, metadata["namespace"], metadata["name"])
            return
        key = (metadata["namespace"], metadata["name"])
        service = self._services.get(key)
        if service is None or service.uid != metadata["uid"]:
            service = self._services[key] = Service(item, self)
        if self._is_stale(service, item):
            return
        mode = metadata.get("annotations", {}).get(webhook.MODE, self.default_mode)
        template = _template(item)
        reconcile = standard.reconcile if mode == webhook.STANDARD else knative.reconcile
        status = reconcile(service, item, template) | {"deploymentMode": mode}
        _keep_times(status, item.get("status", {}))
        if status != item.get("status"):
            self.store.replace(INFERENCE_SERVICES, key[0], item | {"status": status}, status=True)
        write_pods(self.store, *key, service.knative.workloads + service.standard.workloads)
        write_deployments(self.store, *key, service.standard.objects(service))

    def _is_stale(self, service: Service, item: Object) -> bool:
        """Tells whether a change has not been seen yet."""
        if item["metadata"]["generation"] == service.generation:
            return False
        predictors = [item["spec"]["predictor"], *(canary["predictor"] for canary in item["spec"].get("canary") or [])]
        wait = max(self.behavior(service.name, predictor).stale_for for predictor in predictors) if service.generation else 0.0
        service.changed_at = service.changed_at or time.monotonic()
        if time.monotonic() < service.changed_at + wait:
            return True
        service.generation, service.changed_at = item["metadata"]["generation"], 0.0
        return False


def _template(item: Object) -> dict[str, Any]:
    """Returns what every pod of an InferenceService gets besides its predictor."""
    metadata = item["metadata"]
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key not in _NOT_PROPAGATED}
    return {"annotations": annotations, "labels": metadata.get("labels", {})}


def _keep_times(status: dict[str, Any], before: dict[str, Any]) -> None:
    """Dates the conditions whose status has changed, and leaves the date of the others."""
    known = {condition["type"]: condition for condition in before.get("conditions", [])}
    for condition in status["conditions"]:
        old = known.get(condition["type"], {})
        condition["lastTransitionTime"] = old["lastTransitionTime"] if old.get("status") == condition["status"] else now()
