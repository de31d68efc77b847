"""V2 over gRPC: KServe's servicer on the requested address, within limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio
from kserve import InferRequest
from kserve.constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from .bodies import Bodies, Body, Refused
from .connection import count_refused
from .data_plane import VersionedDataPlane
from .limits import Limits
from .timeouts import Timeout, timeout

_THREADS = 4
_GRACE_SECONDS = 30
_IDLE_SECONDS = 65  # as KServe's HTTP connections
# Of requests that are still coming, so many are waited for longer than a moment.
_COMING, _MOMENT = 64, 1.0


class GrpcServer:
    """Serves V2 over gRPC until it is stopped. KServe's own listens on every address of the machine, whatever the host is.

    Args:
        host: The address to listen on.
        port: The port.
        data_plane: What answers.
        repository: What loads and unloads models.
        bodies: What all requests hold, and their limits.
    """

    def __init__(self, host: str, port: int, data_plane: VersionedDataPlane, repository: ModelRepositoryExtension, bodies: Bodies) -> None:
        self._address = f"{_grpc_host(host)}:{port}"
        self._servicer = V2Servicer(data_plane, repository)
        self._bodies = bodies
        self._server: aio.Server | None = None

    async def serve(self) -> None:
        """Answers until it is stopped."""
        self._server = aio.server(
            ThreadPoolExecutor(_THREADS),
            interceptors=(LimitedRequests(self._bodies), ExceptionToStatusInterceptor()),
            options=_options(self._bodies.limits),
            maximum_concurrent_rpcs=self._bodies.limits.max_connections,
        )
        add_GRPCInferenceServiceServicer_to_server(self._servicer, self._server)
        self._server.add_insecure_port(self._address)
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self) -> None:
        """Takes no more requests, and ends once those under way have ended."""
        if self._server:
            await self._server.stop(_GRACE_SECONDS)


class V2Servicer(InferenceServicer):
    """KServe's, and what it leaves out: the version that is asked for, and whether values are where their datatype has them."""

    _data_plane: VersionedDataPlane

    @classmethod
    def validate_grpc_request(cls, request: pb.ModelInferRequest) -> None:
        """Checks what NumPy could not tell any more.

        Raises:
            InvalidInput: A tensor has values in another field than its datatype's.
        """
        super().validate_grpc_request(request)
        for tensor in request.inputs:
            expected = GRPC_CONTENT_DATATYPE_MAPPINGS.get(tensor.datatype)
            if others := [field.name for field, _ in tensor.contents.ListFields() if field.name != expected]:
                raise InvalidInput(f"feature {tensor.name!r:.60} has {others[0]}, which do not belong to {tensor.datatype!r:.60}")

    async def ModelInfer(self, request: pb.ModelInferRequest, context: aio.ServicerContext) -> pb.ModelInferResponse:
        """Answers, and says as trailing metadata what REST says in headers; KServe's own leaves it out."""
        self.validate_grpc_request(request)
        answer, headers = await self._data_plane.infer(request.model_name, InferRequest.from_grpc(request))
        context.set_trailing_metadata(tuple(headers.items()))
        return answer.to_grpc()

    async def ModelReady(self, request: pb.ModelReadyRequest, context: aio.ServicerContext) -> pb.ModelReadyResponse:
        """Tells whether a version is ready."""
        self._data_plane.require_version(request.name, request.version)
        return await super().ModelReady(request, context)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: aio.ServicerContext) -> pb.ModelMetadataResponse:
        """Describes a model, with its versions."""
        self._data_plane.require_version(request.name, request.version)
        metadata = await self._data_plane.model_metadata(request.name)
        return pb.ModelMetadataResponse(**metadata | ({"versions": [request.version]} if request.version else {}))


class LimitedRequests(aio.ServerInterceptor):
    """Waits a limited time for a request's message, and holds it as REST holds a body. gRPC has a limit on its size alone.

    Args:
        bodies: What all requests hold, and their limits.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._coming: dict[Timeout, float] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Reads the message itself: a stream of one."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def answer(messages: AsyncIterator[bytes], context: aio.ServicerContext) -> Any:
            body = Body(self._bodies)
            try:
                content = await self._message(messages)
                await body.hold(len(content))
                return await handler.unary_unary(handler.request_deserializer(content), context)
            except asyncio.TimeoutError:  # another than `TimeoutError` in Python 3.10
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the request took too long to come")
            except Refused as refusal:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(refusal))
            except (StopAsyncIteration, DecodeError):
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request has no message that can be read")
            finally:
                body.release()

        return grpc.stream_unary_rpc_method_handler(answer, None, handler.response_serializer)

    async def _message(self, messages: AsyncIterator[bytes]) -> bytes:
        """Waits for a message. Where many are coming, the one that has kept the server waiting longest is given up."""
        now = asyncio.get_running_loop().time()
        oldest, since = next(iter(self._coming.items()), (None, now))
        if oldest and len(self._coming) >= _COMING and since < now - _MOMENT:
            del self._coming[oldest]
            oldest.reschedule(now)
        try:
            async with timeout(self._bodies.limits.request_timeout) as waiting:
                self._coming[waiting] = now
                return await anext(aiter(messages))
        except asyncio.TimeoutError:
            count_refused(HTTPStatus.REQUEST_TIMEOUT)
            raise
        finally:
            self._coming.pop(waiting, None)


def _options(limits: Limits) -> list[tuple[str, int]]:
    """Returns gRPC's own limits: https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h."""
    return [
        ("grpc.max_send_message_length", limits.max_body),
        ("grpc.max_receive_message_length", limits.max_body),
        ("grpc.max_metadata_size", limits.max_header),
        ("grpc.max_concurrent_streams", limits.max_connections),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.server_handshake_timeout_ms", int(limits.request_timeout * 1000)),
        ("grpc.max_connection_idle_ms", _IDLE_SECONDS * 1000),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # none: a small message may become any size
    ]


def _grpc_host(host: str) -> str:
    """Returns an address as gRPC writes it; all of them are those of both IP versions, as KServe has it."""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return "[::]"
    return f"[{host}]" if ":" in host else host
