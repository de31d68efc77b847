"""uvicorn's HTTP connection with limits on headers, time and the number of connections."""

from collections import Counter
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import Counter as Metric
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .limits import Limits

_REFUSED = Metric("penstock_refused", "Requests that were rejected before they reached a model, by HTTP status code", ("code",))
# This part of all connections leaves when there are too many.
_ROOM = 16
# The bytes per call of the parser: most requests as a whole, and only a few of the smallest.
_PART = 4096
# What a chunk of a body may have beside its content.
_FRAME = 16


def count_refused(code: int) -> None:
    """Counts a request that no version is to be blamed for."""
    _REFUSED.labels(str(int(code))).inc()


class _Reading(FlowControl):
    """Stays paused while earlier requests are held, even if uvicorn resumes it."""

    _is_held = False

    def hold(self) -> None:
        """Pauses."""
        self._is_held = True
        self.pause_reading()

    def go_on(self) -> None:
        """Ends the pause."""
        self._is_held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Goes on unless it is held."""
        if not self._is_held:
            super().resume_reading()


class LimitedConnection(HttpToolsProtocol):
    """Refuses large headers and late requests, and makes room for others.

    uvicorn itself reads no more of a body than the application asks for.
    """

    def __init__(self, *arguments: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._beside = 0  # bytes of this request beside its body: the URL, the headers and the trailers
        self._held = b""  # what came after requests that wait for their turn
        self._reading: _Reading
        self._receiving_since: float | None = None  # None: the last request is complete
        self._answering: RequestResponseCycle | None = None
        self._answered_at = 0.0
        self._untaken_since: float | None = None

    def connection_made(self, transport: Any) -> None:
        """Takes a connection; if that is one too many, those that have kept the server waiting longest leave."""
        super().connection_made(transport)
        self.flow = self._reading = _Reading(transport)
        self._receiving_since = self.loop.time()
        if len(self.connections) > self._limits.max_connections:
            for each in self._leaving():
                each.leave(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closes. uvicorn reports the disconnect only to the last request, and not to the one in progress."""
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came, or keeps it: each of a thousand requests that fit into it would cost a hundred times its bytes."""
        if self._held:
            self._held += data
        elif len(data) > _PART or self.pipeline:
            self._feed(data)
        else:
            self._parse(data)

    def on_message_begin(self) -> None:
        """Begins a request."""
        super().on_message_begin()
        self._beside = 0
        self._receiving_since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body."""
        self._beside -= len(body) + _FRAME
        if self._beside < 0:
            self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request."""
        self._receiving_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Ends an answer."""
        self._answered_at = self.loop.time()
        super().on_response_complete()
        if self._held and not self.pipeline and not self.transport.is_closing():
            held, self._held = self._held, b""
            self._reading.go_on()
            self._feed(held)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Refuses what the parser stopped at."""
        self.leave(HTTPStatus.BAD_REQUEST)

    def check_time(self, now: float) -> None:
        """Ends a connection whose request, or whose reading of the answer, takes too long; to be called now and then."""
        if self._owes_answer() and self._receiving_since is not None:
            self._receiving_since = now  # it is the server that lets the client wait
        if not self.transport.get_write_buffer_size():
            self._untaken_since = None
        elif self._untaken_since is None:
            self._untaken_since = now
        late = now - self._limits.request_timeout
        if self._untaken_since is not None and self._untaken_since < late:
            self.transport.abort()
        elif self._receiving_since is not None and self._receiving_since < late:
            self.leave(HTTPStatus.REQUEST_TIMEOUT)

    def leave(self, status: HTTPStatus) -> None:
        """Closes the connection, and says why where a request has no answer yet."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        if self._can_be_answered(status):
            count_refused(status)
            body = orjson.dumps({"error": _REASONS[status]})
            head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _feed(self, data: bytes) -> None:
        """Gives the parser a little at a time, until a request has to wait for the one before it."""
        for start in range(0, len(data), _PART):
            if self.transport.is_closing():
                return
            if self.pipeline:
                self._held = data[start:]
                self._reading.hold()
                return
            self._parse(data[start : start + _PART])

    def _parse(self, part: bytes) -> None:
        self._beside += len(part)
        super().data_received(part)
        if self._beside > self._limits.max_header:  # a header has no length of which one would know before its end
            self.leave(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _has_headers(self) -> bool:
        """Tells whether the headers of the last request are complete."""
        return self.cycle is not None and self.cycle.scope is self.scope

    def _owes_answer(self) -> bool:
        """Tells whether a request that has come is not answered yet."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return bool(self.pipeline) or not (is_answered or (self._has_headers() and self._receiving_since is not None))

    def _can_be_answered(self, status: HTTPStatus) -> bool:
        """Tells whether an answer would be taken for that of the request which is being received."""
        if self.scope is None:  # nothing has been asked: silence, but for a newcomer who has to leave
            return status != HTTPStatus.REQUEST_TIMEOUT
        if self._receiving_since is None or self._owes_answer():
            return False
        return not (self._has_headers() and self.cycle.response_started)

    def _waits_since(self) -> float | None:
        """Returns since when the server has waited for this client; None where the client waits."""
        if self.transport.is_closing() or self._owes_answer():
            return None
        return self._answered_at if self._receiving_since is None else self._receiving_since

    def _leaving(self) -> list["LimitedConnection"]:
        """Chooses who leaves: the oldest of the client address that keeps most connections waiting, or else the newcomer itself.

        They are several, since a flood of newcomers would find nothing to do but this.
        """
        waiting = {each: since for each in self.connections - {self} if (since := each._waits_since()) is not None}
        if not waiting:
            return [self]
        ((crowd, _),) = Counter(each._address for each in waiting).most_common(1)
        oldest = sorted((each for each in waiting if each._address == crowd), key=lambda each: waiting[each])
        return oldest[: 1 + self._limits.max_connections // _ROOM]


_REASONS = {
    HTTPStatus.BAD_REQUEST: "this is not an HTTP request",
    HTTPStatus.REQUEST_TIMEOUT: "the request took too long to come",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the URL and the headers are too large",
    HTTPStatus.SERVICE_UNAVAILABLE: "there are too many connections",
}
