"""What answers behind the URLs of InferenceServices: it picks pods by their shares of the traffic and asks their model server."""

import re
import threading
import time
from collections import defaultdict

import httpx

from ..models import without_counters
from .answer import Answer, Request
from .controller import Backends, Controller
from .workload import Workload

_SERVICE = re.compile(r"(?P<name>[^.]+)\.(?P<namespace>[^.]+)\.svc(\.cluster\.local)?(:80)?")
_PATH = re.compile(r"/serving/(?P<namespace>[^/]+)/(?P<name>[^/]+)(?P<rest>/.*)?")
_REQUESTS = "penstock_requests_total"


class Front:
    """The ingress."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._client = httpx.Client(trust_env=False, verify=False, timeout=120)
        self._lock = threading.Lock()
        self._credits: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def takes(self, request: Request) -> bool:
        """Tells whether a request is for an InferenceService, by its path or its host."""
        host, domain = request.headers.get("host", ""), self._controller.domain
        is_named = bool(_SERVICE.fullmatch(host)) or (bool(domain) and host.endswith(f".{domain}"))
        return bool(_PATH.fullmatch(request.path)) or is_named

    def answer(self, request: Request) -> Answer:
        """Answers a request that `takes` took: one to a Service's name comes from the cluster, any other goes to the gateway."""
        if match := _PATH.fullmatch(request.path):
            return self._forward(request, match["rest"] or "/", self._controller.routed(match["namespace"], match["name"]), match["name"])
        if service := _SERVICE.fullmatch(request.dialed):
            return self._forward(request, request.path, self._controller.resolved(service["namespace"], service["name"]), service["name"])
        host = request.headers["host"]
        return self._forward(request, request.path, self._controller.routed_host(host), host)

    def ask(self, request: Request, namespace: str, name: str, path: str) -> Answer:
        """Sends a request to one of the endpoints of a Service, as `services/proxy` does: a placeholder of Knative's has none."""
        backends = self._controller.endpoints(namespace, name)
        if backends is None:
            return Answer(
                503, {"kind": "Status", "status": "Failure", "message": f'no endpoints available for service "{name}"', "code": 503}
            )
        return self._forward(request, path, backends, name)

    def _forward(self, request: Request, path: str, backends: Backends | None, name: str) -> Answer:
        """Sends a request to one of the pods; the gateway knows nothing of a host without a route, and may still send to pods that are gone."""
        if backends is None:
            return Answer(404, b"", "text/plain")
        if not backends:
            return Answer(503, b"no healthy upstream", "text/plain")
        workload, percent = self._pick(name, backends)
        server = workload.answers_with(percent)
        if server is None or workload not in self._controller.workloads():
            return Answer(503, b"no healthy upstream", "text/plain")
        is_prediction = request.method == "POST"
        if is_prediction:
            time.sleep(workload.behavior.delay if percent >= workload.behavior.from_percent else 0.0)
            if workload.fails_now(percent):
                return Answer(500, {"error": "InternalError : the model has failed"})
        headers = {
            key: value for key, value in request.headers.items() if key in ("content-type", "accept", "inference-header-content-length")
        }
        answer = self._client.request(request.method, f"{server.url}{path}", params=request.query, content=request.body, headers=headers)
        content = _metrics(answer.text, workload).encode() if path == "/metrics" else answer.content
        return Answer(answer.status_code, content, answer.headers.get("content-type", "application/json"))

    def _pick(self, key: str, backends: Backends) -> tuple[Workload, int]:
        """Spreads requests by weight without bursts or chance (the smooth weighted round robin of nginx)."""
        if len(backends) == 1:
            return backends[0]
        with self._lock:
            credits = self._credits[key]
            for workload, weight in backends:
                credits[workload.pod] += weight
            best = max(backends, key=lambda one: credits[one[0].pod])
            credits[best[0].pod] -= sum(weight for _, weight in backends)
            return best


def _metrics(text: str, workload: Workload) -> str:
    """Returns the metrics of pods that have just started, and the failures that the server knows nothing of."""
    since = without_counters(text, workload.counted_before)
    if not workload.failures or not workload.server:
        return since
    labels = f'model_name="{workload.server.name}",version="",fingerprint="{workload.server.fingerprint}",code="500"'
    failed = f"{_REQUESTS}{{{labels}}} {float(workload.failures)}\n"
    kept = since.splitlines(keepends=True)
    last = max((number for number, line in enumerate(kept) if line.startswith(_REQUESTS)), default=-1)
    return "".join([*kept[: last + 1], failed, *kept[last + 1 :]])
