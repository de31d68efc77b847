"""Google's own addresses of Cloud Storage, for TensorFlow's client, which knows no others: an HTTPS proxy in front of an emulator.

TensorFlow asks `www.googleapis.com` and `storage.googleapis.com` through the proxy that `https_proxy` names, and trusts the certificate that
`CURL_CA_BUNDLE` names. What it asks is what tensorflow/core/platform/cloud/gcs_file_system.cc has.
"""

import http.client
import re
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from ..certificate import write_certificate

HOSTS = ("www.googleapis.com", "storage.googleapis.com")
_API, _OBJECTS = (f"https://{host}" for host in HOSTS)
# A folder is an empty object, and the emulator takes none without its description.
_EMPTY = b"--part\r\nContent-Type: application/json\r\n\r\n{}\r\n--part\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--part--\r\n"
# What the emulator is not asked: whether folders are more than names.
_FLAT = b'{"kind": "storage#storageLayout", "hierarchicalNamespace": {"enabled": false}}'
_NOT_PASSED_ON = {"host", "connection", "proxy-connection", "expect", "transfer-encoding", "content-length", "range", "keep-alive"}


@contextmanager
def serve(emulator: str, folder: Path) -> Iterator[dict[str, str]]:
    """Serves while the context lasts.

    Args:
        emulator: The address of an emulator, `http://...`.
        folder: Where the certificate is written.

    Yields:
        The environment variables that lead TensorFlow there.
    """
    certificate, key = write_certificate(folder, *HOSTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

        def _pass_on(self) -> None:
            body = _body(self.rfile, self.headers)
            status, headers, content = _asked(emulator, self.command, _path(self.headers["Host"], self.path), dict(self.headers), body)
            if status == 200 and (wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")):
                status, content = _part(content, int(wanted[1]), int(wanted[2]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value.replace(emulator, _API))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "https_proxy": f"http://127.0.0.1:{server.server_port}",
            "no_proxy": "localhost,127.0.0.1",
            "CURL_CA_BUNDLE": str(certificate),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
        }
    finally:
        server.shutdown()


def _body(sent: BinaryIO, headers: Message) -> bytes:
    """Reads a request's body, whose size is known or not."""
    if headers.get("Transfer-Encoding") != "chunked":
        return sent.read(int(headers.get("Content-Length") or 0))
    body = b""
    while size := int(sent.readline(), 16):
        body += sent.read(size)
        sent.readline()
    sent.readline()
    return body


def _path(host: str, path: str) -> str:
    """Returns where the emulator has it: objects that are downloaded are at an address of their own."""
    if not _OBJECTS.endswith(host.partition(":")[0]):
        return path
    bucket, _, name = urllib.parse.unquote(path.lstrip("/")).partition("/")
    return f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}?alt=media"


def _asked(emulator: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    if path.endswith("/storageLayout"):
        return 200, {"Content-Type": "application/json"}, _FLAT
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(emulator).netloc)
    passed_on = {name.lower(): value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
    if not body and "uploadType=media" in path:
        path, body = path.replace("uploadType=media", "uploadType=multipart"), _EMPTY
        passed_on["content-type"] = "multipart/related; boundary=part"
    try:
        connection.request(method, path, body, passed_on)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED_ON}
        return answer.status, kept, answer.read()
    finally:
        connection.close()


def _part(content: bytes, first: int, last: int) -> tuple[int, bytes]:
    """Returns what Cloud Storage answers to a range."""
    return (206, content[first : last + 1]) if first < len(content) else (416, b"")
