"""The gRPC server: who calls, whether they may, what goes wrong, and the answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import proto
from google.longrunning import operations_pb2
from grpc_status import rpc_status

from .errors import ApiError, permission_denied
from .faults import Faults
from .identity import Identity
from .methods import Methods
from .operations import Operations
from .state import State

_THREADS = 64
_GRACE_SECONDS = 0.1
# What a caller needs (https://cloud.google.com/vertex-ai/docs/general/iam-permissions), and the field that names the resource.
PERMISSIONS = {
    "UploadModel": ("aiplatform.models.upload", "parent"),
    "GetModel": ("aiplatform.models.get", "name"),
    "ListModels": ("aiplatform.models.list", "parent"),
    "ListModelVersions": ("aiplatform.models.list", "name"),
    "UpdateModel": ("aiplatform.models.update", "model.name"),
    "MergeVersionAliases": ("aiplatform.models.update", "name"),
    "DeleteModel": ("aiplatform.models.delete", "name"),
    "DeleteModelVersion": ("aiplatform.models.delete", "name"),
    "CreateEndpoint": ("aiplatform.endpoints.create", "parent"),
    "GetEndpoint": ("aiplatform.endpoints.get", "name"),
    "ListEndpoints": ("aiplatform.endpoints.list", "parent"),
    "UpdateEndpoint": ("aiplatform.endpoints.update", "endpoint.name"),
    "DeleteEndpoint": ("aiplatform.endpoints.delete", "name"),
    "DeployModel": ("aiplatform.endpoints.deploy", "endpoint"),
    "UndeployModel": ("aiplatform.endpoints.undeploy", "endpoint"),
    "MutateDeployedModel": ("aiplatform.endpoints.deploy", "endpoint"),
    "Predict": ("aiplatform.endpoints.predict", "endpoint"),
    "RawPredict": ("aiplatform.endpoints.predict", "endpoint"),
}
# Whoever gives a service account to a model needs this on the account.
ACT_AS = "iam.serviceAccounts.actAs"


class Server:
    """Serves the methods of some services over TLS.

    Attributes:
        denied: The permissions that the caller lacks.
        port: Where it listens, on localhost.
    """

    def __init__(self, state: State, operations: Operations, faults: Faults, identity: Identity) -> None:
        self.denied: set[str] = set()
        self.port = 0
        self._state = state
        self._operations = operations
        self._faults = faults
        self._identity = identity
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 16 << 20)]
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)

    def add(self, service: str, methods: Methods, *, locked: bool = False) -> None:
        """Adds a service.

        Args:
            service: Its full name.
            methods: What answers each method, and its request's type.
            locked: Whether its methods read and change the state, one at a time.
        """
        handlers = {}
        for name, (answer, kind) in methods.items():
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                self._handler(name, answer, locked),
                request_deserializer=getattr(kind, "deserialize", None) or kind.FromString,
                response_serializer=_serialize,
            )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])

    def start(self, certificate: Path, key: Path, port: int) -> None:
        """Listens on localhost; at any free port if it is 0."""
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self._server.start()

    def stop(self) -> None:
        """Stops, and ends the calls that run."""
        self._server.stop(grace=_GRACE_SECONDS).wait()

    def _handler(self, name: str, answer: Callable[..., Any], locked: bool) -> Callable[[Any, grpc.ServicerContext], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            call, faults = self._faults.record(name, request, dict(context.invocation_metadata()))
            try:
                self._identity.check(call.metadata.get("authorization", ""))
                self._faults.strike(call, faults, after=False, is_active=context.is_active)
                self._check_permission(name, request)
                response = self._answer(answer, request, context, locked)
                self._faults.strike(call, faults, after=True, is_active=context.is_active)
            except ApiError as error:
                call.status = error.code
                context.abort_with_status(rpc_status.to_status(error.status))
            call.status = grpc.StatusCode.OK
            return response

        return handle

    def _answer(self, answer: Callable[..., Any], request: Any, context: grpc.ServicerContext, locked: bool) -> Any:
        if not locked:
            return answer(request, context)
        with self._state.lock:
            response = answer(request)
        if isinstance(response, operations_pb2.Operation):
            self._operations.settle(response.name)
        return response

    def _check_permission(self, name: str, request: Any) -> None:
        permission, field = PERMISSIONS.get(name, ("", ""))
        if permission in self.denied:
            resource = request
            for part in field.split("."):
                resource = getattr(resource, part)
            raise permission_denied(permission, resource)
        account = request.deployed_model.service_account if name == "DeployModel" else getattr(request, "service_account", "")
        if account and ACT_AS in self.denied:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, f"You do not have permission to act as service account: {account}.")


def _serialize(message: Any) -> bytes:
    return type(message).serialize(message) if isinstance(message, proto.Message) else message.SerializeToString()
