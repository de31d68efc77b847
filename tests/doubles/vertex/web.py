"""A plain HTTP server for what Google's clients ask in JSON: each answerer in turn, until one answers."""

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Question:
    """A request.

    Attributes:
        method: Such as `GET`.
        path: Without the query, unquoted.
        query: What stands behind the question mark.
        headers: By their names in lower case.
        body: What was sent, read as JSON; None if that is nothing.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """A response: its status, its content in JSON form, and headers of its own."""

    code: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def refusal(cls, code: int, message: str) -> "Answer":
        """Returns an error without a word for programs but its status."""
        return cls(code, {"error": {"code": code, "message": message}})


class WebServer:
    """Serves on 127.0.0.1.

    Attributes:
        address: Its host and port.
    """

    def __init__(self, port: int, *answerers: Callable[[Question], Answer | None]) -> None:
        self._server = _HTTPServer(("127.0.0.1", port), _Handler)
        self._server.answerers = answerers
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    answerers: tuple[Callable[[Question], Answer | None], ...]


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        try:
            question = self._question()
        except ValueError:
            self._send(Answer.refusal(400, "Invalid JSON payload received."))
            return
        answers = (answer for answerer in self.server.answerers if (answer := answerer(question)))
        self._send(next(answers, Answer.refusal(404, f"The requested URL {question.path} was not found on this server.")))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _question(self) -> Question:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Question(self.command, unquote(parts.path), parts.query, headers, json.loads(body) if body else None)

    def _send(self, answer: Answer) -> None:
        content = json.dumps(answer.content).encode()
        self.send_response(answer.code)
        for name, value in {
            "Content-Type": "application/json; charset=UTF-8",
            "Content-Length": str(len(content)),
            **answer.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
