"""A client of a Kubernetes API: one call, one answer, no retries."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

_LONGEST_SECONDS = 300.0
_CONNECTIONS = 1024  # each watch keeps one
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


class ApiError(Exception):
    """A refusal.

    Attributes:
        code: The HTTP status.
        reason: The machine-readable reason, such as `AlreadyExists`.
        message: What a person reads.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message


class Api:
    """Access to the API as one user.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, url: str, certificate: Path, token: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS, ca_certs=str(certificate), cert_reqs="CERT_REQUIRED", retries=False)

    def call(self, method: str, path: str, body: Any = None, *, content: str = "application/json", **query: str) -> Any:
        """Returns what a call is answered with.

        Args:
            method: `GET`, `PUT`...
            path: The path.
            body: What is sent: bytes, or what is to be JSON.
            content: What kind of body it is.
            **query: The query.

        Raises:
            ApiError: It is refused.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": content} if data else {})
        answer = self._pool.request(
            method, self._url(path, query), body=data, headers=headers, timeout=urllib3.Timeout(connect=10.0, read=_LONGEST_SECONDS)
        )
        return _checked(answer.status, answer.data)

    def watch(self, path: str, **query: str) -> Iterator[Any]:
        """Yields the events of a watch until the API ends it.

        Raises:
            ApiError: It is refused, or too much has happened since then.
        """
        url = self._url(path, query | {"watch": "true"})
        answer = self._pool.request(
            "GET", url, headers=self._headers, preload_content=False, timeout=urllib3.Timeout(connect=10.0, read=3600.0)
        )
        try:
            if answer.status != 200:
                _checked(answer.status, answer.read())
            rest = b""
            for chunk in answer.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for event in map(json.loads, lines):
                    if event["type"] == "ERROR":
                        raise _error(event["object"]["code"], event["object"])
                    yield event
        finally:
            answer.close()

    def _url(self, path: str, query: dict[str, str]) -> str:
        return f"{self.url}{path}{'?' if query else ''}{urlencode(query)}"


def _checked(code: int, content: bytes) -> Any:
    if code < 400:
        return json.loads(content)
    try:
        status = json.loads(content)
    except ValueError:
        status = {"message": content.decode(errors="replace").strip()}
    raise _error(code, status)


def _error(code: int, status: dict[str, Any]) -> ApiError:
    return ApiError(code, status.get("reason", ""), status.get("message", ""))
