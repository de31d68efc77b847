"""What stands before the API and before the URLs of InferenceServices: it counts every call, lets the faults in, and can be away altogether."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import urllib3

from .answer import Answer, Request, own_fault, refusal
from .faults import Call, Dropped, Fault, Hang, Refused

Handle = Callable[[Request], Answer]


class Server:
    """Listens on a port of this machine.

    Attributes:
        port: The port; it stays the same when the server comes back.
        faults: What goes wrong; each call takes the first that meets it.
        calls: Every call since `reset_calls`.
        fault: What was wrong first in what answers, or in a fault that a test has programmed; None if nothing.
    """

    def __init__(self, port: int, api: Handle, front: Handle, is_serving: Callable[[Request], bool]) -> None:
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.fault: Exception | None = None
        self.stopping = threading.Event()
        self._planes = {"api": api, "serving": front}
        self._is_serving = is_serving
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.port = port
        self._http: ThreadingHTTPServer | None = None
        self.listen()

    def listen(self) -> None:
        """Takes calls from now on."""
        http = ThreadingHTTPServer(("127.0.0.1", self.port), type("Handler", (_Handler,), {"owner": self}))
        http.daemon_threads = True
        self.port = http.server_address[1]
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        self._http = http

    def close(self) -> None:
        """Refuses every connection from now on, and ends those that are open."""
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        with self._lock:
            open_now, self._connections = self._connections, set()
        for connection in open_now:
            end(connection)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuses every connection for as long as the block runs."""
        self.close()
        try:
            yield
        finally:
            self.listen()

    def stop(self) -> None:
        """Ends for good: watches and hanging calls end too."""
        self.stopping.set()
        self.close()

    def reset_calls(self) -> None:
        """Starts to count from 1."""
        with self._lock:
            self.calls.clear()

    def connected(self, connection: socket.socket, *, here: bool) -> None:
        """Remembers a connection, or forgets it."""
        with self._lock:
            (self._connections.add if here else self._connections.discard)(connection)

    def answer(self, request: Request, connection: socket.socket) -> Answer:
        """Counts a call, applies it and its fault.

        Raises:
            Dropped: There is no answer.
        """
        plane = "serving" if self._is_serving(request) else "api"
        with self._lock:
            number = 1 + sum(call.plane == plane for call in self.calls)
            call = Call(number, request.method, request.path, request.query, plane)
            self.calls.append(call)
        try:
            answer = self._apply(request, call, connection)
        except Dropped:
            raise
        except (urllib3.exceptions.HTTPError, httpx.HTTPError) as error:
            answer = refusal(503, "ServiceUnavailable", f"what answers cannot be reached: {error!r}")
        except Exception as error:
            self.fault = self.fault or error
            answer = own_fault(error)
        call.code = answer.code
        return answer

    def _apply(self, request: Request, call: Call, connection: socket.socket) -> Answer:
        with self._lock:
            fault = next((fault for fault in self.faults if fault.meets(call)), None)
        try:
            if fault and not fault.action.applied:
                self._act(fault, call, connection)
            answer = self._planes[call.plane](request)
            if fault and fault.action.applied:
                self._act(fault, call, connection)
        except Refused as refused:
            return refused.answer
        return answer

    def _act(self, fault: Fault, call: Call, connection: socket.socket) -> None:
        if isinstance(fault.action, Hang):
            self._hang(fault.action.seconds, connection)
        fault.action(call)

    def _hang(self, seconds: float, connection: socket.socket) -> None:
        """Waits for as long as the caller does."""
        for _ in range(int(seconds * 10)):
            if self.stopping.wait(0.1) or _has_gone(connection):
                return


def _has_gone(connection: socket.socket) -> bool:
    """Tells whether the other side of a connection has ended it, or this one."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True


def end(connection: socket.socket) -> None:
    """Ends a connection, whichever side has already done so."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    owner: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.owner.connected(self.connection, here=True)

    def finish(self) -> None:
        self.owner.connected(self.connection, here=False)
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # the caller has gone, or the server has closed this connection
            self.close_connection = True

    def serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, unquote(url.path), query, headers, body, self.path, dialed=url.netloc)
        try:
            answer = self.owner.answer(request, self.connection)
        except Dropped:
            self.close_connection = True
            end(self.connection)
            return
        self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = serve

    def _send(self, answer: Answer) -> None:
        length = {"Transfer-Encoding": "chunked"} if answer.chunks else {"Content-Length": str(len(answer.content))}
        self.send_response(answer.code)
        for key, value in ({"Content-Type": answer.content_type} | length | answer.headers).items():
            self.send_header(key, value)
        self.end_headers()
        if answer.chunks is None:
            self.wfile.write(answer.content)
            return
        for chunk in answer.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: `calls` tells."""
