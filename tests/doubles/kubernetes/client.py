"""The real clients, pointed at the double, with what its own tests ask again and again."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from kserve import KServeClient

from ...apiserver.server import ADMIN_TOKEN
from .double import KubernetesDouble
from .store import Object

_client = httpx.Client(trust_env=False, timeout=30)
ROWS = [{"distance": 100.0, "carrier": "AA", "month": 1}]


def isvc(stored: str = "first", annotations: dict[str, str] | None = None, **predictor: Any) -> Object:
    """Makes an InferenceService of one of the models."""
    spec = {"model": {"modelFormat": {"name": "tensorflow"}, "storageUri": f"gs://bucket/{stored}"}} | predictor
    metadata = {"name": "flights", "annotations": annotations or {}}
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": metadata, "spec": {"predictor": spec}}


def canary(model: str, name: str, percent: int, **predictor: Any) -> Object:
    """Makes an entry of `spec.canary`."""
    return {"trafficPercent": percent, "predictor": isvc(model)["spec"]["predictor"] | {"name": name} | predictor}


class Client:
    """KServe's client and Kubernetes', with an administrator's rights."""

    def __init__(self, cluster: KubernetesDouble) -> None:
        self.cluster, self.namespace = cluster, cluster.namespace
        self.kserve = KServeClient(config_dict=cluster.kubeconfig(ADMIN_TOKEN), persist_config=False)
        self.objects = self.kserve.api_instance
        self.core, self.apps = self.kserve.core_api, self.kserve.app_api
        self.place = ("serving.kserve.io", "v1beta1", self.namespace, "inferenceservices")

    def create(self, item: Object, **options: Any) -> Object:
        return self.objects.create_namespaced_custom_object(*self.place, item, **options)

    def get(self) -> Object:
        return self.objects.get_namespaced_custom_object(*self.place, "flights")

    def patch(self, spec: Object, **options: Any) -> Object:
        return self.objects.patch_namespaced_custom_object(*self.place, "flights", {"spec": spec}, **options)

    def replace(self, item: Object) -> Object:
        return self.objects.replace_namespaced_custom_object(*self.place, "flights", item)

    def pods(self, selector: str = "") -> list[Any]:
        return self.core.list_namespaced_pod(self.namespace, label_selector=selector).items

    def wait(self, holds: Callable[[Object], bool], seconds: float = 60) -> Object:
        """Waits until something holds of the InferenceService's status; returns the status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            item = self.cluster.isvc("flights")
            if item and item.get("status") and holds(item["status"]):
                return item["status"]
            time.sleep(0.02)
        raise AssertionError(item)

    def ready(self) -> Object:
        """Waits until Ready is True; returns the status."""
        return self.wait(lambda status: is_ready(status) == "True")

    def revision_ready(self, number: int) -> Object:
        """Waits until a revision is the latest ready one; returns the status."""
        name = f"flights-predictor-{number:05d}"
        return self.wait(lambda status: status["components"]["predictor"].get("latestReadyRevision") == name)


def is_ready(status: Object) -> str:
    """Returns the status of the condition Ready."""
    return find(status, "Ready")["status"]


def find(status: Object, kind: str) -> Object:
    """Returns a condition."""
    return next(one for one in status["conditions"] if one["type"] == kind)


def ask(url: str) -> httpx.Response:
    """Asks for a prediction."""
    return _client.post(f"{url}/v1/models/flights:predict", json={"instances": ROWS})


def answers(url: str, count: int = 1) -> list[float]:
    """Asks for predictions, and returns their first three digits."""
    return [round(ask(url).json()["predictions"][0][0], 3) for _ in range(count)]
