"""The Kubernetes API as KServe's destination uses it: every call ends, and every failure is one line."""

from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from penstock.components.release.kubernetes import Api, ClusterError, NotFound, Refused, status_of

from .seen import AUTOSCALER, DEPLOYMENT, ROUTE, Seen
from .spec import inference_service, mode_of

GROUP, API_VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
_PLACES = {
    DEPLOYMENT: ("apps", "v1", "deployments"),
    ROUTE: ("gateway.networking.k8s.io", "v1", "httproutes"),
    AUTOSCALER: ("autoscaling", "v2", "horizontalpodautoscalers"),
}


@dataclass(frozen=True)
class Reply:
    """An answer to a request.

    Attributes:
        code: Its HTTP status.
        content: Its body: what its JSON says, or its text.
    """

    code: int
    content: Any


class Cluster(Api):
    """One InferenceService and what belongs to it, in the cluster that the environment names."""

    def __init__(self, namespace: str, name: str, call_timeout: float) -> None:
        self.namespace, self.name = namespace, name
        super().__init__(call_timeout)
        self._objects = client.CustomObjectsApi(self.client)
        self._core = client.CoreV1Api(self.client)
        self.leases = client.CoordinationV1Api(self.client)

    def read(self) -> dict[str, Any] | None:
        """Returns the InferenceService, or None if it does not exist.

        Raises:
            Refused: Also if the namespace does not exist, or KServe is not installed.
        """
        try:
            return self.call(self._objects.get_namespaced_custom_object, GROUP, API_VERSION, self.namespace, PLURAL, self.name)
        except NotFound as missing:
            if not missing.is_object:
                raise Refused(f"this cluster has no {PLURAL}.{GROUP}: install KServe, or name another cluster (KUBECONFIG)") from missing
            self._check_namespace()
            return None

    def create(self, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Creates the InferenceService."""
        create = self._objects.create_namespaced_custom_object
        return self.call(create, GROUP, API_VERSION, self.namespace, PLURAL, body, field_validation="Strict", **options)

    def default_mode(self) -> str:
        """Returns the mode in which KServe deploys an InferenceService that names none.

        Its ConfigMap is for few to read. But its webhook writes `Standard` into such an object, and nothing if the default is Knative
        (DefaultInferenceService in inference_service_defaults.go), and a dry run gives that back and keeps nothing.
        """
        body = inference_service(self.namespace, self.name, "", {"containers": [{"name": "kserve-container", "image": "none"}]})
        return mode_of(self.create(body, dry_run="All"))

    def replace(self, body: dict[str, Any]) -> dict[str, Any]:
        """Replaces the InferenceService by its changed copy, unless it has changed since it was read."""
        return self.call(
            self._objects.replace_namespaced_custom_object,
            GROUP,
            API_VERSION,
            self.namespace,
            PLURAL,
            self.name,
            body,
            field_validation="Strict",
        )

    def delete(self, service: dict[str, Any]) -> None:
        """Deletes the InferenceService, unless it has changed since it was read."""
        read = service["metadata"]
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=read["uid"], resource_version=read["resourceVersion"]))
        try:
            self.call(self._objects.delete_namespaced_custom_object, GROUP, API_VERSION, self.namespace, PLURAL, self.name, body=options)
        except NotFound:  # the client has repeated the request
            return

    def pods(self, selector: str) -> list[Any]:
        """Returns the pods that a label selector finds."""
        return self.call(self._core.list_namespaced_pod, self.namespace, label_selector=selector).items

    def see(self, service: dict[str, Any]) -> Seen:
        """Returns an InferenceService as it was read, and a way to what belongs to it."""
        return Seen(service, self._find)

    def _find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Returns an object, or None if it does not exist or this cluster has no such kind."""
        group, version, plural = _PLACES[kind]
        try:
            return self.call(self._objects.get_namespaced_custom_object, group, version, self.namespace, plural, name)
        except NotFound:
            return None

    def find_all(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Returns the namespace's objects of a kind that a label selector finds; none where this cluster has no such kind."""
        group, version, plural = _PLACES[kind]
        try:
            listing = self._objects.list_namespaced_custom_object
            return self.call(listing, group, version, self.namespace, plural, label_selector=selector)["items"]
        except NotFound:
            return []

    def remove(self, kind: str, item: dict[str, Any]) -> None:
        """Deletes an object, unless it has become another one since it was read."""
        group, version, plural = _PLACES[kind]
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=item["metadata"]["uid"]))
        name, deletion = item["metadata"]["name"], self._objects.delete_namespaced_custom_object
        try:
            self.call(deletion, group, version, self.namespace, plural, name, body=options)
        except NotFound:
            return

    def complaints(self, uid: str) -> list[Any]:
        """Returns the Events of type Warning about the InferenceService of this UID."""
        about = f"involvedObject.uid={uid},type=Warning"
        return self.call(self._core.list_namespaced_event, self.namespace, field_selector=about).items

    def request_service(self, service: str, method: str, path: str, body: Any) -> Reply:
        """Sends a request to a Service by way of the API server; an error of who answers there is an answer.

        Raises:
            ClusterError: The API server itself refuses, or gives no answer.
        """
        headers = {"Content-Type": "application/json", "Accept": "*/*"}
        url = f"{self.proxy_path(service)}{path}"
        try:
            answer = self.call(
                self.client.call_api,
                url,
                method,
                body=body,
                header_params=headers,
                auth_settings=["BearerToken"],
                response_types_map={200: "object"},
                _return_http_data_only=True,
            )
        except ClusterError as failure:
            error = failure.__cause__
            if isinstance(error, ApiException) and error.status and status_of(error).get("kind") != "Status":
                return Reply(error.status, error.body or "")
            raise
        return Reply(200, answer)

    def proxy_path(self, service: str) -> str:
        """Returns where the API server passes requests on to a Service."""
        return f"/api/v1/namespaces/{self.namespace}/services/{service}:80/proxy"

    def as_json(self, thing: Any) -> dict[str, Any]:
        """Returns an object of the client as the API has it."""
        return self.client.sanitize_for_serialization(thing)

    def _check_namespace(self) -> None:
        try:
            self.call(self._core.read_namespace, self.namespace)
        except NotFound as missing:
            raise Refused(f"namespace {self.namespace!r} does not exist in this cluster; create it, or name another one") from missing
        except Refused:  # not everybody may read namespaces
            return
