"""The page that tells the story of a circle."""

from html import escape
from pathlib import Path
from typing import Any

_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #dde3ea; }
td:first-child, th:first-child { text-align: left; } figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; }
.note { color: #5b6875; } .bad { color: #b3261e; font-weight: 600; } .good { color: #1b7f4b; font-weight: 600; }"""
_METRICS = ("auc", "binary_crossentropy", "calibration", "mean_label", "mean_prediction")


def write_page(file: Path, story: dict[str, Any]) -> Path:
    """Writes the page, and returns where it is."""
    parts = [
        "<!doctype html><meta charset='utf-8'><title>A model's year</title>",
        f"<style>{_STYLE}</style><h1>A model of the flights is watched, and trained again</h1>",
        "<p>A model of January to September serves. It is asked about November's and December's flights.</p>",
        _verdicts(story["monitored"]),
        _distances(story["monitored"]),
        _quality(story["monitored"]),
        _retrained(story.get("retrained")),
    ]
    file.write_text("\n".join(parts), encoding="utf-8")
    return file


def _verdicts(monitored: dict[str, Any]) -> str:
    rows = [
        f"<tr><td>{escape(name)}</td><td>{found['rows']:,}</td><td class='{'good' if found['verdict'] == 'ok' else 'bad'}'>"
        f"{found['verdict']}</td><td style='text-align:left'>{escape('; '.join(found['reasons'][:4]))}</td></tr>"
        for name, found in monitored.items()
    ]
    return f"<h2>Results of the monitoring</h2><table><tr><th>Window</th><th>Rows</th><th>Verdict</th><th style='text-align:left'>Reasons</th></tr>{''.join(rows)}</table>"


def _distances(monitored: dict[str, Any]) -> str:
    """Draws how far each feature is from the reference, as a share of its limit."""
    months = {name: found for name, found in monitored.items() if name in ("November, with labels", "December, with labels")}
    names = sorted({name for found in months.values() for name in found["features"]})
    shares = {month: {name: _share(found["features"].get(name)) for name in names} for month, found in months.items()}
    height, widest = 26 * len(names) + 30, 1.8
    lines = [f"<svg viewBox='0 0 820 {height}' width='820' height='{height}' role='img' aria-label='Distance of each feature, in limits'>"]
    limit = 160 + 640 / widest
    for number, name in enumerate(names):
        top = 26 * number + 20
        lines.append(f"<text x='150' y='{top + 12}' text-anchor='end' font-size='13'>{escape(name)}</text>")
        for offset, (month, color) in enumerate(zip(shares, ("#9db4cc", "#1d5fa8"), strict=False)):
            value = shares[month][name]
            width = 640 * min(value, widest) / widest
            lines.append(
                f"<rect x='160' y='{top + 9 * offset}' width='{width:.1f}' height='8' fill='{color}'><title>{month}: {value:.2f} of the limit</title></rect>"
            )
    lines.append(f"<line x1='{limit:.1f}' x2='{limit:.1f}' y1='10' y2='{height}' stroke='#b3261e' stroke-dasharray='4 3'/></svg>")
    return (
        "<h2>How far the flights were from those of training</h2><p class='note'>Each bar is a distance as a share of its limit (dashed): "
        "light November, dark December.</p>" + "".join(lines)
    )


def _share(found: dict[str, Any] | None) -> float:
    if not found or found["value"] is None:
        return 0.0
    return float(found["value"] / max(found["threshold"], found["chance"] or 0.0, 1e-9))


def _quality(monitored: dict[str, Any]) -> str:
    measured = {name: (found["quality"] or {}).get("metrics", {}) for name, found in monitored.items() if found["quality"]}
    head = "".join(f"<th>{escape(name)}</th>" for name in measured)
    rows = "".join(
        _row(metric.replace("_", " "), [found.get(metric, {}).get("value") for found in measured.values()]) for metric in _METRICS
    )
    return f"<h2>How good its answers were</h2><table><tr><th>Metric</th>{head}</tr>{rows}</table>"


def _retrained(retrained: dict[str, Any] | None) -> str:
    if not retrained:
        return "<h2>Training again</h2><p>No training was started.</p>"
    blessing = retrained["blessing"]
    checks = "".join(
        _row(f"{check['metric'].replace('_', ' ')}, {check['kind']}", [check["candidate"], check["baseline"]])
        for check in blessing["thresholds"]
    )
    push = retrained["push"]
    pushed = f"It was pushed as a canary: {escape(str(push.get('outcome')))}." if push else "It was not pushed."
    return (
        f"<h2>Training again</h2><p>Reason: {escape(retrained['reason'])}. The candidate, of April to mid-December, was compared with the model "
        f"that serves on the flights from 16 December: <b>{escape(str(blessing.get('verdict')))}</b>. {pushed}</p>"
        f"<table><tr><th>Metric</th><th>Candidate</th><th>Champion</th></tr>{checks}</table>"
    )


def _row(name: str, values: list[Any]) -> str:
    return f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_number(value)}</td>' for value in values)}</tr>"


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"
