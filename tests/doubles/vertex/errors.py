"""The errors of the Vertex AI API, with the texts and the details that the real service sends."""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

SERVICE = "aiplatform.googleapis.com"


class ApiError(Exception):
    """A call that the service refuses.

    Attributes:
        code: The status.
        message: What the service says.
        details: Messages of `google.rpc` that say it to programs.
    """

    def __init__(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def status(self) -> status_pb2.Status:
        """The same as a `google.rpc.Status`."""
        packed = []
        for detail in self.details:
            item = Any()
            item.Pack(detail)
            packed.append(item)
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=packed)


def invalid(field: str, message: str) -> ApiError:
    """A field that the service does not take."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
    return ApiError(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"List of found errors:\t1.Field: {field}; Message: {message}\t",
        error_details_pb2.BadRequest(field_violations=[violation]),
    )


def invalid_argument(message: str) -> ApiError:
    """A call that the service does not take, for a reason that is no single field's."""
    return ApiError(grpc.StatusCode.INVALID_ARGUMENT, message)


def precondition(message: str) -> ApiError:
    """A call that the resource's state does not allow."""
    return ApiError(grpc.StatusCode.FAILED_PRECONDITION, message)


def stale_etag(etag: str) -> ApiError:
    """A concurrent change (https://google.aip.dev/154)."""
    return ApiError(grpc.StatusCode.ABORTED, f"The etag '{etag}' does not match the resource's, which was changed concurrently.")


def not_found(kind: str, name: str) -> ApiError:
    """A resource that is not there."""
    return ApiError(grpc.StatusCode.NOT_FOUND, f'The {kind} "{name}" does not exist.')


def already_exists(kind: str, name: str) -> ApiError:
    """A resource that is there already."""
    return ApiError(grpc.StatusCode.ALREADY_EXISTS, f'The {kind} "{name}" already exists.')


def permission_denied(permission: str, resource: str) -> ApiError:
    """A caller without the permission, or a resource that only those with the permission may know to be missing."""
    info = error_details_pb2.ErrorInfo(
        reason="IAM_PERMISSION_DENIED", domain=SERVICE, metadata={"permission": permission, "resource": resource}
    )
    text = f"Permission '{permission}' denied on resource '//{SERVICE}/{resource}' (or it may not exist)."
    return ApiError(grpc.StatusCode.PERMISSION_DENIED, text, info)


def foreign_project(project: str) -> ApiError:
    """A project that is not the caller's, or none."""
    info = error_details_pb2.ErrorInfo(
        reason="CONSUMER_INVALID", domain="googleapis.com", metadata={"consumer": f"projects/{project}", "service": SERVICE}
    )
    return ApiError(grpc.StatusCode.PERMISSION_DENIED, f"Permission denied on resource project {project}.", info)


def quota_exceeded(metrics: list[str]) -> ApiError:
    """Quotas that a deployment would exceed."""
    names = ", ".join(f"{SERVICE}/{metric}" for metric in metrics)
    violations = [
        error_details_pb2.QuotaFailure.Violation(subject=f"{SERVICE}/{metric}", description="quota exceeded") for metric in metrics
    ]
    return ApiError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"The following quota metrics exceed quota limits: {names}",
        error_details_pb2.QuotaFailure(violations=violations),
    )


def unauthenticated(message: str, reason: str) -> ApiError:
    """A call without a token that is good."""
    sign_in = (
        f"{message} Expected OAuth 2 access token, login cookie or other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    info = error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com", metadata={"service": SERVICE})
    return ApiError(grpc.StatusCode.UNAUTHENTICATED, sign_in, info)
