"""A small double of Feast's feature server, which speaks its protocol over real connections.

What it does is what Feast 0.67 does, in `feast/feature_server.py` and `feast/feature_server_utils.py`; `test_feast` asks both.
"""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What the store has: the features of an aircraft and those of a route, by their keys.
AIRCRAFT: dict[Any, dict[str, Any]] = {
    "N1": {"carrier": "AA", "month": 1},
    "N2": {"carrier": "9E", "month": 12},
    "Ñ 3": {"carrier": "UA", "month": 3},
    "N4": {"carrier": "DL", "month": 4},
}
ROUTES: dict[Any, dict[str, Any]] = {7: {"distance": 100.0}, 8: {"distance": 2500.0}, 9: {"distance": None}}
Reply = tuple[int, bytes]


def reply(question: dict[str, Any], extra: dict[str, list[Any]] | None = None, status: str = "PRESENT") -> Reply:
    """Answers as `get_online_features` does.

    The join keys come first, among the features. What is not there is null, with the status NOT_FOUND; a null, or NaN, in
    a table is null, with the status PRESENT.
    """
    if question["feature_service"] != "flights":  # FeatureServiceNotFoundException, as a JSON text
        return 404, json.dumps('{"class": "FeatureServiceNotFoundException"}').encode()
    entities = question["entities"]
    if None in entities["tail"]:  # the key's protobuf takes no None, and an exception that is not Feast's own is a 500
        return 500, b"\"attribute name must be string, not 'NoneType'\""
    columns = {name: list(values) for name, values in entities.items()}
    statuses = {name: ["PRESENT"] * len(values) for name, values in entities.items()}
    for key, table, name in (("tail", AIRCRAFT, "carrier"), ("tail", AIRCRAFT, "month"), ("origin", ROUTES, "distance")):
        found = [table.get(value) for value in entities[key]]
        columns[name] = [row and row[name] for row in found]
        statuses[name] = ["NOT_FOUND" if row is None else status for row in found]
    columns |= extra or {}
    results = [{"values": values, "statuses": statuses.get(name, [status] * len(values))} for name, values in columns.items()]
    return 200, json.dumps({"results": results, "metadata": {"feature_names": list(columns)}}).encode()


class FeatureServer:
    """A feature server on a port. Use it as a context manager.

    Attributes:
        asked: The questions that came.
        headers: The headers that came with the last one.
        reply: Answers a question.
        goes_on: While it is not set, no question is answered.
        drops: How many of the next questions find their connection closed.
    """

    def __init__(self, port: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.reply: Callable[[dict[str, Any]], Reply] = reply
        self.drops = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                if double.drops:
                    double.drops -= 1
                    self.close_connection = True
                    return
                double.headers = {name.lower(): value for name, value in self.headers.items()}
                double.goes_on.wait()
                code, body = double._answer(self.path, self.headers["content-type"], content)
                self.send_response(code)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:  # who asked has gone
                pass

            def process_request(self, request: Any, address: Any) -> None:
                double._connections.append(request)
                super().process_request(request, address)

        self._connections: list[socket.socket] = []
        self._http = Http(("127.0.0.1", port), Handler)
        self.port: int = self._http.server_address[1]

    def __enter__(self) -> "FeatureServer":
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.goes_on.set()
        self._http.shutdown()
        self._http.server_close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def uri(self, options: str = "", service: str = "flights") -> str:
        return f"http://127.0.0.1:{self.port}/{service}?keys=tail,origin{options}"

    def _answer(self, path: str, kind: str, content: bytes) -> Reply:
        if path != "/get-online-features":
            return 404, b'{"detail": "Not Found"}'
        if kind != "application/json":  # FastAPI reads no other content as JSON
            return 422, b'{"detail": [{"type": "model_attributes_type"}]}'
        question = json.loads(content)
        self.asked.append(question)
        return self.reply(question)
