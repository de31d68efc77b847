"""Loads and unloads models, for clients that can read the served folder. With a single model, no client may do this.

KServe's own endpoints have no authentication: one request without a body unloads a model for every client, and a page in a browser can
send it too.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from kserve.errors import ModelNotFound
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from penstock.components.release.names import is_model_name
from penstock.components.release.server_token import is_authorized
from penstock.components.release.serving import CANDIDATE

from .folder import FolderModels
from .models import Models

_ENDPOINTS = "/v2/repository"


class NotOffered(NotImplementedError):
    """An answer of KServe's for what a server does not do: 501, and `UNIMPLEMENTED` over gRPC."""

    reason = "this server loads and unloads no model on request"

    def __str__(self) -> str:
        """Returns what the client reads."""
        return self.reason


class ClosedRepository(ModelRepositoryExtension):
    """Refuses whatever KServe's endpoints ask for; over gRPC there are no others."""

    async def load(self, model_name: str) -> NoReturn:
        """Loads nothing."""
        raise NotOffered

    async def unload(self, model_name: str) -> NoReturn:
        """Takes nothing away."""
        raise NotOffered


def add_endpoints(app: FastAPI, models: Models) -> None:
    """Handles KServe's paths before KServe does: requests with the folder's token are served, others get 404."""
    if isinstance(models, FolderModels):
        repository = ModelRepositoryExtension(models)
        for verb, act in (("load", repository.load), ("unload", repository.unload)):
            app.add_api_route(f"{_ENDPOINTS}/models/{{name}}/{verb}", _guarded(verb, act, models.folder), methods=["POST"])
    app.add_route(f"{_ENDPOINTS}/{{path:path}}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


async def _nothing(_: Request) -> JSONResponse:
    return JSONResponse({"error": NotOffered.reason}, 404)


def _guarded(verb: str, act: Callable[[str], Awaitable[None]], folder: Path) -> Callable[..., Any]:
    async def endpoint(name: str, request: Request) -> JSONResponse:
        if not is_authorized(folder, request.headers.get("authorization", "")):
            return JSONResponse({"error": f"to {verb} a model, send the token in the folder's server.token as a Bearer token"}, 403)
        if not is_model_name(name.removesuffix(CANDIDATE)):
            raise ModelNotFound(name)
        await act(name)
        return JSONResponse({"name": name, verb: True})

    return endpoint
