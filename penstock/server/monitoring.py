"""monitor_model's latest results for the versions that serve, shown among the server's own metrics."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from penstock.components.data.filesystems import open_store
from penstock.components.release.metrics import read_families

from .metrics import SERVED

logger = logging.getLogger(__name__)
_FAMILIES = ("penstock_monitoring_", "penstock_champion_")
_TICK_SECONDS = 1.0
_READ_SECONDS = 60.0


class Monitoring(Collector):
    """The figures of `<uri>/<fingerprint>.prom`. Use it as a context manager: it reads them while it is open, in a thread.

    What cannot be read any more stays as it was; its time says how old it is.

    Args:
        uri: The folder or bucket in which monitor_model writes them.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        self._found: dict[str, list[Metric]] = {}
        self._problem = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="monitoring", daemon=True)

    def __enter__(self) -> "Monitoring":
        """Begins to read."""
        REGISTRY.register(self)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends; what is being read is not waited for."""
        self._ending.set()
        REGISTRY.unregister(self)

    def describe(self) -> list[Metric]:
        """Returns nothing: which families there are is known once they are read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields each family once, with the samples of all versions."""
        merged: dict[str, Metric] = {}
        for family in (each for families in list(self._found.values()) for each in families):
            one = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            one.samples.extend(family.samples)
        yield from merged.values()

    def _work(self) -> None:
        served: set[str] = set()
        due = 0.0
        while not self._ending.wait(_TICK_SECONDS):
            now = _served()
            if now != served or time.monotonic() >= due:
                served, due = now, time.monotonic() + _READ_SECONDS
                self._read(served)

    def _read(self, served: set[str]) -> None:
        found = {}
        problem = ""
        for fingerprint in served:
            try:
                found[fingerprint] = _figures(f"{self._uri}/{fingerprint}.prom")
            except FileNotFoundError:  # it has not been monitored yet
                continue
            except Exception as error:  # every store has exceptions of its own
                problem = f"{type(error).__name__}: {error}"
                found[fingerprint] = self._found.get(fingerprint, [])
        self._found = found
        if problem and problem != self._problem:
            logger.warning("cannot read the figures of monitor_model at %s (%s)", self._uri, problem)
        self._problem = problem


def _served() -> set[str]:
    return {sample.labels["fingerprint"] for family in SERVED.collect() for sample in family.samples}


def _figures(uri: str) -> list[Metric]:
    files, place = open_store(uri)
    return list(read_families(files.cat_file(place).decode(), *_FAMILIES))
