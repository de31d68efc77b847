"""Waiting for a condition, in place of a fixed time."""

import time
from collections.abc import Callable


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    """Returns as soon as a condition holds.

    Args:
        holds: The condition.
        seconds: The time after which the test fails.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so within {seconds:g} s"
        time.sleep(0.02)
