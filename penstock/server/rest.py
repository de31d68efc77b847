"""KServe's REST server, within limits, with a fast path for predictions."""

import asyncio
import functools
import time
from http import HTTPStatus
from socket import socket
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
from kserve.errors import ServerNotReady
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException
from uvicorn.importer import import_from_string

from .bodies import Bodies
from .connection import LimitedConnection
from .data_plane import VersionedDataPlane
from .fast_path import FastPath
from .limits import BACKLOG
from .models import Models
from .options import Options
from .repository import ClosedRepository, add_endpoints

# Connections are checked once a second.
_TICKS = 10


class Rest(RESTServer):
    """Serves REST on a socket until SIGTERM, and then until the requests under way have ended.

    Args:
        models: What is served.
        options: The options of the server: its port, its routes, its drain time.
        bodies: What all requests hold, and their limits.
    """

    def __init__(self, models: Models, options: Options, bodies: Bodies) -> None:
        self.models, self._options, self._bodies = models, options, bodies
        self.extension = ClosedRepository(models)
        self._data_plane = VersionedDataPlane(models, self.is_draining, bodies.limits)
        super().__init__(FASTAPI_APP_IMPORT_STRING, self._data_plane, self.extension, options.http_port)
        self.config.access_log = False  # `/metrics` counts; a line for each request costs as much as the answer
        self.config.http = functools.partial(LimitedConnection, limits=bodies.limits)
        self.config.proxy_headers = False  # who asks through which proxy decides nothing here
        self.config.ws = "none"  # a WebSocket would be a connection without limits
        self.config.backlog = BACKLOG
        self._server = DrainingServer(self.config, options.drain_seconds)

    def is_draining(self) -> bool:
        """Tells whether the server is about to end."""
        return self._server.is_draining

    def create_application(self) -> None:
        """Makes KServe's application, and puts the fast path before it."""
        super().create_application()
        app = import_from_string(FASTAPI_APP_IMPORT_STRING)
        if self._options.health_route:
            app.add_api_route(self._options.health_route, self._health, methods=["GET"])
        route = self._options.predict_route
        self.config.app = FastPath(app, self._data_plane, self.models, self._bodies, self.is_draining, route)

    def _register_endpoints(self, app: FastAPI) -> None:
        """Registers KServe's endpoints after those that take their places."""
        add_endpoints(app, self.models)
        version = "/v2/models/{name}/versions/{version}"
        app.add_api_route(version, self._metadata, methods=["GET"])
        app.add_api_route(f"{version}/ready", self._ready, methods=["GET"])
        super()._register_endpoints(app)

    async def serve(self, listener: socket) -> None:
        """Answers until SIGTERM."""
        self.create_application()
        await self._server.serve(sockets=[listener])

    def _add_exception_handlers(self, app: FastAPI) -> None:
        super()._add_exception_handlers(app)
        app.add_exception_handler(RequestValidationError, _malformed)
        app.add_exception_handler(NotImplementedError, _not_here)
        app.add_exception_handler(HTTPException, _nothing_there)

    async def _metadata(self, name: str, version: str) -> dict[str, Any]:
        self._data_plane.require_version(name, version)
        return await self._data_plane.model_metadata(name) | {"versions": [version]}

    async def _ready(self, name: str, version: str) -> dict[str, Any]:
        self._data_plane.require_version(name, version)
        return {"name": name, "ready": await self._data_plane.model_ready(name)}

    async def _health(self) -> dict[str, str]:
        if not await self.dataplane.ready():
            raise ServerNotReady
        return {"status": "ready"}


class DrainingServer(uvicorn.Server):
    """Ends some time after the signal, so that load balancers can stop sending requests here."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._end: float | None = None

    @property
    def is_draining(self) -> bool:
        """Whether the signal has come."""
        return self._end is not None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain. A second signal skips the wait."""
        self.force_exit = self.is_draining
        self._end = time.monotonic() + (0 if self.force_exit else self._drain_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Tells whether to end; uvicorn asks ten times a second."""
        if counter % _TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast(LimitedConnection, connection).check_time(now)
        return await super().on_tick(counter) or (self._end is not None and time.monotonic() >= self._end)


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    """Answers what does not fit KServe's own endpoints; FastAPI would send all of it back, and fail at what is not JSON."""
    return JSONResponse(
        {"error": f"the request is malformed: {cast(RequestValidationError, error).errors()[0]['msg']}"}, HTTPStatus.BAD_REQUEST
    )


async def _nothing_there(_: Request, error: Exception) -> JSONResponse:
    """Answers whatever has no endpoint, in the words of both protocols; FastAPI has its own."""
    refusal = cast(HTTPException, error)
    return JSONResponse({"error": refusal.detail}, refusal.status_code, refusal.headers)


async def _not_here(_: Request, error: Exception) -> JSONResponse:
    """Answers what KServe offers and no model of this server has, as `:explain`."""
    return JSONResponse({"error": str(error)}, HTTPStatus.NOT_FOUND)
