"""The page that shows what compare_features found."""

from pathlib import Path
from typing import Any

from penstock.components.evidence.feature_skew import KINDS
from penstock.components.evidence.page import write_page


def write_report(path: Path, found: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        found: The contents of `feature_skew.json`.
    """
    ranked = dict(sorted(found["features"].items(), key=lambda item: -(item[1]["share"] or 0)))
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Feature skew",
        found=found,
        ranked=ranked,
        kinds=KINDS,
        value=_value,
        age=_age,
    )


def _age(seconds: float | None) -> str:
    """Returns a length of time as people read it."""
    if seconds is None:
        return "–"
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.1f} s"


def _value(value: Any) -> str:
    return "null" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
