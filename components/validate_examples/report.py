"""What the page of validate_examples shows."""

import math
from pathlib import Path
from typing import Any

from penstock.components.evidence.page import write_page

from .checks import shorten
from .statistics import FeatureStatistics, Statistics, by_name, common, count_infinite, count_nan, histogram, is_numeric

_BARS = 24
_TOP_VALUES = 4


def write(path: Path, verdict: dict[str, Any], computed: dict[str, Statistics], summary: str) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        verdict: What `verdict.json` holds.
        computed: The Statistics of each Split.
        summary: One line that says how it went.
    """
    flagged = {(finding["split"], finding["feature"]): finding["severity"] for finding in reversed(verdict["findings"])}
    comparisons = [found for found in verdict["checks"] if found["check"] != "min_rows"]
    write_page(
        Path(__file__).parent / "report.html.j2",
        path,
        title="Validation of Examples",
        verdict=verdict,
        summary=summary,
        findings=sorted(verdict["findings"], key=lambda finding: finding["severity"] != "ERROR"),
        comparisons=sorted(comparisons, key=lambda found: -found["measured"] / (found["threshold"] or 1e-9)),
        row_checks=[found for found in verdict["checks"] if found["check"] == "min_rows"],
        numbers=_features(computed, flagged, numeric=True),
        categories=_features(computed, flagged, numeric=False),
    )


def _features(computed: dict[str, Statistics], flagged: dict[tuple[str, str], str], numeric: bool) -> list[dict[str, Any]]:
    """Lists the features of one kind, sorted, each with a row for every Split that has it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for split, statistics in computed.items():
        for name, feature in by_name(statistics).items():
            if is_numeric(feature) == numeric and feature.WhichOneof("stats"):
                describe = _describe_numbers if numeric else _describe_categories
                rows.setdefault(name, []).append(
                    {"split": split, "severity": flagged.get((split, name)), **_presence(feature), **describe(feature)}
                )
    return [{"name": name, "rows": found} for name, found in sorted(rows.items())]


def _presence(feature: FeatureStatistics) -> dict[str, Any]:
    counts = common(feature)
    total = counts.num_non_missing + counts.num_missing
    return {"count": f"{counts.num_non_missing:,}", "missing": counts.num_missing / total if total else 0.0}


def _describe_numbers(feature: FeatureStatistics) -> dict[str, Any]:
    numbers = feature.num_stats
    figures = {key: _short(getattr(numbers, key)) for key in ("mean", "std_dev", "min", "median", "max")}
    count = max(common(feature).tot_num_values, 1)
    odd = count_nan(feature) + count_infinite(feature)
    return figures | {"zeros": numbers.num_zeros / count, "odd": odd, "bars": _bars(feature)}


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "inf" if value == math.inf else "-inf" if value == -math.inf else "NaN"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:,.4g}"
    return f"{value:.3g}"


def _bars(feature: FeatureStatistics) -> list[dict[str, Any]]:
    """Turns the finite part of a histogram into bars: place, width and height as fractions, and a text."""
    buckets = [bucket for bucket in histogram(feature).buckets if math.isfinite(bucket.low_value) and math.isfinite(bucket.high_value)]
    if not buckets:
        return []
    low, high = buckets[0].low_value, buckets[-1].high_value
    tallest = max(bucket.sample_count for bucket in buckets) or 1.0
    span = (high - low) or 1.0
    return [
        {
            "x": (bucket.low_value - low) / span if high > low else 0.0,
            "width": (bucket.high_value - bucket.low_value) / span if high > low else 1.0,
            "height": bucket.sample_count / tallest,
            "text": f"{_short(bucket.low_value)} to {_short(bucket.high_value)}: {bucket.sample_count:,.0f}",
        }
        for bucket in buckets
    ]


def _describe_categories(feature: FeatureStatistics) -> dict[str, Any]:
    if feature.WhichOneof("stats") != "string_stats":
        return {"unique": "", "length": "", "bars": [], "top": []}
    strings = feature.string_stats
    total = max(common(feature).tot_num_values, 1)
    ranked = strings.rank_histogram.buckets[:_BARS]
    tallest = ranked[0].sample_count if ranked else 1.0
    bars = [
        {
            "x": index / _BARS,
            "width": 1 / _BARS,
            "height": bucket.sample_count / tallest,
            "text": f"{shorten(bucket.label)}: {bucket.sample_count:,.0f}",
        }
        for index, bucket in enumerate(ranked)
    ]
    top = [{"value": bucket.label, "share": bucket.sample_count / total} for bucket in ranked[:_TOP_VALUES]]
    return {"unique": f"{strings.unique:,}", "length": _short(strings.avg_length), "bars": bars, "top": top}
