"""What Kubeflow's own pages make of an artifact, as those of 2.17.0 do.

Source: kubeflow/pipelines, frontend/src/components/viewers (MetricsVisualizations.tsx, ROCCurveHelper.tsx, HTMLViewer.tsx); for the form in
which metadata is recorded, backend/src/v2/metadata/converter.go.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

# What the driver and the launcher add to the metadata, and the pages do not show.
_ADDED = {"display_name": "metrics", "store_session_info": "{}"}
# The most that a run may hand from task to task, metadata included: what Kubernetes takes as one argument, less the rest of it.
MOST_BYTES = 120 << 10


def scalar_metrics(metadata: dict[str, Any]) -> dict[str, str]:
    """Returns the table of a `system.Metrics`: every property but those that Kubeflow adds."""
    return {name: json.dumps(value) for name, value in _recorded(metadata).items() if name not in _ADDED}


def roc_curve(metadata: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Returns threshold, x and y of each point of a `system.ClassificationMetrics`."""
    points = _recorded(metadata)["confidenceMetrics"]["list"]
    return [tuple(_number(point[name]) for name in ("confidenceThreshold", "falsePositiveRate", "recall")) for point in points]  # type: ignore[misc]


def confusion_matrix(metadata: dict[str, Any]) -> tuple[list[str], list[list[float]]]:
    """Returns labels and cells of a `system.ClassificationMetrics`."""
    matrix = _recorded(metadata)["confusionMatrix"]["struct"]
    labels = [spec["displayName"] for spec in matrix["annotationSpecs"]]
    rows = [[_number(cell) for cell in row["row"]] for row in matrix["rows"]]
    assert all(isinstance(label, str) for label in labels)
    assert {len(labels)} == {len(rows), *map(len, rows)}
    return labels, rows


def check_page(page: Path) -> None:
    """Checks that a page shows everything in a frame that has no address and no rights (`srcdoc`, `sandbox="allow-scripts"`)."""
    text = page.read_text(encoding="utf-8")
    _Page().feed(text)
    assert not re.search(r"url\((?!['\"]?(data:|#))|@import", text)


class _Page(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "iframe", "base", "form"}, f"the page has <{tag}>"
        for name, value in attrs:
            assert name not in {"src", "srcset", "action"} or (value or "").startswith("data:"), f"<{tag}> loads {value}"
            assert name not in {"href", "xlink:href"} or (value or "").startswith("#"), f"<{tag}> leads to {value}"


def _recorded(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns metadata in the form in which it is recorded; null is refused there."""
    assert None not in metadata.values()
    assert len(json.dumps(metadata)) < MOST_BYTES
    return {name: _value(value) for name, value in metadata.items()} | _ADDED


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return {"list": value} if isinstance(value, list) else {"struct": value} if isinstance(value, dict) else value


def _number(value: Any) -> float:
    assert isinstance(value, (int, float))
    assert not isinstance(value, bool)
    return value
