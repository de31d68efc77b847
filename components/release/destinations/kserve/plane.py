"""Who asks an InferenceService, and from where.

| asked from | what clients get | one version by itself |
| --- | --- | --- |
| anywhere, with `gateway=` | the gateway, with the host of `status.url` | mode knative: the gateway, with the host of its tag; else as below |
| the cluster | the Service in `status.address.url` | mode standard: its Service; mode knative: the Service of its tag |
| outside of it | `services/proxy` of the Service of what serves | `services/proxy` of its Service, in mode knative of its revision's pods |

The external URL is used only with the gateway, because KServe's default domain, example.com, does not resolve. In mode standard a Service
reaches one version, so that shares of the traffic are seen at the gateway only; in mode knative the cluster's own names lead to a gateway as
well.
"""

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import retry, retry_if_exception_type, retry_if_result, stop_after_delay, wait_exponential

from penstock.components.release.kubernetes import ClusterError

from ...http_client import make_client
from ..destination import StepFailed, curl
from .api import Cluster, Reply

# For how long a request without an answer is repeated.
PATIENCE_SECONDS = 10.0
_NOT_YET = (404, 502, 503)


@dataclass(frozen=True)
class Address:
    """Where something answers.

    Attributes:
        service: Its Service.
        domain: What follows its name and namespace in the cluster.
        route: Its URL at the gateway; empty: it has none there.
        revision: The Knative revision behind it.
    """

    service: str
    domain: str
    route: str = ""
    revision: str = ""

    @property
    def proxied(self) -> str:
        """The Service by which the API server reaches it.

        In mode knative it is the one of the revision's pods. That of a tag has no endpoints; those of the revision's own Service may be the
        activator's, and the API server sends nothing to pods of another namespace (`isValidAddress` in Kubernetes' service/storage/storage.go).
        """
        return _service_of_pods(self.revision) if self.revision else self.service


def cluster_domain(service: dict[str, Any]) -> str:
    """Returns the domain of the cluster's Services, as KServe has it: svc.cluster.local, unless the cluster has another one."""
    host = urlsplit(service.get("status", {}).get("address", {}).get("url", "")).netloc
    return host.partition(f".{service['metadata']['namespace']}.")[2] or "svc.cluster.local"


class DataPlane:
    """Sends requests to where an InferenceService answers. Each takes a connection of its own: on one that stays open, one replica of a
    gateway answers for all of them.
    """

    def __init__(self, cluster: Cluster, gateway: str, call_timeout: float) -> None:
        self._cluster, self._gateway = cluster, gateway.rstrip("/")
        self._http = make_client(gateway, timeout=call_timeout, limits=httpx.Limits(max_keepalive_connections=0))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def sees_shares(self, address: Address) -> bool:
        """Tells whether who asks here is one of the clients between whom the traffic is split."""
        return bool(self._gateway) or (self._cluster.in_cluster and bool(address.revision))

    def ask(self, address: Address, method: str, path: str, body: Any = None) -> Reply:
        """Sends a request, again for some seconds if nothing answers; returns an answer that is not an error.

        Raises:
            StepFailed: Nothing answers, or with an error.
        """
        reply = _patiently(lambda: self.send(address, method, path, body))
        if reply.code >= 400:
            raise StepFailed(f"{self.where(address)}{path} answered {reply.code}: {str(reply.content)[:300]}")
        return reply

    def send(self, address: Address, method: str, path: str, body: Any = None) -> Reply:
        """Sends a request once.

        Raises:
            NotReached: Nothing answers.
        """
        try:
            if not self._by_api(address):
                url, headers = self._target(address)
                response = self._http.request(method, f"{url}{path}", json=body, headers=headers)
                return Reply(response.status_code, _content(response))
            return self._cluster.request_service(address.proxied, method, path, body)
        except (httpx.HTTPError, ClusterError) as error:
            raise NotReached(f"{self.where(address)}{path} does not answer ({error}){self._advice(address, str(error))}") from error

    def command(self, address: Address, path: str, body: str) -> str:
        """Returns the command by which the user sends a request: from wherever the gateway is reached, else from wherever `kubectl` is set up."""
        if self._by_gateway(address):
            url, headers = self._target(address)
            return curl(f"{url}{path}", body, *(f"{key}: {value}" for key, value in headers.items()))
        proxy = f"{self._cluster.proxy_path(address.proxied)}{path}"
        return f"printf %s {shlex.quote(body)} | {shlex.join(['kubectl', 'create', '--raw', proxy, '-f', '-'])}"

    def where(self, address: Address) -> str:
        """Returns where a request to an address goes, for messages."""
        if self._by_api(address):
            return f"services/{address.proxied}/proxy"
        url, headers = self._target(address)
        return f"{url} (Host: {headers['Host']})" if headers else url

    def _by_gateway(self, address: Address) -> bool:
        return bool(self._gateway and address.route)

    def _by_api(self, address: Address) -> bool:
        return not self._cluster.in_cluster and not self._by_gateway(address)

    def _target(self, address: Address) -> tuple[str, dict[str, str]]:
        """Returns the URL to send to, without the path, and the headers for it."""
        if self._by_gateway(address):
            route = urlsplit(address.route)
            return f"{self._gateway}{route.path.rstrip('/')}", {"Host": route.netloc}
        return f"http://{address.service}.{self._cluster.namespace}.{address.domain}", {}

    def _advice(self, address: Address, error: str) -> str:
        if self._by_gateway(address):
            return "; check the destination option gateway, which must be the URL of the ingress gateway"
        if address.revision and "no endpoints available" in error:
            return "; no pod of this version runs, and the API server cannot start one: set the destination option gateway, or min_replicas to 1"
        return ""


def _service_of_pods(revision: str) -> str:
    """Returns the name of the Service of a Knative revision's pods, as `ChildName` in knative.dev/pkg's kmeta/names.go shortens it."""
    suffix, longest, digest = "-private", 63, 32
    if len(revision) + len(suffix) <= longest:
        return f"{revision}{suffix}"
    return f"{revision[: longest - digest - len(suffix)]}{hashlib.md5(revision.encode(), usedforsecurity=False).hexdigest()}{suffix}"


def _content(response: httpx.Response) -> Any:
    is_json = "json" in response.headers.get("Content-Type", "")
    try:
        return response.json() if is_json else response.text
    except ValueError:
        return response.text


class NotReached(StepFailed):
    """Nothing answered a request."""


def _patiently(send: Callable[[], Reply]) -> Reply:
    """Repeats a request that nothing has answered, and returns or raises what came last: endpoints and routes follow a moment after the status."""
    reply: Reply = retry(
        retry=retry_if_exception_type(NotReached) | retry_if_result(lambda reply: reply.code in _NOT_YET),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential(multiplier=0.2, max=2),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )(send)()
    return reply
