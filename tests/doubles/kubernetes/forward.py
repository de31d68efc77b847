"""The way to the real API, and what it would reach on a network: the Services of the cluster."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import urllib3

from .answer import Answer, Request, refusal
from .front import Front

_PROXY = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/services/(?P<name>[^/:]+)(:[^/]*)?/proxy(?P<rest>/.*)?")
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PASSED_ON = ("authorization", "content-type", "accept", "user-agent")
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Forward:
    """Sends requests on, each with its own credentials.

    Attributes:
        stopping: Set when watches are to end.
    """

    def __init__(self, url: str, certificate: Path, front: Front) -> None:
        """Sends them to an API.

        Args:
            url: Where it listens.
            certificate: What signs its certificate.
            front: What answers behind Services.
        """
        self.stopping = threading.Event()
        self._url, self._front = url, front
        self._allowed: set[tuple[str, ...]] = set()
        self._pool = urllib3.PoolManager(
            maxsize=32, ca_certs=str(certificate), retries=False, timeout=urllib3.Timeout(connect=10.0, read=3600.0)
        )

    def answer(self, request: Request) -> Answer:
        """Answers a request as the API does."""
        if match := _PROXY.fullmatch(request.path):
            refused = self._review(request, match["namespace"], match["name"])
            return refused or self._front.ask(request, match["namespace"], match["name"], match["rest"] or "/")
        answer = self._send(request.method, request.target, request, request.body)
        content_type = answer.headers.get("Content-Type", "application/json")
        headers = {key: answer.headers[key] for key in ("Warning", "Retry-After", "WWW-Authenticate") if key in answer.headers}
        if request.query.get("watch") in ("true", "True", "1") and answer.status == 200:
            return Answer(200, content_type=content_type, headers=headers, chunks=self._chunks(answer))
        return Answer(answer.status, answer.read(), content_type, headers)

    def forget(self) -> None:
        """Asks again who may do what: the rights have changed."""
        self._allowed.clear()

    def _send(self, method: str, target: str, request: Request, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {key: value for key, value in request.headers.items() if key in _PASSED_ON}
        return self._pool.request(method, f"{self._url}{target}", body=body or None, headers=headers, preload_content=False)

    def _chunks(self, answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            for chunk in answer.stream(65536):
                if self.stopping.is_set():
                    return
                yield chunk
        finally:
            answer.close()

    def _review(self, request: Request, namespace: str, name: str) -> Answer | None:
        """Asks the API whether a user may do this to a Service's proxy; returns its refusal, if it is one.

        The API would dial an address of the cluster's network, which is not there: who may has to be asked.
        """
        verb = _VERBS[request.method]
        asked_for = (request.headers.get("authorization", ""), verb, namespace, name)
        if asked_for in self._allowed:
            return None
        attributes = {"namespace": namespace, "verb": verb, "resource": "services", "subresource": "proxy", "name": name}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        asked = Request("POST", "", headers=request.headers | {"content-type": "application/json", "accept": "application/json"})
        answer = self._send("POST", _REVIEWS, asked, json.dumps(review).encode())
        content = answer.read()
        if answer.status != 201:
            return Answer(answer.status, content)
        if json.loads(content)["status"]["allowed"]:
            self._allowed.add(asked_for)
            return None
        cannot = f'cannot {verb} resource "services/proxy" in API group "" in the namespace "{namespace}"'
        return refusal(403, "Forbidden", f'services "{name}" is forbidden: User {cannot}')
