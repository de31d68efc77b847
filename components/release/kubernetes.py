"""The Kubernetes API as tasks call it: every call ends, and every failure is one line."""

import json
import os
from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from penstock.components.protocol.errors import TaskError

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


class NotFound(Refused):
    """The object does not exist.

    Attributes:
        is_object: Whether the object is what does not exist, and not its kind.
    """

    def __init__(self, message: str, *, is_object: bool) -> None:
        super().__init__(message)
        self.is_object = is_object


class Api:
    """Calls of the Kubernetes client to the cluster that `KUBECONFIG` names, else the one that this process runs in, else that of ~/.kube/config.

    Attributes:
        client: The client.
        in_cluster: Whether this process runs in the cluster, where the names of services can be resolved.
    """

    def __init__(self, call_timeout: float) -> None:
        """Connects.

        Args:
            call_timeout: After how many seconds a call has failed.

        Raises:
            TaskError: There is no cluster.
        """
        self._timeout = (min(CONNECT_SECONDS, call_timeout), call_timeout)
        self.client, self.in_cluster = _connect()

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()

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
            host = self.client.configuration.host
            raise OutcomeUnknown(
                f"the cluster at {host} does not answer ({_cause(error)}); check that it runs and can be reached from here"
            ) from error


def _connect() -> tuple[client.ApiClient, bool]:
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
    status = status_of(error)
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
    return OutcomeUnknown(f"the cluster failed ({error.status}): {message}; try again when it has recovered")


def status_of(error: ApiException) -> dict[str, Any]:
    """Returns the `Status` object of an answer; empty if it is not a `Status`, as for a path that the API server does not know."""
    try:
        status = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).split(": ", 1)[-1]
