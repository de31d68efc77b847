"""The page of an evaluation: verdict, thresholds, metrics, curves, slices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from penstock.components.evidence.evaluation.figures import Value, metric_title, metric_values, slice_title
from penstock.components.evidence.evaluation.results import Results, by_slice
from penstock.components.evidence.page import write_page
from penstock.components.evidence.tfma import constants, model_util

from .blessing import bounds_text
from .curves import Curves

_SIDE = 260
_MOST_COLUMNS = 9


@dataclass
class Figure:
    """One metric in one slice.

    Attributes:
        candidate: The candidate's value; None if undefined.
        interval: Its 95 % confidence interval, if computed.
        baseline: The Baseline's value; None if undefined or without a Baseline.
        difference: Candidate minus Baseline.
        difference_interval: Its 95 % confidence interval, if computed.
    """

    candidate: Value = None
    interval: list[Value] | None = None
    baseline: Value = None
    difference: Value = None
    difference_interval: list[Value] | None = None


def write_report(
    path: Path, eval_config: config_pb2.EvalConfig, results: Results, blessing: dict[str, Any], curves: dict[str, Curves]
) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        eval_config: As evaluated.
        results: What was found.
        blessing: `blessing.json`'s contents.
        curves: Each model's curves, by `candidate` and `baseline`.
    """
    slices = _figures_by_slice(eval_config, results)
    overall = slices.pop("overall", {})
    columns = list(overall or next(iter(slices.values()), {}))[:_MOST_COLUMNS]
    thresholds = [
        threshold | {"asked": bounds_text(threshold), "where": slice_title(tuple(threshold["slice"].items()))}
        for threshold in blessing["thresholds"]
    ]
    write_page(
        Path(__file__).with_name("report.html.j2"),
        path,
        title="Evaluation",
        blessing=blessing,
        thresholds=thresholds,
        overall=overall,
        slices=slices,
        columns=columns,
        curves=curves,
        roc={name: [(x, y) for x, y, _ in drawn.roc] for name, drawn in curves.items() if drawn.roc},
        calibration={name: [(x, y) for x, y, _ in drawn.calibration] for name, drawn in curves.items() if drawn.calibration},
        matrix=curves.get(constants.CANDIDATE_KEY),
        side=_SIDE,
        polyline=polyline,
        number=number,
        interval=interval,
    )


def _figures_by_slice(eval_config: config_pb2.EvalConfig, results: Results) -> dict[str, dict[str, Figure]]:
    """Arranges the numbers by slice and metric, the overall slice first."""
    baseline = model_util.get_baseline_model_spec(eval_config)
    found: dict[str, dict[str, Figure]] = {}
    for slice_key, figures in by_slice(results).items():
        here = found.setdefault(slice_title(slice_key), {})
        for key, (value, bounds) in metric_values(figures).items():
            cell = here.setdefault(metric_title(key), Figure())
            if key.is_diff:
                cell.difference, cell.difference_interval = value, bounds
            elif baseline is not None and key.model_name == baseline.name:
                cell.baseline = value
            else:
                cell.candidate, cell.interval = value, bounds
    return found


def polyline(points: list[tuple[float, float]], side: int = _SIDE) -> str:
    """Returns SVG points of a curve in the unit square, its origin at the lower left."""
    return " ".join(f"{x * side:.1f},{(1 - y) * side:.1f}" for x, y in points)


def number(value: Value, sign: bool = False) -> str:
    """Shows a number: counts whole, others to four digits, differences to four decimals; a dash if there is none."""
    if value is None:
        return "–"
    plus = "+" if sign else ""
    if value == 0 or (float(value).is_integer() and abs(value) >= 10):
        return f"{value:{plus},.0f}" if value else "0"
    return f"{value:{plus}.4f}" if 1e-4 <= abs(value) < 10 or (sign and abs(value) < 10) else f"{value:{plus}.4g}"


def interval(bounds: list[Value] | None, sign: bool = False) -> str:
    """Formats an interval, or returns an empty text."""
    return "" if bounds is None or None in bounds else f"{number(bounds[0], sign)} … {number(bounds[1], sign)}"
