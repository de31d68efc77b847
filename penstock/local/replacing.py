"""Replacing one attribute of another package for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[Any]:
    """Replaces an attribute within the `with` block; yields what was there before.

    Args:
        owner: A module or class.
        name: The attribute; it must exist, so that a renamed one is noticed.
        value: What to put there.
    """
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield before
    finally:
        setattr(owner, name, before)
