"""KServe's controller: it sees what an InferenceService asks for, makes the pods, and writes the status.

Both modes keep what surprises in the real one:
- Labels and annotations of an InferenceService are part of the pod template: a change makes a new revision (Knative), or
  has the pods replaced (Standard). `observedGeneration` is the generation of what the controller made from the InferenceService (the
  Knative service, the stable Deployment), not of the InferenceService.
- Ready may be as it was for a while after a change, and True although the newest revision does not run.
- What is wrong before anything is made (a storage that KServe does not know, Knative that is missing) is reported by an Event only.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3

from ...apiserver.api import ApiError
from ..models import ModelServers
from . import conditions, knative, standard, webhook
from .pods import delete_owned, tell, write_autoscalers, write_deployments, write_pods, write_routes
from .resources import INFERENCE_SERVICES
from .store import Cache, Object, now
from .workload import Behavior, Storage, Workload, behavior_of

_log = logging.getLogger(__name__)
Backends = list[tuple[Workload, int]]
# How long at least and at most until the next look: the sooner, the more of a core it takes from everybody else.
_SOONEST_SECONDS, _LATEST_SECONDS = 0.02, 0.1
_STORAGES = ("gs://", "s3://", "pvc://", "file://", "https://", "http://", "hdfs://", "webhdfs://", "oci://", "oci+native://", "hf://")
_NO_STORAGE = "StorageURI not supported: storageUri, must be one of: [" + ", ".join(_STORAGES) + "] storageUri [{}] is not supported."
_NO_KNATIVE = "It is not possible to use Knative deployment mode when Knative Services are not available"
FINALIZER = "inferenceservice.finalizers"
# Answers to invalid requests. All others (a conflict, a busy API, a namespace that ends) are not the caller's fault.
_WRONG = (400, 405, 415, 422)
_OVERTAKEN = (404, 409)
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
        hosts: The pods behind each name that the ingress knows, with their shares of the traffic in percent.
        services: The pods behind each Service that has endpoints.
        is_gated: Whether the names of `hosts` are Services as well, which lead to the gateway inside of the cluster: Knative's placeholders
            (reconcilePlaceholderServices in knative/serving's reconcile_resources.go), for each tag too.
        has_one_label: Whether hosts are NAME-NAMESPACE.DOMAIN, as of KServe's HTTPRoutes, and not NAME.NAMESPACE.DOMAIN, as of Knative's.
        progress_deadline: After how many seconds a Deployment that does not get ready has failed.
        owner: How what is made for it names it as its owner.
        since: When the controller first saw it.
        event: The message of its last Event, when the next is due, and the seconds between them.
    """

    def __init__(self, item: Object, controller: "Controller") -> None:
        self.name = item["metadata"]["name"]
        self.namespace = item["metadata"]["namespace"]
        self.uid = item["metadata"]["uid"]
        self.generation = 0
        self.changed_at = 0.0
        self.hosts: dict[str, Backends] = {}
        self.services: dict[str, Backends] = {}
        self.owner, self.since = _owner(item), now()
        self.is_gated = self.has_one_label = False
        self._routes: list[tuple[float, dict[str, Backends]]] = []
        self.progress_deadline = controller.progress_deadline
        self.event: tuple[str, float, float] = ("", 0.0, 0.0)
        self.knative = knative.Revisions()
        self.standard = standard.Deployments()
        self._controller = controller

    @property
    def splits_traffic(self) -> bool:
        """Whether KServe is later than 0.20.0."""
        return self._controller.kserve != "0.20.0"

    @property
    def autoscaler_seconds(self) -> float:
        """How often the autoscalers look."""
        return self._controller.autoscaler_seconds

    def url(self, name: str) -> str:
        """Returns the URL of a name from outside: by path, as KServe's `pathTemplate` makes them, or by host, if there is a domain."""
        if domain := self._controller.domain:
            return f"http://{name}{'-' if self.has_one_label else '.'}{self.namespace}.{domain}"
        return f"{self._controller.base_url}/serving/{self.namespace}/{name}"

    def cluster_url(self, name: str) -> str:
        """Returns the URL of a name inside the cluster."""
        return f"http://{name}.{self.namespace}.svc.cluster.local"

    def tell_gateway(self, lag: float) -> None:
        """Has the gateway follow what `hosts` says now, some seconds later: it and its configuration follow the status."""
        if not self._routes or self._routes[-1][1] != self.hosts:
            self._routes.append((time.monotonic() + lag, dict(self.hosts)))

    @property
    def routes(self) -> dict[str, Backends]:
        """What the gateway has followed so far."""
        return next((hosts for since, hosts in reversed(self._routes) if since <= time.monotonic()), {})

    def start(self, name: str, template: dict[str, Any]) -> Workload:
        """Starts the pods of a template."""
        behavior = self._controller.behavior(name, template["predictor"])
        return Workload(name, template, self.name, behavior, self._controller.storage, self._controller.servers)


