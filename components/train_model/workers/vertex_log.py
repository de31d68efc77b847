"""What the replicas of a CustomJob print, as Cloud Logging tells it while they train."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from penstock.components.protocol.marks import ERROR
from penstock.components.release.vertex import VertexApi
from penstock.components.release.vertex_logs import entries, lines_of, replica_of

from .chief import pass_on

_CHIEF = "workerpool0-0"
# How long entries may take to arrive.
_LATE = timedelta(minutes=2)
_POLL_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class Reason(NamedTuple):
    """Why a worker failed, as it says itself."""

    replica: str
    text: str


class VertexLog:
    """The log of a CustomJob.

    Args:
        api: Who asks.
        job: The job's ID.
    """

    def __init__(self, api: VertexApi, job: str) -> None:
        self._api, self._job = api, job
        self._since, self._seen = "", set[str]()
        self._reasons: list[Reason] = []
        self._is_readable = True

    def show(self) -> None:
        """Prints what is new of the chief's. The training goes on where the log cannot be read."""
        if not self._is_readable:
            return
        asked = datetime.now(timezone.utc)
        try:
            for entry in self._new():
                for line in lines_of(entry):
                    if line.startswith(ERROR):
                        self._reasons.append(Reason(replica_of(entry), line.removeprefix(ERROR)))
                    elif replica_of(entry) == _CHIEF:
                        pass_on(line)
        except (exceptions.GoogleAPICallError, GoogleAuthError, requests.RequestException) as error:
            self._is_readable = isinstance(error, (exceptions.ServerError, exceptions.TooManyRequests, requests.RequestException))
            _logger.warning("the log of CustomJob %s cannot be read: %s", self._job, self._api.explain(error))
        else:
            self._since = (asked - _LATE).isoformat()

    def first_reason(self, seconds: float) -> Reason | None:
        """Returns what the first replica said that told why it failed; waits for its words.

        Args:
            seconds: For how long.

        Returns:
            None if none has said anything.
        """
        deadline = time.monotonic() + seconds
        while not self._reasons and self._is_readable and time.monotonic() < deadline:
            self.show()
            time.sleep(_POLL_SECONDS)
        return next(iter(self._reasons), None)

    def _new(self) -> Iterator[dict[str, Any]]:
        """Yields the entries that no earlier answer has had."""
        found = list(entries(self._api, [self._job], self._since))
        seen, self._seen = self._seen, {entry.get("insertId", "") for entry in found}
        return (entry for entry in found if entry.get("insertId", "") not in seen)


def number_of(replica: str) -> int:
    """Returns a worker's number: the chief, alone in its pool, is 0."""
    pool, _, index = replica.removeprefix("workerpool").partition("-")
    return int(index) + (1 if int(pool) else 0)
