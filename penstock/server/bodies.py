"""Reads the bodies of requests within limits, including a limit on the memory for all large ones."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from .connection import count_refused
from .limits import Limits

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# What most requests are; uvicorn buffers as much of each by itself.
_SMALL = 2**16
# A large request costs many times its bytes while it is answered.
_LARGE_AT_ONCE = 2


def is_large(content: bytes) -> bool:
    """Tells whether a body is one of those that are counted."""
    return len(content) > _SMALL


class Refused(Exception):
    """A request that is too large, alone or together with others.

    Attributes:
        status: The HTTP status code that says which.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        count_refused(status)


class Bodies:
    """What all requests hold at the same time. Small ones are never rejected, so large ones do not block other requests.

    Attributes:
        limits: The limits.
        pending: The bytes of the larger bodies that are being read or answered.
        turns: Who answers a larger one.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.pending, self.turns = limits, 0, asyncio.Semaphore(_LARGE_AT_ONCE)


class Body:
    """One request's body, until it is answered and released.

    Args:
        bodies: Those of all requests.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = self._charged = 0
        self._has_turn = False

    def release(self) -> None:
        """Gives back what it held."""
        self._bodies.pending -= self._charged
        if self._has_turn:
            self._bodies.turns.release()

    async def read(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes | None:
        """Returns the body; None if the client has gone.

        Raises:
            Refused: It is too large.
        """
        message = await receive()
        if message["type"] == "http.request" and message["more_body"]:
            self._check(int(next((value for name, value in headers if name == b"content-length"), b"0")))
        parts = []
        while message["type"] == "http.request":
            parts.append(message["body"])
            self._add(len(parts[-1]))
            if not message["more_body"]:
                if self._charged:
                    await self._take_turn()
                return parts[0] if len(parts) == 1 else b"".join(parts)
            message = await receive()
        return None

    async def hold(self, size: int) -> None:
        """Counts a body that is there already.

        Raises:
            Refused: It is too large.
        """
        self._add(size)
        if self._charged:
            await self._take_turn()

    def _add(self, size: int) -> None:
        self._size += size
        self._check(self._size)
        if self._size <= _SMALL:
            return
        more = self._size - self._charged
        if self._bodies.pending + more > self._bodies.limits.max_pending:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the server has too many large requests in progress; try again")
        self._bodies.pending += more
        self._charged = self._size

    async def _take_turn(self) -> None:
        await self._bodies.turns.acquire()
        self._has_turn = True

    def _check(self, size: int) -> None:
        if size > self._bodies.limits.max_body:
            most = self._bodies.limits.max_body
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most:,} bytes; send fewer rows per request")
