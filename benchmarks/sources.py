"""Tables with versions against the same rows in Parquet files: what ingest_examples takes for each."""

from pathlib import Path

from rich.console import Console

from . import figures, scale
from .single_task import TaskRun

_MIB = 2.0**20
_MOST = 1.5


def compare(flights: Path, delta: Path, iceberg: Path, folder: Path, console: Console) -> None:
    """Ingests the flights from files and from tables, each twice in turn, and prints the faster run of each.

    Args:
        flights: The Parquet files.
        delta: The same rows as a Delta table.
        iceberg: The same rows as an Iceberg table: a folder with its metadata file.
        folder: Where the outputs go.
        console: Where to print.
    """
    uris = {
        "Parquet files": f"{flights}/*.parquet",
        "Delta table": str(delta),
        "Iceberg table": str(max(iceberg.rglob("*.metadata.json"))),
    }
    runs: dict[str, TaskRun] = {}
    for turn in range(2):
        for name, uri in uris.items():
            run = scale.ingest(uri, folder / f"{name}-{turn}", "auto")
            runs[name] = min(run, runs.get(name, run), key=lambda each: each.cost.seconds)
    files = runs["Parquet files"]
    rows = sum(scale.rows_of(files).values())
    table = figures.table(f"sources: {rows:,} rows, at a version", "", "own work, s", "ratio", "whole, s", "ratio", "MiB")
    for name, run in runs.items():
        ratio = run.cost.seconds / files.cost.seconds
        table.add_row(
            name,
            f"{run.work:.2f}",
            f"{run.work / files.work:.2f}",
            f"{run.cost.seconds:.2f}",
            f"{ratio:.2f}" + (" (over)" if ratio > _MOST else ""),
            f"{run.cost.peak_bytes / _MIB:.0f}",
        )
    console.print(table)
