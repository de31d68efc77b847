"""A request and its answer, without the wire."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: `GET`, `PUT`...
        path: The path, unquoted, without the query.
        query: The query, parsed.
        headers: The headers, by lower-case name.
        body: The body.
        target: The path and the query as they came.
        dialed: The host that the sender took for one that it can reach, where a proxy stands for the network that resolves it; empty: this one.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    target: str = ""
    dialed: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        code: The HTTP status.
        body: The body: what is to be JSON, or bytes.
        content_type: The body's type.
        headers: More headers.
        chunks: What follows the headers for as long as it takes, instead of a body.
    """

    code: int
    body: Any = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Returns the API's `Status` of a failure."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return Answer(code, status | {"message": message, "reason": reason, "code": code}, headers=headers or {})


def own_fault(error: Exception) -> Answer:
    """Returns the refusal of a double that has done something wrong: no client tries again, or waits in vain."""
    return refusal(501, "NotImplemented", f"this double is at fault: {error!r}")
