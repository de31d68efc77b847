"""How many of a version's requests have failed since a watch began."""

import time
from collections.abc import Callable

from .destinations import Traffic

# A rate of errors means something from this many requests on.
ENOUGH_REQUESTS = 50


class Watch:
    """What a version has answered since the watch began, whichever of its servers was asked.

    A server counts for as long as it lives, and a reading is that of one server. So what belongs to the watch is what a server's counters have
    grown by from one reading of it to the next; and all that a server has counted which began to count after the watch did.

    Args:
        read: Reads the counters; None where there are none now.

    Attributes:
        requests: The requests that were answered, errors included.
        errors: Those that failed.
    """

    def __init__(self, read: Callable[[], Traffic | None]) -> None:
        self._read = read
        self._began = time.time()
        self._seen: dict[float, Traffic] = {}
        self.requests, self.errors = 0, 0

    def look(self) -> Traffic | None:
        """Reads the counters once more, and returns them."""
        now = self._read()
        if now is None:
            return None
        nothing = Traffic(0, 0, now.since)
        before = self._seen.get(now.since, nothing if now.since > self._began else now)
        if now.requests < before.requests or now.errors < before.errors:  # counters only grow: a server that does not say since when, again
            before = nothing
        self._seen[now.since] = now
        self.requests += now.requests - before.requests
        self.errors += now.errors - before.errors
        return now

    @property
    def has_begun(self) -> bool:
        """Whether there were counters to read."""
        return bool(self._seen)

    @property
    def rate(self) -> float:
        """The share of the requests that failed during the watch; of all that is known of where those are too few; 0 where nothing is."""
        if self.requests >= ENOUGH_REQUESTS:
            return self.errors / self.requests
        requests, errors = (sum(getattr(one, name) for one in self._seen.values()) for name in ("requests", "errors"))
        return errors / requests if requests else 0.0
