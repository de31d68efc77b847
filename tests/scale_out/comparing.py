"""What one component makes in one process and on a cluster: what must be equal, what may differ by how much, and why."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from penstock.components.protocol.values import decode_metadata
from penstock.local.envs import environment

from ..parity.compare import Differences, Row, compare_files, compare_metrics, compare_statistics
from .steps import Run

_METRICS_TOLERANCE = 1e-6
# Of a bucket's rows or of a quantile: workers merge sketches in no order.
_SKETCHED_TOLERANCE = 0.05
_MAY_DIFFER: Differences = {
    "statistics": (None, "sketches are merged in another order; compared by number"),
    "evaluation": (None, "TFMA writes its own files; the verdict is equal, and the metrics are compared by number"),
    "classification_metrics": (None, "TFMA draws no curves"),
    "report": (None, "it names the time"),
    "predictions": (None, "each row has the time; the rows are compared without it"),
}
_COMPARED = {"rows", "errors", "splits", "verdict"}


def compare(name: str, here: Run, there: Run) -> Iterator[Row]:
    """Compares two runs of a component on the same inputs.

    Args:
        name: The component.
        here: The run in one process.
        there: The run on the cluster.
    """
    yield from compare_files(here.folder, there.folder, set(here.metadata), _MAY_DIFFER)
    for output in here.metadata:
        metadata, others = (decode_metadata(run.metadata[output]) for run in (here, there))
        for key in sorted(_COMPARED & metadata.keys()):
            one, other = metadata[key], others.get(key)
            yield Row(name, f"{output}, {key}", str(other), str(one), one == other)
    yield from compare_metrics(
        name,
        *({key: {"artifacts": [{"metadata": value}]} for key, value in run.metadata.items()} for run in (here, there)),
        _METRICS_TOLERANCE,
    )
    if "statistics" in here.metadata:
        yield compare_statistics(name, here.folder / "statistics", there.folder / "statistics", _SKETCHED_TOLERANCE)
    if "predictions" in here.metadata:
        one, other = (_scored_rows(run.folder / "predictions" / "predictions") for run in (here, there))
        yield Row(name, "scored rows, without the time", other, one, one == other)


def _scored_rows(folder: Path) -> str:
    script = Path(__file__).with_name("scored_rows.py")
    return subprocess.run([environment("tf").python, script, folder], capture_output=True, text=True, check=True).stdout.strip()
