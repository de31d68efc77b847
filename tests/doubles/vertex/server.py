"""The gRPC server: who calls, whether they may, what goes wrong, and the answer."""

import operator
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    "CreateCustomJob": ("aiplatform.customJobs.create", "parent"),
    "GetCustomJob": ("aiplatform.customJobs.get", "name"),
    "ListCustomJobs": ("aiplatform.customJobs.list", "parent"),
    "CancelCustomJob": ("aiplatform.customJobs.cancel", "name"),
    "CreatePipelineJob": ("aiplatform.pipelineJobs.create", "parent"),
    "GetPipelineJob": ("aiplatform.pipelineJobs.get", "name"),
    "ListPipelineJobs": ("aiplatform.pipelineJobs.list", "parent"),
    "CancelPipelineJob": ("aiplatform.pipelineJobs.cancel", "name"),
    "DeletePipelineJob": ("aiplatform.pipelineJobs.delete", "name"),
    "CreateSchedule": ("aiplatform.schedules.create", "parent"),
    "GetSchedule": ("aiplatform.schedules.get", "name"),
    "ListSchedules": ("aiplatform.schedules.list", "parent"),
    "PauseSchedule": ("aiplatform.schedules.update", "name"),
    "ResumeSchedule": ("aiplatform.schedules.update", "name"),
    "UpdateSchedule": ("aiplatform.schedules.update", "schedule.name"),
    "DeleteSchedule": ("aiplatform.schedules.delete", "name"),
    "CreateContext": ("aiplatform.contexts.create", "parent"),
    "GetContext": ("aiplatform.contexts.get", "name"),
    "AddContextChildren": ("aiplatform.contexts.update", "context"),
}
# Giving a service account to a model needs this on the account.
ACT_AS = "iam.serviceAccounts.actAs"
_ACCOUNTS = {
    "UploadModel": "service_account",
    "DeployModel": "deployed_model.service_account",
    "CreateCustomJob": "custom_job.job_spec.service_account",
    "CreatePipelineJob": "pipeline_job.service_account",
    "CreateSchedule": "schedule.create_pipeline_job_request.pipeline_job.service_account",
}


@dataclass(frozen=True)
class Method:
    """A method of a service.

    Attributes:
        name: Its own name.
        answer: What answers it.
        kind: Its request's type.
        locked: Whether it reads and changes the state, alone.
    """

    name: str
    answer: Callable[..., Any]
    kind: Any
    locked: bool


class Server:
    """Serves the methods of some services over TLS.

    Attributes:
        methods: What it serves, by service and method (`google.cloud.aiplatform.v1.ModelService/GetModel`).
        denied: The permissions that the caller lacks.
        port: Where it listens, on localhost.
    """

    def __init__(self, state: State, operations: Operations, faults: Faults, identity: Identity) -> None:
        self.methods: dict[str, Method] = {}
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
            self.methods[f"{service}/{name}"] = Method(name, answer, kind, locked)
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                self._handler(f"{service}/{name}"),
                request_deserializer=getattr(kind, "deserialize", None) or kind.FromString,
                response_serializer=_serialize,
            )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])

    def call(self, name: str, request: Any, metadata: dict[str, str], context: Any) -> Any:
        """Answers a call, whatever brought it.

        Args:
            name: The service's full name and the method's, with a slash between them.
            request: The message.
            metadata: What the client sent with it.
            context: Tells whether the client still waits, and sends headers.

        Raises:
            ApiError: The call is refused.
        """
        method = self.methods[name]
        call, faults = self._faults.record(method.name, request, metadata)
        try:
            self._identity.check(call.metadata.get("authorization", ""))
            self._faults.strike(call, faults, after=False, is_active=context.is_active)
            self._check_permission(method.name, request)
            response = self._answer(method, request, context)
            self._faults.strike(call, faults, after=True, is_active=context.is_active)
        except ApiError as error:
            call.status = error.code
            raise
        call.status = grpc.StatusCode.OK
        return response

    def start(self, certificate: Path, key: Path, port: int) -> None:
        """Listens on localhost; at any free port if it is 0."""
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self._server.start()

    def stop(self) -> None:
        """Stops, and ends the calls that run."""
        self._server.stop(grace=_GRACE_SECONDS).wait()

    def _handler(self, name: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self.call(name, request, dict(context.invocation_metadata()), context)
            except ApiError as error:
                context.abort_with_status(rpc_status.to_status(error.status))

        return handle

    def _answer(self, method: Method, request: Any, context: Any) -> Any:
        if not method.locked:
            return method.answer(request, context)
        with self._state.lock:
            response = method.answer(request)
        if isinstance(response, operations_pb2.Operation):
            self._operations.settle(response.name)
        return response

    def _check_permission(self, name: str, request: Any) -> None:
        permission, field = PERMISSIONS.get(name, ("", ""))
        if permission in self.denied:
            raise permission_denied(permission, operator.attrgetter(field)(request))
        account = operator.attrgetter(_ACCOUNTS[name])(request) if name in _ACCOUNTS else ""
        if account and ACT_AS in self.denied:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, f"You do not have permission to act as service account: {account}.")


def _serialize(message: Any) -> bytes:
    return type(message).serialize(message) if isinstance(message, proto.Message) else message.SerializeToString()
