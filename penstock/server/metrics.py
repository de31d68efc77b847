"""The Prometheus metrics of every version that serves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kserve.errors import InvalidInput
from prometheus_client import Counter, Gauge, Histogram

from penstock.components.release import metrics

_VERSION = ("model_name", "version", "fingerprint")
_REQUESTS = Counter("penstock_requests", "Requests answered, by HTTP status code", (*_VERSION, "code"))
_SECONDS = Histogram(
    "penstock_request_seconds",
    "From a request that was read to its answer",
    _VERSION,
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
_ROWS = Histogram("penstock_batch_rows", "Rows that were computed together", _VERSION, buckets=[2**power for power in range(13)])
SERVED = Gauge(metrics.SERVED, "1 for each version that serves", _VERSION)


class VersionMetrics:
    """The metrics of one version; looking the labels up once is most of what they cost."""

    def __init__(self, model_name: str, version: str, fingerprint: str) -> None:
        labels = (model_name, version, fingerprint)
        self._codes = {code: _REQUESTS.labels(*labels, code) for code in ("200", "400", "500")}
        self._seconds = _SECONDS.labels(*labels)
        self.observe_rows = _ROWS.labels(*labels).observe

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts and times one request."""
        started = time.perf_counter()
        code = "500"
        try:
            yield
            code = "200"
        except InvalidInput:
            code = "400"
            raise
        finally:
            self._codes[code].inc()
            self._seconds.observe(time.perf_counter() - started)
