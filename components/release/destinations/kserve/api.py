"""The Kubernetes API as KServe's destination uses it: every call ends, and every failure is one line."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from penstock.components.protocol import TaskError

from .seen import AUTOSCALER, DEPLOYMENT, ROUTE, Seen
from .spec import inference_service, mode_of

GROUP, API_VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
_PLACES = {
    DEPLOYMENT: ("apps", "v1", "deployments"),
    ROUTE: ("gateway.networking.k8s.io", "v1", "httproutes"),
    AUTOSCALER: ("autoscaling", "v2", "horizontalpodautoscalers"),
}
CONNECT_SECONDS = 5.0
# Repeated by the client itself: a write that succeeded nevertheless is then rejected as a conflict, so nothing changes twice.
_RETRIES = urllib3.Retry(
    total=4, read=1, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None, raise_on_status=False
)


class ClusterError(Exception):
    """The Kubernetes API did not do what it was asked."""


class Refused(ClusterError):
    """The API refused the request: nothing was changed."""


class Conflict(ClusterError):
    """Another client has changed the object since it was read, or has made it."""


class OutcomeUnknown(ClusterError):
    """The cluster did not answer or failed, so it is unknown whether the change was made."""


@dataclass(frozen=True)
class Reply:
    """An answer to a request.

    Attributes:
        code: Its HTTP status.
        content: Its body: what its JSON says, or its text.
    """

    code: int
    content: Any


class Cluster:
    """One InferenceService and what belongs to it, in the cluster that the environment names.

    Attributes:
        in_cluster: Whether this process runs in the cluster, where the names of services can be resolved.
    """

    def __init__(self, namespace: str, name: str, call_timeout: float) -> None:
        self.namespace, self.name = namespace, name
        self._timeout = (min(CONNECT_SECONDS, call_timeout), call_timeout)
        self._client, self.in_cluster = _connect()
        self._objects = client.CustomObjectsApi(self._client)
        self._core = client.CoreV1Api(self._client)
        self.leases = client.CoordinationV1Api(self._client)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

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
                self._client.call_api,
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
            if isinstance(error, ApiException) and error.status and _status(error).get("kind") != "Status":
                return Reply(error.status, error.body or "")
            raise
        return Reply(200, answer)

    def proxy_path(self, service: str) -> str:
        """Returns where the API server passes requests on to a Service."""
        return f"/api/v1/namespaces/{self.namespace}/services/{service}:80/proxy"

    def as_json(self, thing: Any) -> dict[str, Any]:
        """Returns an object of the client as the API has it."""
        return self._client.sanitize_for_serialization(thing)

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Calls a function of the Kubernetes client.

        Raises:
            ClusterError: It failed; the message is one line that says what to do.
        """
        try:
            return function(*arguments, **{"_request_timeout": self._timeout} | options)
        except ApiException as error:
            raise _explain(error) from error
        except urllib3.exceptions.HTTPError as error:
            host = self._client.configuration.host
            raise OutcomeUnknown(
                f"the cluster at {host} does not answer ({_cause(error)}); check that it runs and can be reached from here"
            ) from error

    def _check_namespace(self) -> None:
        try:
            self.call(self._core.read_namespace, self.namespace)
        except NotFound as missing:
            raise Refused(f"namespace {self.namespace!r} does not exist in this cluster; create it, or name another one") from missing
        except Refused:  # not everybody may read namespaces
            return


class NotFound(Refused):
    """The object does not exist.

    Attributes:
        is_object: Whether the object is what does not exist, and not its kind.
    """

    def __init__(self, message: str, *, is_object: bool) -> None:
        super().__init__(message)
        self.is_object = is_object


def _connect() -> tuple[client.ApiClient, bool]:
    """Returns a client of the cluster that KUBECONFIG names, else of the one that this process runs in, else of ~/.kube/config."""
    file = os.environ.get("KUBECONFIG")
    in_cluster = not file and "KUBERNETES_SERVICE_HOST" in os.environ
    configuration = client.Configuration()
    try:
        if in_cluster:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(config_file=file or None, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise TaskError(f"cannot find a cluster ({error}); set KUBECONFIG to a kubeconfig, or run in the cluster") from error
    configuration.retries = _RETRIES
    return client.ApiClient(configuration), in_cluster


def _explain(error: ApiException) -> ClusterError:
    status = _status(error)
    message = " ".join(str(status.get("message") or status.get("error") or error.reason or "no reason given").split())
    if error.status == 401:
        return Refused("the cluster rejects the credentials (401 Unauthorized): the token is invalid or expired; log in again")
    if error.status == 404:
        if message.startswith("namespaces "):
            return NotFound(f"{message}: create the namespace, or name another one", is_object=True)
        return NotFound(message, is_object="kind" in status)
    if error.status == 409:
        return Conflict(message)
    if error.status == 403 and "denied the request" not in message and "exceeded quota" not in message:
        return Refused(f"the cluster does not allow this (403 Forbidden): {message}; have the permission granted")
    if error.status is not None and 400 <= error.status < 500 and error.status != 429:
        return Refused(f"the cluster rejects the request ({error.status}): {message}")
    return OutcomeUnknown(f"the cluster failed ({error.status}): {message}; push again when it has recovered")


def _status(error: ApiException) -> dict[str, Any]:
    """Returns the `Status` object of an answer; empty if it is not a `Status`, as for a path that the API server does not know."""
    try:
        status = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).split(": ", 1)[-1]
