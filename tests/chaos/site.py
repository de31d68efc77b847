"""A destination on a double, as a fault campaign needs it."""

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


class Site(Protocol):
    """A destination on a double.

    Attributes:
        name: Its name in cases.
        faults: The faults of a call, by their names in cases. Those that begin with `kill` kill the push, those with `term` terminate it
            and kill it soon after, those that end with `-on` meet all later calls too.
    """

    name: str
    faults: Mapping[str, Any]

    def destination(self, storage: str) -> str:
        """Returns the destination's URI, with a folder of its own for the models."""

    def environment(self) -> dict[str, str]:
        """Returns the variables with which a push finds it."""

    def save(self) -> None:
        """Keeps what there is now, for `restore`."""

    def restore(self) -> None:
        """Restores what was saved, and removes all faults; empties the site if nothing was saved."""

    def inject(self, fault: str, boundaries: Boundaries, kill: Callable[[], None]) -> None:
        """Injects a fault into the calls at these boundaries; only records the calls if its name is empty."""

    def clear(self) -> None:
        """Removes all faults."""

    def ask(self, instances: Rows) -> Rows:
        """Asks what serves as a client does. Faults do not apply, and it is not among the push's calls.

        Raises:
            NoAnswer: It answers with an error.
        """

    def left_over(self) -> list[str]:
        """Returns what is there besides the version that serves."""

    def close(self) -> None:
        """Ends it."""
