"""The page of a serving check: verdict, limits, answers, latencies."""

from pathlib import Path
from typing import Any

from penstock.components.evidence.page import write_page

_PROTOCOLS = {"v1": "V1 REST", "v2": "V2 REST", "grpc": "gRPC"}
_UNITS = {
    "start_seconds": ("start", "s"),
    "memory_mb": ("resident memory", "MiB"),
    "p50_ms": ("p50 latency", "ms"),
    "p95_ms": ("p95 latency", "ms"),
    "p99_ms": ("p99 latency", "ms"),
    "requests_per_second": ("throughput", "requests/s"),
}


def write_report(path: Path, check: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        check: The contents of `check.json`.
    """
    asked = [(server, protocol) for server in check["servers"] for protocol in server["protocols"]]
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Serving check",
        check=check,
        limits=[
            {**entry, "allowed": _allowed(entry), "measured": _with_unit(entry["limit"], entry["measured"])} for entry in check["limits"]
        ],
        asked=asked,
        differing=[one for one in asked if one[1]["answers"]["shown"] or one[1]["load"]["answers"]["shown"]],
        slowest=max((protocol["load"]["p99_ms"] or 0.0 for _, protocol in asked), default=0.0),
        titles=_PROTOCOLS,
        words={name: word for name, (word, _) in _UNITS.items()},
        number=number,
    )


def number(value: float | None) -> str:
    """Shows a measured value to three digits; a dash if there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _with_unit(limit: str, value: float | None) -> str:
    return f"{number(value)} {_UNITS[limit][1]}" if value is not None else number(value)


def _allowed(entry: dict[str, Any]) -> str:
    return f"{'≥' if entry['limit'] == 'requests_per_second' else '≤'} {entry['allowed']:g} {_UNITS[entry['limit']][1]}"
