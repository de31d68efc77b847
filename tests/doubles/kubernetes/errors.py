"""What the API server answers when it refuses: `Status` objects, in its words."""

from typing import Any


class ApiError(Exception):
    """A refusal.

    Attributes:
        code: The HTTP status.
        reason: The machine-readable reason, such as `AlreadyExists`.
        message: What a person reads.
        headers: Headers of the answer, such as `Retry-After`.
    """

    def __init__(self, code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """Returns the `Status` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def unauthorized() -> ApiError:
    """No such token, or an expired one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, plural: str, group: str, namespace: str, name: str) -> ApiError:
    """The user's roles do not allow it."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    named = f'{_qualified(plural, group)} "{name}" is' if name else f"{_qualified(plural, group)} is"
    can = f'User "{user}" cannot {verb} resource "{plural}" in API group "{group}" {where}'
    return ApiError(403, "Forbidden", f"{named} forbidden: {can}")


def denied(webhook: str, message: str) -> ApiError:
    """An admission webhook refuses the object."""
    return ApiError(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {message}')


def not_found(plural: str, group: str, name: str) -> ApiError:
    """There is no such object."""
    return ApiError(404, "NotFound", f'{_qualified(plural, group)} "{name}" not found')


def method_not_allowed() -> ApiError:
    """The resource has no such verb."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """There is an object of this name."""
    return ApiError(409, "AlreadyExists", f'{_qualified(plural, group)} "{name}" already exists')


def conflict(plural: str, group: str, name: str) -> ApiError:
    """The object is newer than the caller knows."""
    problem = "the object has been modified; please apply your changes to the latest version and try again"
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {problem}')


def expired(asked: int, oldest: int) -> ApiError:
    """The watch is to start before what is remembered."""
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def unsupported_media_type() -> ApiError:
    """The body is no patch that is understood."""
    accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: str, group: str, name: str, problems: list[str]) -> ApiError:
    """The object breaks the rules of its fields."""
    found = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    return ApiError(422, "Invalid", f'{_qualified(kind, group)} "{name}" is invalid: {found}')


def bad_request(message: str) -> ApiError:
    """The request cannot be read."""
    return ApiError(400, "BadRequest", message)


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural
