"""KServe's REST server, with a short way for V1 predictions.

KServe's own V1 endpoint goes through FastAPI, three timers and two middlewares: more than everything that a small model costs.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from socket import socket
from types import FrameType
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI
from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
from kserve.errors import InvalidInput, ServerNotReady
from kserve.metrics import PREDICT_HIST_TIME, get_labels
from kserve.protocol.rest.server import RESTServer
from uvicorn.importer import import_from_string

from .data_plane import VersionedDataPlane
from .models import Models, ServedModel
from .repository import ClosedRepository, add_endpoints

logger = logging.getLogger(__name__)
_V1, _PREDICT = "/v1/models/", ":predict"
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Rest(RESTServer):
    """Serves REST on a socket until SIGTERM, and then until the requests under way have ended.

    Args:
        models: What is served.
        port: The port, for the log.
        drain_seconds: For how long it goes on answering after SIGTERM, while it says that it is not ready.
        health_route: Another path for the readiness check; empty for none.
        predict_route: Another path that predicts with the only model; empty for none.
    """

    def __init__(self, models: Models, port: int, drain_seconds: float = 0, health_route: str = "", predict_route: str = "") -> None:
        self.models, self._health_route, self._predict_route = models, health_route, predict_route
        self.extension = ClosedRepository(models)
        super().__init__(FASTAPI_APP_IMPORT_STRING, VersionedDataPlane(models, self.is_draining), self.extension, port)
        self.config.access_log = False  # `/metrics` counts; a line for each request costs as much as the answer
        self._server = DrainingServer(self.config, drain_seconds)

    def is_draining(self) -> bool:
        """Tells whether the server is about to end."""
        return self._server.is_draining

    def create_application(self) -> None:
        """Makes KServe's application, and puts the short way before it."""
        super().create_application()
        app = import_from_string(FASTAPI_APP_IMPORT_STRING)
        if self._health_route:
            app.add_api_route(self._health_route, self._health, methods=["GET"])
        self.config.app = ShortWay(app, self.models, self.is_draining, self._predict_route)

    def _register_endpoints(self, app: FastAPI) -> None:
        """Registers KServe's endpoints after those that take their places."""
        add_endpoints(app, self.models)
        super()._register_endpoints(app)

    async def serve(self, listener: socket) -> None:
        """Answers until SIGTERM."""
        self.create_application()
        await self._server.serve(sockets=[listener])

    async def _health(self) -> dict[str, str]:
        if not await self.dataplane.ready():
            raise ServerNotReady
        return {"status": "ready"}


class DrainingServer(uvicorn.Server):
    """Ends some time after the signal: whoever sends requests here needs to learn that it should not."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._end: float | None = None

    @property
    def is_draining(self) -> bool:
        """Whether the signal has come."""
        return self._end is not None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain; a second signal ends at once what the first one waits for."""
        self.force_exit = self.is_draining
        self._end = time.monotonic() + (0 if self.force_exit else self._drain_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Tells whether to end; uvicorn asks ten times a second."""
        return await super().on_tick(counter) or (self._end is not None and time.monotonic() >= self._end)


class ShortWay:
    """Answers V1 predictions itself, whatever type the body says it has (curl says a form), and hands everything else to KServe's application.

    Args:
        app: KServe's application.
        models: What is served.
        is_draining: Whether the server is about to end, so that connections are not to be kept.
        predict_route: Another path that predicts with the only model; empty for none.
    """

    def __init__(self, app: Any, models: Models, is_draining: Callable[[], bool], predict_route: str) -> None:
        self._app, self._models, self._is_draining, self._predict_route = app, models, is_draining, predict_route

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Takes one request, as ASGI has it."""
        model = self._asked(scope)
        if model is None:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is not None:
            await self._send(send, *await _answer(model, body))

    def _asked(self, scope: _Scope) -> ServedModel | None:
        """Returns the model that a V1 prediction asks; None for any other request, and for a model that is not here."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        path: str = scope["path"]
        if path == self._predict_route:
            return next(iter(self._models.get_models().values()), None)
        if path.startswith(_V1) and path.endswith(_PREDICT) and not _is_cloud_event(scope["headers"]):
            return self._models.get(path[len(_V1) : -len(_PREDICT)])
        return None

    async def _send(self, send: _Send, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if self._is_draining():
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_cloud_event(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tells whether a body is a CloudEvent, which KServe unpacks."""
    return any(name.startswith(b"ce-") or (name == b"content-type" and b"cloudevents" in value) for name, value in headers)


async def _read(receive: _Receive) -> bytes | None:
    """Returns the body; None if the client has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(model: ServedModel, body: bytes) -> tuple[int, bytes]:
    try:
        with PREDICT_HIST_TIME.labels(**get_labels(model.name)).time():
            predictions = await model.predict_rows(_instances(model, body))
        return 200, orjson.dumps({"predictions": predictions})
    except InvalidInput as refusal:
        return 400, orjson.dumps({"error": str(refusal)})
    except Exception as error:
        logger.exception("%s cannot answer", model.name)
        return 500, orjson.dumps({"error": f"{type(error).__name__}: {error}"})


def _instances(model: ServedModel, body: bytes) -> Any:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise model.stable.refuse(f"the request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise model.stable.refuse('the request must be a JSON object with "instances"')
    return request.get("instances")
