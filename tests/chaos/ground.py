"""What a fault campaign needs of a destination and of the double behind it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Rows = list[Any]
# How faults begin that end the pusher.
ENDS = ("kill", "term")


class NoAnswer(Exception):
    """The service answered a client with an error."""


class Boundaries:
    """The calls of the pusher in their order, from 1; a fault meets one of them, or all from there on.

    Attributes:
        calls: The calls so far.
    """

    def __init__(self, number: int = 0, *, is_lasting: bool = False) -> None:
        """Waits for a call; 0: for none."""
        self._number, self._is_lasting = number, is_lasting
        self.calls: list[str] = []

    def __call__(self, call: str) -> bool:
        """Takes the next call, and tells whether the fault meets it."""
        self.calls.append(call)
        return bool(self.met) and (self._is_lasting or len(self.calls) == self._number)

    def repeats(self, call: str) -> bool:
        """Tells whether the call before was the same."""
        return self.calls[-1:] == [call]

    @property
    def goes_on(self) -> bool:
        """Whether a fault that has met a call meets those after it as well."""
        return bool(self.met) and self._is_lasting

    @property
    def met(self) -> str:
        """The first call that was met; empty if there was none."""
        return self.calls[self._number - 1] if 0 < self._number <= len(self.calls) else ""


class Ground(Protocol):
    """A destination on a double.

    Attributes:
        name: What cases call it.
        faults: What can go wrong at a call, by the names that cases give it. Those that begin with `kill` end the pusher, those with `term`
            ask it to end and kill it soon after, those that end with `-on` go on.
    """

    name: str
    faults: Mapping[str, Any]

    def destination(self, storage: str) -> str:
        """Returns the destination's URI, with a folder of its own for the models."""

    def environment(self) -> dict[str, str]:
        """Returns the variables with which a pusher finds it."""

    def save(self) -> None:
        """Keeps what there is now, for `restore`."""

    def restore(self) -> None:
        """Makes everything as it was saved, and no fault wait; nothing at all is there if nothing was saved."""

    def strike(self, fault: str, boundaries: Boundaries, kill: Callable[[], None]) -> None:
        """Has a fault strike the pusher's calls that are met; they are none if its name is empty."""

    def calm(self) -> None:
        """Takes all faults away."""

    def ask(self, instances: Rows) -> Rows:
        """Asks what serves as any client does; no fault meets this, and it is not among the pusher's calls.

        Raises:
            NoAnswer: It answers with an error.
        """

    def left_over(self) -> list[str]:
        """Returns what is there besides the version that serves."""

    def close(self) -> None:
        """Ends it."""