class Controller:
    """Looks at every InferenceService again and again, in a thread of its own.

    Attributes:
        namespace: Where; empty: everywhere.
        behaviors: How pods behave, by model.
        storage: Where their models come from.
        default_mode: KServe's deployment mode for InferenceServices that name none.
        base_url: Where services are reached.
        progress_deadline: A Deployment's `progressDeadlineSeconds`.
        domain: The domain of the ingress; empty: URLs name services by path.
        kserve: The version of KServe: `0.20.0`, or a later one, which has weights for canaries in its routes.
        has_knative: Whether Knative is installed.
        unsupported: What storage URIs begin with that this KServe does not know, besides those that none knows.
        autoscaler_seconds: How often HorizontalPodAutoscalers look; 15 in a real cluster.
        lag: By how many seconds the gateway follows a change.
        fault: What this double itself has done wrong first; None if nothing.
    """

    def __init__(self, store: Cache, namespace: str, servers: ModelServers, storage: Storage, domain: str) -> None:
        self.store = store
        self.namespace = namespace
        self.servers = servers
        self.storage = storage
        self.default_mode = webhook.KNATIVE
        self.domain = domain
        self.behaviors: list[Behavior] = []
        self.base_url = ""
        self.progress_deadline = 600.0
        self.kserve = "0.21.0"
        self.has_knative = True
        self.unsupported: tuple[str, ...] = ()
        self.autoscaler_seconds = 0.2
        self.lag = 0.0
        self.fault: Exception | None = None
        self._failed: dict[str, str] = {}
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

    def routed(self, namespace: str, name: str) -> Backends | None:
        """Returns the pods behind a name of the gateway; None if it knows none."""
        return next((one.routes[name] for one in self._of(namespace) if name in one.routes), None)

    def routed_host(self, host: str) -> Backends | None:
        """Returns the pods behind a host of the gateway; None if it knows none."""
        everything = [(one.url(name), backends) for one in list(self._services.values()) for name, backends in one.routes.items()]
        return next((backends for url, backends in everything if url == f"http://{host}"), None)

    def endpoints(self, namespace: str, name: str) -> Backends | None:
        """Returns the pods behind a Service; None if it has no endpoints of its own."""
        return next((one.services[name] for one in self._of(namespace) if name in one.services), None)

    def resolved(self, namespace: str, name: str) -> Backends | None:
        """Returns the pods that a Service's name leads to inside of the cluster, by way of the gateway where it stands for that."""
        gated = (one.routes[name] for one in self._of(namespace) if one.is_gated and name in one.routes)
        return next(gated, self.endpoints(namespace, name))

    def _of(self, namespace: str) -> list[Service]:
        return [one for one in list(self._services.values()) if one.namespace == namespace]

    def workloads(self) -> list[Workload]:
        """Returns all pods that there are."""
        return [one for service in list(self._services.values()) for one in [*service.knative.workloads, *service.standard.workloads]]

    def _run(self) -> None:
        while not self._stopping.wait(_SOONEST_SECONDS):
            self.store.await_change(_LATEST_SECONDS - _SOONEST_SECONDS)
            with self._trying("all"):
                self._look()

    def _look(self) -> None:
        items = self.store.list(INFERENCE_SERVICES, self.namespace)
        for item in items:
            with self._trying(item["metadata"]["uid"]):
                self._reconcile(item)
        alive = {item["metadata"]["uid"] for item in items}
        for key in [key for key, service in self._services.items() if service.uid not in alive]:
            with self._trying(self._services[key].uid):
                self._collect(key)

    @contextmanager
    def _trying(self, what: str) -> Iterator[None]:
        """Goes on after an error, as the real one does, which tries again; the log has each once, and who has done wrong is remembered."""
        try:
            yield
        except Exception as error:
            if self._failed.get(what) != repr(error):
                is_common = isinstance(error, ApiError) and error.code in _OVERTAKEN
                _log.log(logging.DEBUG if is_common else logging.WARNING, "the controller tries again", exc_info=error)
            self._failed[what] = repr(error)
            if _is_own_fault(error):
                self.fault = self.fault or error

    def _collect(self, key: tuple[str, str]) -> None:
        """Takes away what was made for an InferenceService that is gone."""
        uid = self._services[key].uid
        write_pods(self.store, *key, [])
        write_deployments(self.store, *key, [])
        delete_owned(self.store, key[0], uid)
        del self._services[key]

    def _reconcile(self, item: Object) -> None:
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if "deletionTimestamp" in metadata:
            self.store.replace(INFERENCE_SERVICES, key[0], item | {"metadata": metadata | {"finalizers": []}})
            return
        if FINALIZER not in metadata.get("finalizers", []):
            self.store.replace(INFERENCE_SERVICES, key[0], item | {"metadata": metadata | {"finalizers": [FINALIZER]}})
            return
        if key in self._services and self._services[key].uid != metadata["uid"]:
            self._collect(key)
        if key not in self._services:
            self._services[key] = Service(item, self)
        service = self._services[key]
        if self._is_stale(service, item):
            return
        mode = metadata.get("annotations", {}).get(webhook.MODE, self.default_mode)
        service.has_one_label, service.is_gated = mode == webhook.STANDARD, mode == webhook.KNATIVE
        status = self._status(service, item, mode)
        service.tell_gateway(self.lag)
        _keep_times(status, item.get("status", {}))
        write_deployments(self.store, *key, service.standard.objects(service))
        write_routes(self.store, key[0], service.standard.route_objects(service))
        write_autoscalers(self.store, key[0], service.standard.autoscaler_objects(service))
        write_pods(self.store, *key, service.knative.workloads + service.standard.workloads)
        if status != item.get("status"):  # which tells of what is there
            self.store.replace(INFERENCE_SERVICES, key[0], item | {"status": status}, status=True)

    def _status(self, service: Service, item: Object, mode: str) -> dict[str, Any]:
        """Makes what an InferenceService asks for, unless something keeps KServe from it; returns the new status."""
        before = item.get("status", {})
        unknown = {"conditions": before.get("conditions") or conditions.unknown()}
        if mode not in (webhook.STANDARD, webhook.KNATIVE):
            failed = conditions.condition("PredictorReady", "False", "ReconcileFailed", f"unsupported deployment mode for workload: {mode}")
            ingress = conditions.condition("IngressReady", "False", "Predictor ingress not created")
            return {"deploymentMode": webhook.STANDARD, "conditions": conditions.with_ready([failed, ingress])}
        if mode == webhook.KNATIVE and not self.has_knative:
            self._tell(service, "ServerlessModeRejected", _NO_KNATIVE, again=False)
            return before | unknown | {"deploymentMode": mode}
        if item["metadata"].get("annotations", {}).get(webhook.STOP) == "true":
            service.knative = knative.Revisions()
            return standard.stop(service, before) | {"deploymentMode": mode}
        canaries = [canary["predictor"] for canary in item["spec"].get("canary") or []]
        for place, predictor in [("", item["spec"]["predictor"]), *(("fails to build resources for canary: ", one) for one in canaries)]:
            uri = webhook.storage_uri(predictor)
            if uri and (not uri.startswith(_STORAGES) or uri.startswith(self.unsupported)):
                self._tell(service, "InternalError", place + _NO_STORAGE.format(uri), again=True)
                return before | unknown | {"deploymentMode": mode}
        reconcile = standard.reconcile if mode == webhook.STANDARD else knative.reconcile
        return reconcile(service, item, _template(item)) | {"deploymentMode": mode}

    def _tell(self, service: Service, reason: str, message: str, *, again: bool) -> None:
        """Tells of an InferenceService by an Event; again after twice the time, as often as it is tried again."""
        last, due, pause = service.event
        if last == message and (not again or time.monotonic() < due):
            return
        pause = pause * 2 if last == message else 0.005
        service.event = message, time.monotonic() + pause, pause
        involved = service.owner | {"namespace": service.namespace}
        involved = {key: value for key, value in involved.items() if isinstance(value, str)}
        digest = hashlib.sha256(message.encode()).hexdigest()[:16]
        tell(self.store, involved, f"{service.name}.{digest}", reason, message)

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


def _is_own_fault(error: Exception) -> bool:
    """Tells whether this double has done something wrong, and the API or the way to it has not refused it for another reason."""
    return error.code in _WRONG if isinstance(error, ApiError) else not isinstance(error, urllib3.exceptions.HTTPError)


def _owner(item: Object) -> dict[str, Any]:
    named = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"} | {
        key: item["metadata"][key] for key in ("name", "uid")
    }
    return named | {"controller": True, "blockOwnerDeletion": True}


def _template(item: Object) -> dict[str, Any]:
    """Returns what every pod of an InferenceService gets besides its predictor."""
    metadata = item["metadata"]
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key not in _NOT_PROPAGATED}
    return {"annotations": annotations, "labels": metadata.get("labels", {})}


def _keep_times(status: dict[str, Any], before: dict[str, Any]) -> None:
    """Dates the conditions whose status has changed, and leaves the date of the others."""
    known = {one["type"]: one for one in before.get("conditions", [])}
    for one in status["conditions"]:
        old = known.get(one["type"], {})
        one["lastTransitionTime"] = old["lastTransitionTime"] if old.get("status") == one["status"] else now()
