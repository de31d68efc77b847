"""The page that shows a monitoring: verdict, largest changes, quality, and what is missing in the log."""

from pathlib import Path
from typing import Any

from penstock.components.evidence.page import number, write_page

_MOST_DRAWN = 9
_MOST_TREND = 5


def write_report(path: Path, monitoring: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        monitoring: `monitoring.json`'s contents.
    """
    compared = monitoring["features"] | monitoring["predictions"]
    ranked = dict(sorted(compared.items(), key=lambda item: -_excess(item[1])))
    drawn = {name: found for name, found in ranked.items() if found["bins"] and _excess(found) > 0}
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Monitoring",
        monitoring=monitoring,
        ranked=ranked,
        drawn=dict(list(drawn.items())[:_MOST_DRAWN]),
        now=_brief(monitoring),
        trend_columns=[*_brief(monitoring)["metrics"], *list(ranked)[:_MOST_TREND]],
        number=number,
        share=_share,
        interval=_interval,
    )


def _brief(monitoring: dict[str, Any]) -> dict[str, Any]:
    """Returns of the window what `trend` has of earlier ones."""
    metrics = (monitoring["quality"] or {}).get("metrics", {})
    compared = monitoring["features"] | monitoring["predictions"]
    return {name: monitoring[name] for name in ("window", "verdict", "rows")} | {
        "features": {name: found["value"] for name, found in compared.items()},
        "metrics": {name: found["value"] for name, found in metrics.items()},
    }


def _excess(found: dict[str, Any]) -> float:
    """Returns how many times beyond its limit a feature is; what could not be compared comes first."""
    if found["value"] is None:
        return float("inf")
    limit = max(found["threshold"], found["chance"], 1e-12)
    return float(found["value"] / limit) + (1e6 if found["status"] == "drifted" else 0)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _interval(bounds: list[float | None] | None) -> str:
    return "" if bounds is None or None in bounds else f"{bounds[0]:.4g} … {bounds[1]:.4g}"
