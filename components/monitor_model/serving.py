"""How the model is served, from the metrics of its server: requests, errors, latencies."""

import urllib.request
from itertools import pairwise
from typing import Any
from urllib.error import URLError

from penstock.components.protocol import TaskError, redact
from penstock.components.release.metrics import read_families

_SECONDS = 10.0
_MOST_BYTES = 16 << 20
_PERCENTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
_Samples = list[tuple[str, dict[str, str], float]]


def read_serving(url: str, fingerprint: str) -> dict[str, Any]:
    """Reads what a server has counted of a model since it started.

    Args:
        url: The server's metrics.
        fingerprint: The model; empty: all that it serves.

    Returns:
        `requests`, `errors` (answers with code 500), `refused` (400), `dropped` requests that the prediction log lacks, and the
        percentiles of the latency; or `unknown`, why they cannot be had, which changes no verdict.

    Raises:
        TaskError: The URL is none.
    """
    if not url.startswith(("http://", "https://")):
        raise TaskError(f"metrics_url is {redact(url)!r:.80}; give the URL of the server's metrics, such as http://flights:8080/metrics")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - http and https alone
            text = answer.read(_MOST_BYTES).decode("utf-8", "replace")
        samples = [(each.name, each.labels, each.value) for family in read_families(text, "penstock_") for each in family.samples]
    except (URLError, OSError, ValueError) as error:
        return {"url": redact(url), "unknown": f"the server's metrics cannot be read ({getattr(error, 'reason', None) or error})"}
    of_model = [(name, labels, value) for name, labels, value in samples if not fingerprint or labels.get("fingerprint") == fingerprint]
    codes = {code: _sum(of_model, "penstock_requests_total", code=code) for code in ("200", "400", "500")}
    if not any(name == "penstock_requests_total" for name, *_ in of_model):
        return {"url": redact(url), "unknown": "the server's metrics have no requests of the model"}
    return {
        "url": redact(url),
        "requests": sum(codes.values()),
        "errors": codes["500"],
        "refused": codes["400"],
        "dropped": sum(value for name, _, value in samples if name == "penstock_prediction_log_dropped_total"),
    } | _latencies(of_model)


def _sum(samples: _Samples, wanted: str, **labels: str) -> float:
    return sum(value for name, found, value in samples if name == wanted and labels.items() <= found.items())


def _latencies(samples: _Samples) -> dict[str, float | None]:
    """Returns percentiles, as `histogram_quantile` of Prometheus finds them between the bounds of a histogram."""
    counts: dict[float, float] = {}
    for name, labels, value in samples:
        if name == "penstock_request_seconds_bucket":
            bound = float(labels["le"].replace("+Inf", "inf"))
            counts[bound] = counts.get(bound, 0.0) + value
    steps = [(0.0, 0.0), *sorted(counts.items())]
    total = steps[-1][1]
    return {name: _quantile(steps, share * total) for name, share in _PERCENTILES.items()} if total else dict.fromkeys(_PERCENTILES)


def _quantile(steps: list[tuple[float, float]], rank: float) -> float | None:
    for (lower, below), (upper, count) in pairwise(steps):
        if count >= rank and count > below:
            return 1000 * (lower if upper == float("inf") else lower + (upper - lower) * (rank - below) / (count - below))
    return None
