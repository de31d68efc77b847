"""Replacing a function of another package for a while."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PatchPoint:
    """A function of kfp's that Penstock replaces for a while.

    Attributes:
        owner: The module or class that has it.
        name: Its name there.
    """

    owner: Any
    name: str

    @property
    def function(self) -> Callable[..., Any]:
        """What is there now."""
        return getattr(self.owner, self.name)

    def replaced(self, by: Callable[..., Any]) -> AbstractContextManager[None]:
        """Replaces the function within the `with` block."""
        return replaced(self.owner, self.name, staticmethod(by) if isinstance(self.owner, type) else by)

    def wrapped(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> AbstractContextManager[None]:
        """Replaces the function within the `with` block by what `wrap` makes of it."""
        return self.replaced(wrap(self.function))


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replaces an attribute within the `with` block.

    Args:
        owner: A module or class.
        name: The attribute; it must exist, so that a renamed one is noticed.
        value: What to put there.
    """
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
