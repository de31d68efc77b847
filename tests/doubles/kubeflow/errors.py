"""What the API server answers when it refuses: `google.rpc.Status`, in its words.

Source of the words: kubeflow/pipelines, backend/src/common/util/error.go and backend/src/apiserver.
"""

import functools
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from ..kubernetes.answer import Answer
from ..kubernetes.faults import Refused

INVALID, NOT_FOUND, EXISTS, DENIED, ABORTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 3, 5, 6, 7, 10, 13, 14, 16
UNKNOWN, EXHAUSTED, UNIMPLEMENTED = 2, 8, 12
# How grpc-gateway maps gRPC's codes.
_HTTP = {
    INVALID: 400,
    NOT_FOUND: 404,
    EXISTS: 409,
    DENIED: 403,
    ABORTED: 409,
    INTERNAL: 500,
    UNAVAILABLE: 503,
    UNAUTHENTICATED: 401,
    EXHAUSTED: 429,
    UNIMPLEMENTED: 501,
}
Handler = TypeVar("Handler", bound=Callable[..., Any])


class KfpError(Refused):
    """A refusal.

    Attributes:
        grpc: gRPC's code.
        message: What a person reads.
        external: The message without what it is wrapped in, which stands in the details.
    """

    def __init__(self, grpc: int, message: str, external: str) -> None:
        detail = {"@type": "type.googleapis.com/google.rpc.Status", "code": grpc, "message": external}
        super().__init__(Answer(_HTTP[grpc], {"code": grpc, "message": message, "details": [detail]}))
        self.grpc = grpc
        self.message = message
        self.external = external

    def wrapped(self, context: str) -> "KfpError":
        """Says in what the error came up."""
        return KfpError(self.grpc, f"{context}: {self.message}", self.external)


def invalid(message: str) -> KfpError:
    """The request says something impossible."""
    return KfpError(INVALID, f"Invalid input error: {message}", message)


def invalid_spec(problem: str) -> KfpError:
    """The pipeline spec cannot be read."""
    return KfpError(INVALID, f"InvalidInputError: {problem}: pipeline spec is invalid", problem)


def not_found(kind: str, name: str) -> KfpError:
    """There is no such thing."""
    message = f"{kind} {name} not found"
    return KfpError(NOT_FOUND, f"ResourceNotFoundError: {message}", message)


def already_exists(message: str) -> KfpError:
    """The name is taken."""
    return KfpError(EXISTS, f"Already exist error: {message}", message)


def bad_request(problem: str, message: str) -> KfpError:
    """The thing's state does not allow it."""
    return KfpError(ABORTED, f"BadRequestError: {message}: {problem}", message)


def internal(cause: str, message: str) -> KfpError:
    """The server says that the fault is its own, be it or not."""
    return KfpError(INTERNAL, f"InternalServerError: {message}: {cause}", "Internal Server Error")


def unforeseen(cause: str) -> KfpError:
    """An error that the server has no words for."""
    message = f"Internal error: {cause}"
    return KfpError(INTERNAL, message, message)


def unauthenticated() -> KfpError:
    """The caller is unknown."""
    message = "Failed to check authorization. User identity is empty in the request header"
    cause = "Request header error: there is no user identity header."
    return KfpError(UNAUTHENTICATED, f"Unauthenticated: {message}: {cause}", message)


def denied(user: str, namespace: str, verb: str, resource: str, name: str = "") -> KfpError:
    """The user's roles do not allow it."""
    attributes = (
        f"Namespace:{namespace},Verb:{verb},Group:pipelines.kubeflow.org,Version:v1beta1,"
        f"Resource:{resource},Subresource:,Name:{name},FieldSelector:nil,LabelSelector:nil,"
    )
    message = f"User '{user}' is not authorized with reason:  (request: &ResourceAttributes{{{attributes}}})"
    return KfpError(DENIED, f"PermissionDenied: {message}: Unauthorized access", message)


def wrapping(context: str) -> Callable[[Handler], Handler]:
    """Wraps whatever a function refuses, as the server's layers do.

    Args:
        context: What failed; `{name}` stands for an argument of the function.
    """

    def decorate(function: Handler) -> Handler:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            try:
                return function(*arguments, **named)
            except KfpError as error:
                raise error.wrapped(context) from error

        return wrapper  # type: ignore[return-value]

    return decorate


def upload_refusal(code: int, message: str, *, is_json: bool = True) -> Answer:
    """Returns what the upload and log endpoints answer, which are no part of grpc-gateway."""
    kind = "application/json" if is_json else "text/plain; charset=utf-8"
    return Answer(code, {"error_message": message, "error_details": message}, kind)


def panic(error: Exception) -> Answer:
    """Returns an answer that tells a test of a defect of the double itself."""
    text = "".join(traceback.format_exception(error))
    return Answer(500, {"code": INTERNAL, "message": f"the double is broken: {text}", "details": []})
