"""Who calls: Application Default Credentials that unpatched clients take, and the tokens that they send."""

import json
import secrets
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import google.auth.exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from .errors import unauthenticated

ACCOUNT = "penstock@double.iam.gserviceaccount.com"


@cache
def _key() -> rsa.RSAPrivateKey:
    """The account's key: one for a process, because `aiplatform` keeps the credentials that it has found.

    A short one: each client checks it, which takes seven times as long with the usual length.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


class Identity:
    """One service account: its key file, its token endpoint, and the metadata server of the machine that it runs on.

    Attributes:
        lifetime: For how many seconds a new token is good.
        refuses: Whether the token endpoint and the metadata server answer that the account is disabled.
    """

    def __init__(self, folder: Path, project: str, port: int = 0) -> None:
        self.lifetime = 3600.0
        self.refuses = False
        self.key_file = folder / "service_account.json"
        self._project = project
        self._public = _key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._expiry: dict[str, float] = {}
        self._expired_before = 0.0
        self._server = _HTTPServer(("127.0.0.1", port), _Handler)
        self._server.identity = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.key_file.write_text(json.dumps(self._key_file_content()), encoding="utf-8")

    def close(self) -> None:
        """Ends the token endpoint."""
        self._server.shutdown()
        self._server.server_close()

    def new_token(self) -> dict[str, Any]:
        """Makes an access token, as the token endpoint answers it."""
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._expiry[token] = time.time() + self.lifetime
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def expire(self) -> None:
        """Ends every token that there is; new ones are good."""
        self._expiry.clear()
        self._expired_before = time.time()

    def check(self, authorization: str) -> None:
        """Refuses a call whose `authorization` is no good token.

        Raises:
            ApiError: It is missing, unknown or expired.
        """
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            raise unauthenticated("Request is missing required authentication credential.", "CREDENTIALS_MISSING")
        is_good = self._is_good_jwt(token) if token.count(".") == 2 else self._expiry.get(token, 0.0) > time.time()
        if not is_good:
            raise unauthenticated("Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED")

    def _is_good_jwt(self, token: str) -> bool:
        """Clients sign tokens themselves with a key file's key; no token endpoint sees them (https://google.aip.dev/auth/4111)."""
        try:
            claims = jwt.decode(token, certs=self._public)
        except (ValueError, google.auth.exceptions.GoogleAuthError):
            return False
        return claims.get("iss") == ACCOUNT and claims["iat"] + self.lifetime > time.time() and claims["iat"] >= int(self._expired_before)

    def _key_file_content(self) -> dict[str, str]:
        private = _key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": "double",
            "private_key": private.decode(),
            "client_email": ACCOUNT,
            "client_id": "100000000000000000000",
            "token_uri": f"http://{self.address}/token",
        }


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    identity: Identity


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer

    def do_POST(self) -> None:
        """The token endpoint of OAuth 2.0 (RFC 7523): an assertion signed with the key for a token."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.identity.refuses:
            self._answer(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
        else:
            self._answer(200, self.server.identity.new_token())

    def do_GET(self) -> None:
        """The metadata server of Compute Engine (https://cloud.google.com/compute/docs/metadata)."""
        path = self.path.partition("?")[0].rstrip("/")
        account = {"aliases": ["default"], "email": ACCOUNT, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        if path.endswith("/token") and self.server.identity.refuses:
            self._answer(403, {"error": "forbidden", "error_description": "The service account is disabled"})
        elif path.endswith("/token"):
            self._answer(200, self.server.identity.new_token())
        elif path.endswith("/project/project-id"):
            self._answer(200, self.server.identity._project)
        elif "/service-accounts/" in path:
            self._answer(200, account)
        else:
            self._answer(200 if path in ("", "/computeMetadata/v1") else 404, "")

    def _answer(self, code: int, content: Any) -> None:
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/text" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
