"""A request and its answer, without the wire."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: `GET`, `PUT`...
        path: The path, unquoted, without the query.
        query: The query, parsed.
        headers: The headers, by lower-case name.
        body: The body.
        dialed: The host that the sender took for one that it can reach, where a proxy stands for the network that resolves it; empty: this one.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    dialed: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        code: The HTTP status.
        body: The body: what is to be JSON, or bytes.
        content_type: The body's type.
        headers: More headers.
        lines: What follows the headers in chunks of JSON, for as long as it takes, instead of a body.
    """

    code: int
    body: Any = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    lines: Iterator[Any] | None = None

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(error: ApiError) -> Answer:
    """Returns the answer that an error is."""
    return Answer(error.code, error.status(), headers=error.headers)
