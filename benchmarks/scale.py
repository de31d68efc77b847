"""Ten times the rows: how much more time and memory the data's tasks take, and what a row costs. Also what every task's process costs."""

from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.components.protocol.values import decode_metadata
from penstock.pipelines import flight_delay

from . import figures, single_task
from .single_task import TaskRun

TIMES = 10
_MOST_SECONDS = 6
_MOST_MEMORY = 1.3
_INGEST = ["split_by", "split_key", "splits", "exclude_columns"]
_MIB = 2.0**20


def compare(small: dict[str, TaskRun], repeated: Path, folder: Path, console: Console) -> None:
    """Runs the tasks on a table and on that table repeated, and prints a row for each.

    Args:
        small: What `prepare` gave for the table as it is.
        repeated: The raw rows, `TIMES` times.
        folder: Where the outputs go.
        console: Where to print.
    """
    large = prepare(repeated, folder / f"x{TIMES}")
    model = train(small, folder)
    small, large = (runs | {"evaluate_model": evaluate(model, runs, folder / name)} for name, runs in (("x1", small), (f"x{TIMES}", large)))
    rows = [sum(rows_of(runs["ingest_examples"]).values()) for runs in (small, large)]
    title = f"scale: {rows[0]:,} rows, and {rows[1]:,}"
    table = figures.table(title, "", "s", f"s, x{TIMES}", "ratio", "MiB", f"MiB, x{TIMES}", "ratio")
    rates = figures.table("what a row costs: the rows that were added", "", "rows/s per core", "core seconds, fixed")
    process = ("whole, s", "imports", "own work", "overhead", "hashing")
    overhead = figures.table("what a task's process costs beside its work", "", *process)
    for name, run in small.items():
        other = large[name]
        seconds, peaks = (run.cost.seconds, other.cost.seconds), (run.cost.peak_bytes / _MIB, other.cost.peak_bytes / _MIB)
        table.add_row(name, *_pair(*seconds, digits=2), *_pair(*peaks, digits=0))
        rates.add_row(name, *_rate(run.cost.processor_seconds, other.cost.processor_seconds, *_rows_read(name, small, large)))
        overhead.add_row(
            name,
            *(f"{value:.2f}" for value in (run.cost.seconds, run.imports, run.work, run.overhead)),
            f"{run.hashing / run.cost.seconds:.1%}",
        )
    console.print(table, f"goals: time at most x{_MOST_SECONDS}, memory at most x{_MOST_MEMORY}\n", highlight=False)
    console.print(rates, "evaluate_model reads the Split eval; the others read all\n", highlight=False)
    console.print(
        overhead, "goals: overhead under 1 s, with what the orchestrator adds between tasks; hashing at most 2 %\n", highlight=False
    )


def ingest_csv(csv: Path, folder: Path, console: Console) -> None:
    """Prints what ingest_examples takes for the files that CsvExampleGen read: its row above is for Parquet."""
    parameters = {
        "input_uri": f"{csv}/*/*.csv",
        "split_by": "column",
        "split_key": "month",
        "splits": {"train": [*range(1, 10)], "eval": [10, 11]},
    }
    run = single_task.run("ingest_examples", "tf", folder, parameters, {}, ["examples"])
    console.print(f"ingest_examples on the CSV files that CsvExampleGen read: {run.cost.seconds:.2f} s\n", highlight=False)


def ingest(input_uri: str, folder: Path, input_format: str = "parquet") -> TaskRun:
    """Ingests flights as the example does."""
    values = flight_delay.parameters()
    parameters = {name: values[name] for name in _INGEST} | {"input_uri": input_uri, "input_format": input_format}
    return single_task.run("ingest_examples", "tf", folder / "ingest_examples", parameters, {}, ["examples"])


def prepare(flights: Path, folder: Path) -> dict[str, TaskRun]:
    """Runs the tasks up to the training."""
    values = flight_delay.parameters()
    ingested = ingest(f"{flights}/*.parquet", folder)
    validate = single_task.run(
        "validate_examples",
        "tfdv",
        folder / "validate_examples",
        {"schema_file": values["schema_file"]},
        {"examples": (ingested, "examples")},
        ["statistics", "schema", "anomalies", "report"],
    )
    transform = single_task.run(
        "transform_examples",
        "tf",
        folder / "transform_examples",
        {"module_file": values["preprocessing_module"]},
        {"examples": (ingested, "examples"), "schema": (validate, "schema")},
        ["transformed_examples", "transform_graph", "updated_analyzer_cache"],
    )
    return {"ingest_examples": ingested, "validate_examples": validate, "transform_examples": transform}


def evaluate(model: TaskRun, runs: dict[str, TaskRun], folder: Path) -> TaskRun:
    """Evaluates a model on the eval Split of `prepare`'s Examples."""
    return single_task.run(
        "evaluate_model",
        "tf",
        folder / "evaluate_model",
        {"eval_config": flight_delay.parameters()["eval_config"]},
        {"examples": (runs["ingest_examples"], "examples"), "schema": (runs["validate_examples"], "schema"), "model": (model, "model")},
        ["evaluation", "metrics", "classification_metrics", "report"],
    )


def train(runs: dict[str, TaskRun], folder: Path, hyperparameters: dict[str, Any] | None = None) -> TaskRun:
    """Trains a model; how long that takes is the trainer module's matter."""
    values = flight_delay.parameters()
    tracking = {"tracking_uri": f"sqlite:///{folder.absolute()}/mlflow.db"}
    return single_task.run(
        "train_model",
        "tf",
        folder / "train_model",
        {"module_file": values["trainer_module"], "seed": values["seed"], "hyperparameters": hyperparameters or {}} | tracking,
        {
            "examples": (runs["transform_examples"], "transformed_examples"),
            "transform_graph": (runs["transform_examples"], "transform_graph"),
            "schema": (runs["validate_examples"], "schema"),
        },
        ["model", "training_logs", "metrics"],
    )


def rows_of(ingest: TaskRun) -> dict[str, int]:
    """Returns how many rows each Split of ingested Examples has."""
    return decode_metadata(ingest.metadata["examples"])["splits"]


def _rows_read(name: str, *sides: dict[str, TaskRun]) -> list[int]:
    splits = [rows_of(runs["ingest_examples"]) for runs in sides]
    return [rows["eval"] if name == "evaluate_model" else sum(rows.values()) for rows in splits]


def _rate(first: float, second: float, fewer: int, more: int) -> list[str]:
    """Returns the rows per core second of what was added, and the core seconds that would be left without rows."""
    per_row = (second - first) / (more - fewer)
    return [f"{1 / per_row:,.0f}", f"{first - fewer * per_row:.1f}"]


def _pair(first: float, second: float, digits: int) -> list[str]:
    return [f"{first:,.{digits}f}", f"{second:,.{digits}f}", f"{second / first:.2f}"]
