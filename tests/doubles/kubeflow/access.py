"""Who calls, and what they may do.

In a single-user installation everybody may do everything. In a multi-user one a namespace belongs to users. In front of either
there may be a gate that asks for a bearer token, or for the cookie that a login gives.
"""

import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from ..kubernetes.answer import Request
from .errors import denied, invalid, unauthenticated

SESSION = "authservice_session"
_USER_HEADER = "kubeflow-userid"


@dataclass
class Access:
    """What is let in.

    Attributes:
        is_multi_user: Whether there are namespaces.
        tokens: The bearer tokens that are taken, and whose they are; take one out and it has expired.
        passwords: The users that can log in; none: there is no login page.
        namespaces: The namespaces, and whose they are.
        denied: What no user may do: pairs of a verb and a resource, such as `("create", "runs")`.
        sessions: The cookies that are taken, and whose they are.
    """

    is_multi_user: bool
    tokens: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    namespaces: dict[str, set[str]] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    sessions: dict[str, str] = field(default_factory=dict)

    def user(self, request: Request) -> str | None:
        """Returns the user; empty without authentication, None for a user who has to log in first.

        Raises:
            KfpError: The caller is not let in.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token in self.tokens:
            return self.tokens[token]
        if session := self.sessions.get(_cookie(request)):
            return session
        if self.passwords and not token:
            return None
        if self.tokens or self.passwords:
            raise unauthenticated()
        return request.headers.get(_USER_HEADER, "")

    def log_in(self, user: str) -> str:
        """Returns the cookie of a new session."""
        session = secrets.token_urlsafe(24)
        self.sessions[session] = user
        return session

    def check(self, user: str, namespace: str, verb: str, resource: str, name: str = "") -> None:
        """Checks a permission.

        Raises:
            KfpError: The user lacks it.
        """
        if (verb, resource) in self.denied:
            raise denied(user, namespace, verb, resource, name)
        if not self.is_multi_user:
            return
        if not namespace:
            raise invalid(f"{_A[resource]} cannot have an empty namespace in multi-user mode")
        if not user:
            raise unauthenticated()
        if user not in self.namespaces.get(namespace, ()):
            raise denied(user, namespace, verb, resource, name)

    def namespace(self, named: str) -> str:
        """Returns the namespace that a request means: none in a single-user installation."""
        return named if self.is_multi_user else ""


_A = {"runs": "A run", "jobs": "A recurring run", "experiments": "An experiment", "pipelines": "A pipeline"}


def _cookie(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(SESSION)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
