"""V2 over gRPC: KServe's servicer, on the address that was asked for."""

from concurrent.futures import ThreadPoolExecutor

from grpc import aio
from kserve.constants.constants import MAX_GRPC_MESSAGE_LENGTH
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

_THREADS = 4
_GRACE_SECONDS = 30
_OPTIONS = [("grpc.max_send_message_length", MAX_GRPC_MESSAGE_LENGTH), ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_LENGTH)]


class GrpcServer:
    """Serves V2 over gRPC until it is stopped. KServe's own listens on every address of the machine, whatever the host is.

    Args:
        host: The address to listen on.
        port: The port.
        data_plane: What answers.
        repository: What loads and unloads models.
    """

    def __init__(self, host: str, port: int, data_plane: DataPlane, repository: ModelRepositoryExtension) -> None:
        self._address = f"{_grpc_host(host)}:{port}"
        self._servicer = InferenceServicer(data_plane, repository)
        self._server: aio.Server | None = None

    async def serve(self) -> None:
        """Answers until it is stopped."""
        self._server = aio.server(
            ThreadPoolExecutor(_THREADS), interceptors=(LoggingInterceptor(), ExceptionToStatusInterceptor()), options=_OPTIONS
        )
        add_GRPCInferenceServiceServicer_to_server(self._servicer, self._server)
        self._server.add_insecure_port(self._address)
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self) -> None:
        """Takes no more requests, and ends once those under way have ended."""
        if self._server:
            await self._server.stop(_GRACE_SECONDS)


def _grpc_host(host: str) -> str:
    """Returns an address as gRPC writes it; all of them are those of both IP versions, as KServe has it."""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return "[::]"
    return f"[{host}]" if ":" in host else host
