"""What KServe says of an InferenceService in Events only: what fails before it has made anything is in no status."""

import time
from collections.abc import Iterator
from typing import Any

from penstock.components.release.kubernetes import ClusterError

from .api import Cluster
from .seen import InferenceService

# KServe tries again whatever fails, later each time: what it still says after this while will not go away.
PATIENCE_SECONDS = 10.0
# It does not try again, or without success: nothing but another InferenceService, or another installation, helps.
_FINAL = ("ServerlessModeRejected", "StorageURI not supported")
# A conflict between two writers, which it retries immediately; the status shows what is not ready.
_HARMLESS = ("the object has been modified", "is no longer Ready")


class Complaints:
    """The Events of an InferenceService since this was made: make it before the change that they are about."""

    def __init__(self, cluster: Cluster, service: InferenceService | None) -> None:
        self._cluster = cluster
        self._before = {key: count for key, count, _ in self._read(service)} if service else {}
        self._first: dict[str, tuple[float, int]] = {}

    def look(self, service: InferenceService) -> Iterator[tuple[bool, str]]:
        """Yields whether it is hopeless, and what is wrong."""
        now = time.monotonic()
        for key, count, text in self._read(service):
            if count <= self._before.get(key, 0) or any(words in text for words in _HARMLESS):
                continue
            since, counted = self._first.setdefault(key, (now, count))
            is_final = any(words in text for words in _FINAL)
            yield is_final or (count > counted and now > since + PATIENCE_SECONDS), text

    def _read(self, service: InferenceService) -> Iterator[tuple[str, int, str]]:
        """Yields the Events and how often each occurred; none without the right to read them."""
        try:
            events: list[Any] = self._cluster.complaints(service["metadata"]["uid"])
        except ClusterError:
            return
        for event in events:
            count = event.count or (event.series.count if event.series else 1)
            yield event.metadata.uid, count, f"{event.reason}: {' '.join((event.message or '').split())}"
