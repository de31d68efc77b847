"""A web site of a few pages, for what stands before Kubeflow Pipelines."""

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Visit:
    """What a browser asks.

    Attributes:
        method: `GET` or `POST`.
        path: The path.
        query: The query, as it stands in the address.
        form: The fields of a form.
        cookies: The cookies.
        headers: The headers.
    """

    method: str
    path: str
    query: str
    form: dict[str, str]
    cookies: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Page:
    """What it gets."""

    code: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Site:
    """Serves pages on a port of this machine.

    Args:
        answer: The pages.
        tls: The files of a certificate and its key; None for plain HTTP.

    Attributes:
        url: Where it is.
        visits: All that was asked.
    """

    def __init__(self, answer: Callable[[Visit], Page], tls: tuple[Path, Path] | None = None) -> None:
        self.visits: list[Visit] = []
        self._answer = answer
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": self}))
        self._http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "Site":
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def page(self, visit: Visit) -> Page:
        """Answers, and remembers what was asked."""
        self.visits.append(visit)
        return self._answer(visit)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        cookies = {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("Cookie", "")).items()}
        form = {name: values[0] for name, values in parse_qs(body).items()}
        page = self.site.page(Visit(self.command, parts.path, parts.query, form, cookies, dict(self.headers)))
        with contextlib.suppress(ConnectionError):  # the browser has not waited
            self._send(page)

    def _send(self, page: Page) -> None:
        self.send_response(page.code)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(page.body)), **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body.encode())

    def log_message(self, *args: Any) -> None:
        """Says nothing."""
