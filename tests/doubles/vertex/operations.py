"""Long-running operations (google.longrunning.Operations)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud.aiplatform_v1.types import GenericOperationMetadata
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2

from .errors import ApiError, precondition
from .faults import RUN, Faults
from .methods import Methods
from .state import State

_MOST_SECONDS_TO_WAIT = 60.0
_MOMENT_SECONDS = 0.5


@dataclass
class _Pending:
    message: operations_pb2.Operation
    resource: str
    done: threading.Event = field(default_factory=threading.Event)
    canceled: threading.Event = field(default_factory=threading.Event)


class Operations:
    """The operations that were begun.

    Attributes:
        seconds: How long an operation takes. With 0, the default, it is done before the client can ask for the first time.
    """

    def __init__(self, state: State, faults: Faults) -> None:
        self.seconds = 0.0
        self._state = state
        self._faults = faults
        self._operations: dict[str, _Pending] = {}
        self.methods: Methods = {
            "GetOperation": (self.get, operations_pb2.GetOperationRequest),
            "ListOperations": (self.list, operations_pb2.ListOperationsRequest),
            "WaitOperation": (self.wait, operations_pb2.WaitOperationRequest),
            "CancelOperation": (self.cancel, operations_pb2.CancelOperationRequest),
            "DeleteOperation": (self.delete, operations_pb2.DeleteOperationRequest),
        }

    def begin(self, name: str, request: Any, resource: str, metadata: Any, work: Callable[[], Any]) -> operations_pb2.Operation:
        """Begins an operation.

        Args:
            name: The method that begins it.
            request: The call's message.
            resource: The name of the resource that it is about.
            metadata: Its metadata message, with a `generic_metadata`.
            work: What it does and answers; an `ApiError` is what it ends with.

        Returns:
            The operation, not done yet.
        """
        now = self._state.now()
        metadata.generic_metadata = GenericOperationMetadata(create_time=now, update_time=now)
        operation = operations_pb2.Operation(name=f"{resource}/operations/{self._state.new_number()}")
        operation.metadata.Pack(type(metadata).pb(metadata))
        pending = _Pending(operation, resource)
        self._operations[operation.name] = pending
        answer = operations_pb2.Operation.FromString(operation.SerializeToString())
        threading.Thread(target=self._run, args=(name, request, pending, work), daemon=True).start()
        return answer

    def settle(self, name: str) -> None:
        """Waits a moment for an operation that is to take no time, so that the first who asks finds it done."""
        pending = self._operations.get(name)
        if pending and not self.seconds:
            pending.done.wait(_MOMENT_SECONDS)

    def clear(self) -> None:
        """Forgets all operations; those that run have no effect any more."""
        self.seconds = 0.0
        running, self._operations = [pending for pending in self._operations.values() if not pending.message.done], {}
        for pending in running:
            pending.canceled.set()
        for pending in running:  # one that starts a model server may take longer; its endpoint is gone by then
            pending.done.wait(_MOMENT_SECONDS)

    def check_none_runs(self, resource: str) -> None:
        """Refuses to begin an operation on a resource on which another one runs."""
        running = [name for name, pending in self._operations.items() if pending.resource == resource and not pending.message.done]
        if running:
            raise precondition(f'There are other operations running on the resource "{resource}". Operation(s) are: {", ".join(running)}.')

    def get(self, request: operations_pb2.GetOperationRequest, _: grpc.ServicerContext) -> operations_pb2.Operation:
        """Answers GetOperation."""
        return self._copy(self._find(request.name))

    def list(self, request: operations_pb2.ListOperationsRequest, _: grpc.ServicerContext) -> operations_pb2.ListOperationsResponse:
        """Answers ListOperations, for a location or for a resource; without filter and pages."""
        prefix = request.name.removesuffix("/operations") + "/"
        prefix = prefix.replace(f"projects/{self._state.names.project}/", f"projects/{self._state.names.number}/", 1)
        found = [self._copy(pending) for name, pending in list(self._operations.items()) if name.startswith(prefix)]
        return operations_pb2.ListOperationsResponse(operations=found)

    def wait(self, request: operations_pb2.WaitOperationRequest, _: grpc.ServicerContext) -> operations_pb2.Operation:
        """Answers WaitOperation."""
        pending = self._find(request.name)
        seconds = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else _MOST_SECONDS_TO_WAIT
        pending.done.wait(min(seconds, _MOST_SECONDS_TO_WAIT))
        return self._copy(pending)

    def cancel(self, request: operations_pb2.CancelOperationRequest, _: grpc.ServicerContext) -> Empty:
        """Answers CancelOperation: stops what has not had its effect yet."""
        self._find(request.name).canceled.set()
        return Empty()

    def delete(self, request: operations_pb2.DeleteOperationRequest, _: grpc.ServicerContext) -> Empty:
        """Answers DeleteOperation: forgets one that has ended."""
        pending = self._find(request.name)
        if not pending.message.done:
            raise precondition(f'The operation "{request.name}" is still running.')
        del self._operations[pending.message.name]
        return Empty()

    def _copy(self, pending: _Pending) -> operations_pb2.Operation:
        with self._state.lock:
            return operations_pb2.Operation.FromString(pending.message.SerializeToString())

    def _find(self, name: str) -> _Pending:
        known = name.replace(f"projects/{self._state.names.project}/", f"projects/{self._state.names.number}/", 1)
        if known not in self._operations:
            raise ApiError(grpc.StatusCode.NOT_FOUND, f'The operation "{name}" does not exist.')
        return self._operations[known]

    def _run(self, name: str, request: Any, pending: _Pending, work: Callable[[], Any]) -> None:
        call, faults = self._faults.record(f"{name}{RUN}", request, {})
        pending.canceled.wait(self.seconds)
        result = operations_pb2.Operation()
        try:
            self._faults.strike(call, faults, after=False, is_active=lambda: not pending.canceled.is_set())
            if pending.canceled.is_set():
                raise ApiError(grpc.StatusCode.CANCELLED, "The operation was cancelled.")
            response = work()
            self._faults.strike(call, faults, after=True)
            result.response.Pack(response if isinstance(response, Empty) else type(response).pb(response))
        except ApiError as error:
            call.status = error.code
            result.error.CopyFrom(error.status)
        except Exception as error:  # a defect of this double; the client that waits for the operation must get it
            result.error.CopyFrom(status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=f"defect of the double: {error!r}"))
        with self._state.lock:
            result.done = True
            pending.message.MergeFrom(result)
        call.status = call.status or grpc.StatusCode.OK
        pending.done.set()
