"""The page of a scored table: the model, the rows, the errors, the distribution of the scores."""

from pathlib import Path
from typing import Any

from penstock.components.evidence.page import number, write_page


def write_report(path: Path, manifest: dict[str, Any], not_compared: str, reasons: list[tuple[str, int]]) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        manifest: `manifest.json`'s contents.
        not_compared: Why the scores are not compared with an evaluation; empty if they are.
        reasons: Why rows were not scored, and how many.
    """
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Scored table",
        manifest=manifest,
        not_compared=not_compared,
        reasons=reasons,
        bins=_bins,
        number=number,
    )


def _bins(scores: dict[str, Any]) -> list[dict[str, float]]:
    """Returns the share of the scores in each bin, and of the evaluation's."""
    theirs = (scores["evaluated"] or {}).get("counts") or [0] * len(scores["counts"])
    ours, all_theirs = sum(scores["counts"]) or 1, sum(theirs) or 1
    pairs = zip(scores["ends"], scores["ends"][1:], scores["counts"], theirs, strict=False)
    return [{"low": low, "high": high, "now": now / ours, "evaluated": then / all_theirs} for low, high, now, then in pairs]
