"""The server of KServe's webhooks: it applies the rules of `webhook` to what the API asks about."""

import base64
import json
import logging
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import webhook

_log = logging.getLogger(__name__)
_MUTATE, _VALIDATE = "/mutate-serving-kserve-io-v1beta1-inferenceservice", "/validate-serving-kserve-io-v1beta1-inferenceservice"
DEFAULT_MODE = "/default-mode"


class Admission:
    """Answers the API; use it until the process ends.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Listens, with a certificate for localhost."""
        self._default_modes: dict[str, str] = {}
        http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{http.server_address[1]}"
        threading.Thread(target=http.serve_forever, daemon=True).start()

    def set_default_mode(self, namespace: str, mode: str) -> None:
        """Sets the mode of InferenceServices of a namespace that name none; a real KServe has it in a ConfigMap."""
        self._default_modes[namespace] = mode

    def review(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answers one question: what is to be changed in an object, or why it is refused."""
        item = request["object"]
        if path == _MUTATE:
            webhook.default(item, self._default_modes.get(request["namespace"], webhook.KNATIVE))
            changes = {"/spec": item["spec"], "/metadata/annotations": item["metadata"]["annotations"]}
            patch = [{"op": "add", "path": path, "value": value} for path, value in changes.items()]
            return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        problem = webhook.validate(item, request.get("oldObject")) if path == _VALIDATE else ""
        return {"allowed": not problem} | ({"status": {"message": problem, "reason": "Forbidden", "code": 403}} if problem else {})


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    owner: Admission
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == DEFAULT_MODE:
            self.owner.set_default_mode(**review)
            self._send(200, b"{}", "application/json")
            return
        request = review["request"]
        try:
            answer = {"uid": request["uid"]} | self.owner.review(self.path.partition("?")[0], request)
        except Exception as error:  # which the API tells the caller
            _log.warning("the webhook fails", exc_info=True)
            self._send(500, f"this double is at fault: {error!r}".encode(), "text/plain")
            return
        content = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}
        self._send(200, json.dumps(content).encode(), "application/json")

    def _send(self, code: int, content: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the caller gets the refusal."""
