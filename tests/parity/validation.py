"""validate_examples by itself, in virtualenvs and in containers: on broken rows, and without a Schema.

The example pipeline's rows are sound and its Schema is given, so that its Anomalies are none and its Schema is a copy.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.local.envs import environment

from .compare import STATISTICS_TOLERANCE, Row
from .runs import RUNNERS, run

ROOT = Path(__file__).resolve().parents[2]
COMPONENT = ROOT / "compiled" / "components" / "validate_examples.yaml"
_NAME = "validate-examples"


def compare(pipeline_run: Path, folder: Path) -> Iterator[Row]:
    """Runs the component and compares what it says.

    Args:
        pipeline_run: A run of the example pipeline, whose Examples and Statistics are the sound ones.
        folder: Where to run.
    """
    examples, statistics = pipeline_run / "ingest-examples" / "examples", pipeline_run / "validate-examples" / "statistics"
    broken = folder / "broken"
    subprocess.run([environment("tf").python, Path(__file__).with_name("broken_rows.py"), examples, broken], check=True)
    against = {
        "examples": str(broken),
        "schema_file": str(ROOT / "pipelines" / "flight_delay" / "schema.pbtxt"),
        "previous_statistics": str(statistics),
        "serving_statistics": str(statistics),
        "on_anomalies": "warn",
    }
    yield from _findings(*(_results(run(COMPONENT, runner, folder / f"broken-{runner}", against)) for runner in RUNNERS))
    inferred = (run(COMPONENT, runner, folder / f"inferred-{runner}", {"examples": str(examples)}) for runner in RUNNERS)
    yield _schema(*(next(side.rglob("schema.pbtxt")).read_bytes() for side in inferred))


def _results(run: Path) -> dict[str, Any]:
    return json.loads(next(run.rglob("verdict.json")).read_text(encoding="utf-8"))


def _findings(one: dict[str, Any], other: dict[str, Any]) -> Iterator[Row]:
    """Compares every finding, word by word, and every measured value."""
    left, right = one["findings"], other["findings"]
    kinds = len({finding["kind"] for finding in left})
    same = f"equal: {len(left)} of {kinds} kinds, {one['anomaly_count']} of them of severity ERROR"
    yield Row(_NAME, "Anomalies of broken rows", same if left == right else _difference(left, right), "equal", left == right and bool(left))
    measured = [
        {(check["check"], check["split"], check["feature"], check["measure"]): check for check in side["checks"]} for side in (one, other)
    ]
    apart = {key: abs(check["measured"] - measured[1][key]["measured"]) for key, check in measured[0].items() if key in measured[1]}
    worst = max(apart, key=lambda key: apart[key])
    limits = [{key: check | {"measured": 0} for key, check in side.items()} for side in measured]
    found = f"{len(apart)} values at most {apart[worst]:.1g} apart" + (f" ({' '.join(worst)})" if apart[worst] else "")
    good = limits[0] == limits[1] and apart[worst] <= STATISTICS_TOLERANCE
    yield Row(
        _NAME, "numbers of drift, skew and rows", found, f"at most {STATISTICS_TOLERANCE} apart, with equal limits and verdicts", good
    )


def _difference(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    only = [json.dumps(finding) for left, right in ((one, other), (other, one)) for finding in left if finding not in right]
    return f"{len(only)} in one only, such as {only[0] if only else 'their order'}"


def _schema(one: bytes, other: bytes) -> Row:
    found = f"equal: {one.count(b'feature {')} features" if one == other else "different"
    return Row(_NAME, "Schema, inferred", found, "equal", one == other)
