"""score_batch against TFX's BulkInferrer: the same model over the same rows. Also ten times the rows."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from . import figures, measure, peer_tfx, scale, single_task
from .single_task import TaskRun

TIMES = scale.TIMES
KEY = "flight_id"
GOAL_ROWS, _MOST_MEMORY = 300_000, 1.5
_MIB = 2.0**20


@dataclass(frozen=True)
class _Side:
    """What one run scored, and what that cost.

    Attributes:
        rows: The scored rows.
        mean: The mean of the scores.
        seconds: Seconds with imports.
        without_imports: Seconds without.
        peak_bytes: The peak memory of the process.
    """

    rows: int
    mean: float
    seconds: float
    without_imports: float
    peak_bytes: int


def compare(runs: dict[str, TaskRun], csv: Path, small: Path, large: Path, folder: Path, console: Console) -> None:
    """Trains a model, has both score the flights with it, and prints a table.

    Args:
        runs: What `scale.prepare` gave.
        csv: The raw rows in folders `train` and `eval`, as CsvExampleGen reads them.
        small: The raw rows with a column `KEY`.
        large: The same, `TIMES` times the rows.
        folder: Where the outputs go.
        console: Where to print.

    Raises:
        SystemExit: The model is not blessed, as may be if it was trained on a sample.
    """
    model = scale.train(runs, folder)
    runs = runs | {"train_model": model, "evaluate_model": scale.evaluate(model, runs, folder)}
    ours = {name: _ours(table, runs, folder / name) for name, table in {"x1": small, f"x{TIMES}": large}.items()}
    peer = _peer(csv, model, folder / "tfx")
    table = figures.table("batch scoring", "", "rows", "s", "rows/s", "without imports, s", "rows/s", "peak MiB")
    sides = {"score_batch": ours["x1"], f"score_batch, x{TIMES} rows": ours[f"x{TIMES}"], "BulkInferrer": peer}
    for name, side in sides.items():
        table.add_row(
            name,
            f"{side.rows:,}",
            *(cell for seconds in (side.seconds, side.without_imports) for cell in (f"{seconds:.2f}", f"{side.rows / seconds:,.0f}")),
            f"{side.peak_bytes / _MIB:,.0f}",
        )
    first, more = ours["x1"], ours[f"x{TIMES}"]
    console.print(table)
    console.print(
        f"mean score: score_batch {first.mean:.6f}, BulkInferrer {peer.mean:.6f}\n"
        f"{peer.without_imports / first.without_imports:.0f} times as fast, {peer.seconds / first.seconds:.0f} times with imports\n"
        f"x{TIMES} rows: {more.rows / more.without_imports:,.0f} rows/s without imports (goal: at least {GOAL_ROWS:,}), "
        f"{more.peak_bytes / first.peak_bytes:.2f} times the memory (goal: at most {_MOST_MEMORY:g})\n",
        highlight=False,
    )


def _ours(table: Path, runs: dict[str, TaskRun], folder: Path) -> _Side:
    run = single_task.run(
        "score_batch",
        "tf",
        folder / "score_batch",
        {"key_columns": [KEY]},
        {
            "examples": (scale.ingest(f"{table}/*.parquet", folder), "examples"),
            "schema": (runs["validate_examples"], "schema"),
            "model": (runs["train_model"], "model"),
            "evaluation": (runs["evaluate_model"], "evaluation"),
        },
        ["predictions", "report"],
    )
    manifest = json.loads((run.outputs["predictions"] / "manifest.json").read_text(encoding="utf-8"))
    (scores,) = manifest["scores"].values()
    return _Side(manifest["rows"], scores["mean"], run.cost.seconds, run.cost.seconds - run.imports, run.cost.peak_bytes)


def _peer(csv: Path, model: TaskRun, folder: Path) -> _Side:
    """Runs BulkInferrer behind CsvExampleGen; the time is the step's own, from ML Metadata, and that of the imports."""
    served = folder / "model"
    command = [peer_tfx.environment().python, peer_tfx.FOLDER / "constant_weights.py", model.outputs["model"], served / "Format-Serving"]
    measure.run(command, folder / "constant_weights.log")
    cost, record = peer_tfx.run_dag(csv, folder, "bulk_inferrer", {"scored-with": served.absolute()})
    seconds = record["steps"]["BulkInferrer"]
    return _Side(record["rows"], record["mean"], seconds + record["imports"], seconds, cost.peak_bytes)
