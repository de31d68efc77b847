"""A short way for predictions, V1 and V2.

KServe's own endpoints go through FastAPI, three timers and two middlewares: more than everything that a small model costs.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

import orjson
from kserve import InferRequest
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.errors import InferenceError, InvalidInput, ModelNotFound

from .bodies import Bodies, Body, Receive, Refused, is_large
from .checks import check_request
from .data_plane import VersionedDataPlane
from .limits import Limits
from .models import Models, ServedModel
from .tensors import read_request

logger = logging.getLogger(__name__)
_V1, _PREDICT = "/v1/models/", ":predict"
_V2, _INFER, _VERSIONS = "/v2/models/", "/infer", "/versions/"
_JSON_LENGTH = INFERENCE_CONTENT_LENGTH_HEADER.encode()
_Headers = list[tuple[bytes, bytes]]
_Scope = MutableMapping[str, Any]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ShortWay:
    """Answers predictions itself, whatever type the body says it has (curl says a form), and hands everything else to KServe's application.

    Args:
        app: KServe's application.
        data_plane: KServe's data plane.
        models: What is served.
        bodies: What all requests hold.
        is_draining: Whether the server is about to end, so that connections are not to be kept.
        predict_route: Another path that predicts with the only model; empty for none.
    """

    def __init__(
        self, app: Any, data_plane: VersionedDataPlane, models: Models, bodies: Bodies, is_draining: Callable[[], bool], predict_route: str
    ) -> None:
        self._app, self._data_plane, self._models, self._bodies = app, data_plane, models, bodies
        self._is_draining, self._predict_route = is_draining, predict_route

    async def __call__(self, scope: _Scope, receive: Receive, send: _Send) -> None:
        """Takes one request, as ASGI has it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = Body(self._bodies)
        try:
            content = await body.read(scope["headers"], receive)
            if content is not None:
                await self._answer(scope, content, receive, send)
        except Refused as refusal:
            await self._send(send, refusal.status, _error(refusal))
        finally:
            body.release()

    async def _answer(self, scope: _Scope, content: bytes, receive: Receive, send: _Send) -> None:
        path: str = scope["path"]
        if (model := self._v1_model(path, scope["headers"])) is not None:
            await self._send(send, *await _answered(model, self._predict(model, content)))
        elif path.startswith(_V2) and path.endswith(_INFER):
            try:
                model = self._v2_model(path[len(_V2) : -len(_INFER)])
            except ModelNotFound as error:
                await self._send(send, HTTPStatus.NOT_FOUND, _error(error))
                return
            await self._send(send, *await _answered(model, self._infer(model, content, scope["headers"])))
        else:
            await self._app(scope, _again(content, receive), send)

    def _v1_model(self, path: str, headers: _Headers) -> ServedModel | None:
        """Returns the model that a V1 prediction asks; None for any other request, and for a model that is not here."""
        if path == self._predict_route:
            return next(iter(self._models.get_models().values()), None)
        if path.startswith(_V1) and path.endswith(_PREDICT) and not _is_cloud_event(headers):
            return self._models.get(path[len(_V1) : -len(_PREDICT)])
        return None

    def _v2_model(self, asked: str) -> ServedModel:
        name, _, version = asked.partition(_VERSIONS)
        model = self._models.get(name)
        if model is None or (version and version != model.stable.version):
            raise ModelNotFound(asked.replace(_VERSIONS, ", version "))
        return model

    async def _predict(self, model: ServedModel, content: bytes) -> tuple[Any, None]:
        with model.seconds.time():
            return {"predictions": await model.predict_rows(await _read(_instances, model, content, self._bodies.limits))}, None

    async def _infer(self, model: ServedModel, content: bytes, headers: _Headers) -> tuple[Any, int | None]:
        length = next((value.decode("latin-1") for name, value in headers if name == _JSON_LENGTH), None)
        request = await _read(_v2_request, model, content, self._bodies.limits, length)
        response, _ = await self._data_plane.infer(model.name, request)
        return response.to_rest()

    async def _send(self, send: _Send, status: int, body: bytes, json_length: int | None = None) -> None:
        kind = b"application/json" if json_length is None else b"application/octet-stream"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        if json_length is not None:
            headers.append((_JSON_LENGTH, b"%d" % json_length))
        if self._is_draining():
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _answered(model: ServedModel, answer: Awaitable[tuple[Any, int | None]]) -> tuple[int, bytes, int | None]:
    """Returns the status, the body, and where the JSON in it ends if not at its end."""
    try:
        content, json_length = await answer
        return HTTPStatus.OK, content if isinstance(content, bytes) else orjson.dumps(content), json_length
    except (InvalidInput, InferenceError) as refusal:  # KServe's for an output that JSON cannot hold
        return HTTPStatus.BAD_REQUEST, _error(refusal), None
    except Exception as error:
        logger.exception("%s cannot answer", model.name)
        return HTTPStatus.INTERNAL_SERVER_ERROR, orjson.dumps({"error": f"{type(error).__name__}: {error}"}), None


async def _read(read: Callable[..., Any], model: ServedModel, content: bytes, *how: Any) -> Any:
    """Reads a body; a large one in a thread, so that others are answered meanwhile."""
    return await asyncio.to_thread(_uncollected, read, model, content, *how) if is_large(content) else read(model, content, *how)


def _uncollected(read: Callable[..., Any], *arguments: Any) -> Any:
    """Calls without the garbage collector, which would go through millions of new values again and again."""
    gc.disable()
    try:
        return read(*arguments)
    finally:
        gc.enable()


def _instances(model: ServedModel, content: bytes, limits: Limits) -> Any:
    try:
        request = orjson.loads(content)
        check_request(request, limits, content)
    except orjson.JSONDecodeError as error:
        raise model.stable.refuse(f"the request is not JSON: {error}") from error
    except InvalidInput as refusal:
        raise model.stable.refuse(refusal.reason) from refusal
    if not isinstance(request, dict):
        raise model.stable.refuse('the request must be a JSON object with "instances"')
    return request.get("instances")


def _v2_request(model: ServedModel, content: bytes, limits: Limits, length: str | None) -> InferRequest:
    try:
        return read_request(content, length, model.name, limits)
    except InvalidInput as refusal:
        raise model.stable.refuse(refusal.reason) from refusal


def _is_cloud_event(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tells whether a body is a CloudEvent, which KServe unpacks."""
    return any(name.startswith(b"ce-") or (name == b"content-type" and b"cloudevents" in value) for name, value in headers)


def _again(content: bytes, receive: Receive) -> Receive:
    """Gives a body that has been read to whoever reads it next."""
    unread = [{"type": "http.request", "body": content, "more_body": False}]

    async def read() -> MutableMapping[str, Any]:
        return unread.pop() if unread else await receive()

    return read


def _error(error: Exception) -> bytes:
    return orjson.dumps({"error": str(error)})
