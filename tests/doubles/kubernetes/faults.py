"""What can go wrong at the boundary of a call, and who decides when.

Each call to the double is numbered and kept in `double.calls`; each `Fault` in `double.faults` says which call it meets and what
happens then: before the call is applied, or after, so that the caller never learns that it was.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .answer import Answer, refusal

REASONS = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", 'forbidden: User "pusher" cannot do this'),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    410: ("Expired", "too old resource version"),
    415: ("UnsupportedMediaType", "the body of the request was in an unknown format"),
    422: ("Invalid", "is invalid"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "request did not complete within the allowed timeout"),
}


@dataclass
class Call:
    """A call to the double.

    Attributes:
        number: 1 for the first since `double.reset_calls()`.
        method: `GET`, `PUT`...
        path: The path, without the query.
        query: The query, parsed.
        plane: `api` for the Kubernetes API, `serving` for predictions and metrics behind an InferenceService's URL.
        code: What it was answered with; 0 as long as it was not.
    """

    number: int
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    plane: str = "api"
    code: int = 0

    def __str__(self) -> str:
        """Says which call it is, for messages."""
        return f"{self.number}. {self.method} {self.path}"


class Refused(Exception):
    """The call is answered with an error.

    Attributes:
        answer: The error.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.code))
        self.answer = answer


class Dropped(Exception):
    """The connection ends without an answer."""


class Action(Protocol):
    """What a fault does; it may raise `Refused` or `Dropped`."""

    applied: bool

    def __call__(self, call: Call) -> None:
        """Acts at the boundary of a call: before it is applied, or, if `applied`, after."""


@dataclass
class Fail:
    """Answers with an error; `Fail(429)`, `Fail(409, applied=True)` for a write that was applied all the same."""

    code: int
    message: str = ""
    reason: str = ""
    applied: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, call: Call) -> None:
        """Raises the error."""
        reason, message = REASONS[self.code]
        raise Refused(refusal(self.code, self.reason or reason, self.message or message, self.headers))


@dataclass
class Slow:
    """Answers late."""

    seconds: float
    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Waits."""
        time.sleep(self.seconds)


@dataclass
class Hang:
    """Never answers: the connection stays open until the caller gives up, at the latest for this long."""

    seconds: float = 3600.0
    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Never comes here: the server hangs up itself when it sees this action."""
        raise Dropped


@dataclass
class Disconnect:
    """Closes the connection without an answer."""

    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Drops the connection."""
        raise Dropped


@dataclass
class Kill:
    """Ends the caller by a function such as `process.kill`: its call never arrives, or is applied without its ever knowing."""

    kill: Callable[[], object]
    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Kills it, and drops the connection."""
        self.kill()
        raise Dropped


@dataclass
class Do:
    """Calls a function with the call, which then goes on: for a concurrent change."""

    function: Callable[[Call], object]
    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Calls it."""
        self.function(call)


@dataclass
class Fault:
    """Which calls an action meets.

    Attributes:
        action: What happens.
        nth: The number of the call that it meets; None: any that `when` takes.
        when: Takes a call or leaves it, besides `nth`.
        times: How many calls it meets; 0: all.
        plane: `api` or `serving`.
    """

    action: Action
    nth: int | None = None
    when: Callable[[Call], bool] = lambda call: True
    times: int = 1
    plane: str = "api"

    def __post_init__(self) -> None:
        self._met = itertools.count(1)

    def meets(self, call: Call) -> bool:
        """Tells whether this call is met, and counts it."""
        fits = call.plane == self.plane and self.nth in (None, call.number) and self.when(call)
        return fits and (not self.times or next(self._met) <= self.times)
