"""A fast path for predictions, V1 and V2.

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
from kserve.errors import InvalidInput, ModelNotFound, ServerNotReady

from .bodies import Bodies, Body, Receive, Refused, is_large
from .checks import check_request, v1_instances
from .data_plane import VersionedDataPlane
from .limits import Limits
from .models import Models, ServedModel
from .tensors import read_request

logger = logging.getLogger(__name__)
_V1, _PREDICT = "/v1/models/", ":predict"
_V2, _INFER, _VERSIONS = "/v2/models/", "/infer", "/versions/"
_JSON_LENGTH = INFERENCE_CONTENT_LENGTH_HEADER.encode()
_Headers = list[tuple[bytes, bytes]]
# A body, where the JSON in it ends if not at its end, and the headers that belong to it; and the status with them.
_Content = tuple[bytes, int | None, dict[str, str]]
_Answer = tuple[int, bytes, int | None, dict[str, str]]
_Scope = MutableMapping[str, Any]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class FastPath:
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
        headers: _Headers = scope["headers"]
        try:
            if path == self._predict_route:
                await self._send(send, *await self._predict(self._only_model(), "", content))
            elif path.startswith(_V1) and path.endswith(_PREDICT) and not _is_cloud_event(headers):
                await self._send(send, *await self._predict(*self._asked(path[len(_V1) : -len(_PREDICT)]), content))
            elif path.startswith(_V2) and path.endswith(_INFER):
                await self._send(send, *await self._infer(*self._asked(path[len(_V2) : -len(_INFER)]), content, headers))
            else:
                await self._app(scope, _again(content, receive), send)
        except ModelNotFound as error:
            await self._send(send, HTTPStatus.NOT_FOUND, _error(error))

    def _only_model(self) -> ServedModel:
        """Returns the model of a server that has one.

        Raises:
            ModelNotFound: It has none.
        """
        model = next(iter(self._models.get_models().values()), None)
        if model is None:
            raise ModelNotFound(self._predict_route)
        return model

    def _asked(self, path: str) -> tuple[ServedModel, str]:
        """Returns the model that a path names, and the version; empty for any.

        Raises:
            ModelNotFound: It is not here.
        """
        name, _, version = path.partition(_VERSIONS)
        model = self._models.get(name)
        if model is None:
            raise ModelNotFound(name)
        return model, version

    async def _predict(self, model: ServedModel, version: str, content: bytes) -> _Answer:
        async def answer() -> _Content:
            with model.seconds.time():
                headers: dict[str, str] = {}
                instances = await _read(_instances, model, content, self._bodies.limits)
                return orjson.dumps({"predictions": await model.predict_rows(instances, headers, version)}), None, headers

        return await _answered(model, answer())

    async def _infer(self, model: ServedModel, version: str, content: bytes, headers: _Headers) -> _Answer:
        async def answer() -> _Content:
            length = next((value.decode("latin-1") for name, value in headers if name == _JSON_LENGTH), None)
            request = await _read(_v2_request, model, content, self._bodies.limits, length)
            request.model_version = version
            response, more_headers = await self._data_plane.infer(model.name, request)
            return *response.to_rest(), more_headers

        return await _answered(model, answer())

    async def _send(
        self, send: _Send, status: int, body: bytes, json_length: int | None = None, more_headers: dict[str, str] | None = None
    ) -> None:
        kind = b"application/json" if json_length is None else b"application/octet-stream"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        headers += [(name.encode(), value.encode()) for name, value in (more_headers or {}).items()]
        if json_length is not None:
            headers.append((_JSON_LENGTH, b"%d" % json_length))
        if self._is_draining():
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _answered(model: ServedModel, answer: Awaitable[_Content]) -> _Answer:
    """Returns the status, the body, where the JSON in it ends if not at its end, and the headers to say with it.

    Raises:
        ModelNotFound: The version that was asked for does not answer.
    """
    try:
        return HTTPStatus.OK, *await answer
    except InvalidInput as refusal:
        return HTTPStatus.BAD_REQUEST, _error(refusal), None, {}
    except ServerNotReady as problem:
        return HTTPStatus.SERVICE_UNAVAILABLE, _error(problem), None, {}
    except ModelNotFound:
        raise
    except Exception as error:
        logger.exception("%s cannot answer", model.name)
        return HTTPStatus.INTERNAL_SERVER_ERROR, orjson.dumps({"error": f"{type(error).__name__}: {error}"}), None, {}


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
        return v1_instances(request)
    except orjson.JSONDecodeError as error:
        raise model.stable.refuse(f"the request is not JSON: {error}") from error
    except InvalidInput as refusal:
        raise model.stable.refuse(refusal.reason) from refusal


def _v2_request(model: ServedModel, content: bytes, limits: Limits, length: str | None) -> InferRequest:
    try:
        return read_request(content, length, model.name, limits)
    except InvalidInput as refusal:
        raise model.stable.refuse(refusal.reason) from refusal


def _is_cloud_event(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tells whether a body is a CloudEvent, which KServe unpacks."""
    return any(name.startswith(b"ce-") or (name == b"content-type" and b"cloudevents" in value) for name, value in headers)


def _again(content: bytes, receive: Receive) -> Receive:
    """Replays a body that has already been read."""
    unread = [{"type": "http.request", "body": content, "more_body": False}]

    async def read() -> MutableMapping[str, Any]:
        return unread.pop() if unread else await receive()

    return read


def _error(error: Exception) -> bytes:
    return orjson.dumps({"error": str(error)})
