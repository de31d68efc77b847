"""The verbs of every destination."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.components.protocol.artifacts import Input
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.executor import figure

from ..release import Release


class StepFailed(Exception):
    """A step of a rollout that went wrong at the destination: a reason to roll back."""


@dataclass(frozen=True)
class Current:
    """What a destination serves.

    Attributes:
        serving: What answers the traffic that is not the candidate's; None if nothing does.
        previous: What served before it, and would after a rollback; None if nothing did.
        candidate: What is staged beside it; None if nothing is.
        percent: The candidate's share of the traffic.
    """

    serving: Release | None
    previous: Release | None = None
    candidate: Release | None = None
    percent: int = 0


@dataclass(frozen=True)
class Traffic:
    """What the metrics of one of a destination's servers say of one version.

    Attributes:
        requests: The requests that it has answered since the server began to count, its errors included.
        errors: The requests that failed through no fault of the client (5xx).
        since: When that was, in seconds since the epoch by the server's clock; tells servers from each other. 0 if it does not say.
        is_served: Whether the server says that what it serves has this version's fingerprint.
    """

    requests: int
    errors: int
    since: float = 0.0
    is_served: bool = True


@dataclass(frozen=True)
class Answer:
    """What one model answered.

    Attributes:
        predictions: A prediction for each instance.
        seconds: How long the request took that this model answered.
    """

    predictions: list[Any]
    seconds: float

    @classmethod
    def of(cls, ask: Callable[[], list[Any]]) -> "Answer":
        """Asks, and measures."""
        started = time.monotonic()
        predictions = ask()
        return cls(predictions, time.monotonic() - started)


# Fails unless a version, asked by the function, answers as it must.
Check = Callable[[Release, Callable[[list[Any]], Answer]], None]

# Asks once; returns the fingerprint of the version that answered, or a description of what came instead. None where it cannot be known, or
# need not be, because a change has taken effect when the verb that made it returns.
Ask = Callable[[], str | None]


def accept(_: Release, __: Callable[[list[Any]], Answer]) -> None:
    """Accepts any version."""


def curl(url: str, body: str, *headers: str) -> str:
    """Returns the command that sends JSON to a URL."""
    given = [word for header in (*headers, "Content-Type: application/json") for word in ("-H", header)]
    return shlex.join(["curl", "-s", url, *given, "-d", body])


@contextmanager
def or_current_serves(undo: Callable[[], None]) -> Iterator[None]:
    """Brings up what a rollback goes back to; where that fails, undoes what was done for it, and says that what serves goes on."""
    try:
        yield
    except (StepFailed, TaskError) as failure:
        try:
            undo()
        except StepFailed as left:
            figure(f"could not remove the model that was started: {left}")
        raise StepFailed(f"{failure}; the current model continues to serve") from failure


class Destination(Protocol):
    """A place where one model serves. Use it as a context manager, which prevents concurrent pushes.

    A killed push leaves it as it is: `current` tells the next push what is staged and with which share of the traffic.

    Attributes:
        stop_command: The command that stops the server, or empty if Penstock does not stop it.
        strategies: What it can do of `replace`, `canary`, `blue_green` and `shadow`.
    """

    stop_command: str
    strategies: frozenset[str]

    @property
    def url(self) -> str:
        """The URL that answers predictions."""

    def command(self, body: str) -> str:
        """Returns the command by which the user requests predictions, with a request's body, or an empty text."""

    def __enter__(self) -> "Destination":
        """Keeps other pushes out; what holds them out expires if this process dies.

        Raises:
            TaskError: Another push is in progress, or the destination cannot be reached or used.
        """

    def __exit__(self, *_: Any) -> None:
        """Lets other pushes in."""

    def current(self) -> Current:
        """Returns what serves now by the destination's records, and changes nothing.

        Raises:
            TaskError: The destination cannot be asked.
        """

    def answering(self) -> frozenset[str] | None:
        """Asks what answers the clients, whatever the records say.

        Returns:
            The fingerprints of the versions that answer, or of one of them; empty if none does; None where that cannot be asked.
        """

    def check_shares(self) -> None:
        """Makes sure that a candidate can have a share of the traffic there, beside what serves; changes nothing.

        Raises:
            TaskError: It cannot, and why, and what to do.
        """

    def asker(self, *, staged: bool = False) -> Ask:
        """Returns what asks as clients do.

        Args:
            staged: Whether to ask the staged model instead, where it has no traffic yet.
        """

    def stage(self, model: Input, release: Release, *, shadow: bool = False) -> None:
        """Puts a model beside the one that serves, whole and loaded, without traffic. It may be staged already.

        Args:
            model: The model.
            release: What is known of it; kept at the destination, with what serves now as the rollback point.
            shadow: Whether it receives a copy of the traffic from then on.

        Raises:
            StepFailed: The model does not load, or does not answer.
            TaskError: The destination is in no state to take a model, or another push has taken over; nothing was changed.
        """

    def secure(self, model: Input, release: Release) -> bool:
        """Makes sure that the files of what serves are those that were released, and puts them back where they are not.

        Args:
            model: The model that serves.
            release: What is known of it.

        Returns:
            Whether they were.

        Raises:
            StepFailed: It does not serve with them.
            TaskError: They cannot be read or put back.
        """

    def shift(self, percent: int) -> None:
        """Gives the staged model this share of the traffic; at 100 it is what serves, and the one before the rollback point.

        Raises:
            StepFailed: Its files are not those that were released any more, or it did not take the traffic.
        """

    def probe(self, instances: list[Any]) -> Answer:
        """Asks the staged model, or of the one that serves if none is staged.

        Raises:
            StepFailed: It does not answer.
        """

    def traffic(self, *, beside: bool = False) -> Traffic | None:
        """Returns what the metrics say of the model that `probe` asks; None where the destination has none.

        Args:
            beside: Whether to ask what serves beside the staged model instead; None if none is staged.
        """

    def rollback(self, to: str = "", check: Check = accept) -> Release | None:
        """Takes the staged model away, or, if none is staged, goes back to a version that served before.

        That one is brought up and checked before any traffic goes to it; if it fails, what serves goes on serving.

        Args:
            to: The fingerprint of the version (or its start). Empty: the one before.
            check: Tells whether the version to go back to answers as it did. Not asked of what serves already.

        Returns:
            What serves then; None if nothing does.

        Raises:
            StepFailed: It does not serve, or is not what was released.
            TaskError: No version that served here has this fingerprint.
        """

    def retire(self) -> None:
        """Frees what only a quick rollback would need: the version before is no longer kept warm. Going back stays possible."""
