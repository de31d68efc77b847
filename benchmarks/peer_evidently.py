"""monitor_model against Evidently: the drift of two months of flights against nine. Also ten times the rows."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from penstock.local.envs import Environment

from . import figures, measure, single_task
from .measure import Cost
from .peers import peer_environment

FOLDER = Path(__file__).parent / "evidently"
TIMES = 10
GOAL_SECONDS, GOAL_MEMORY = 8.0, 0.5
_MOST_MEMORY = 1.5
_MIB = 2.0**20
_WINDOW = {"window_start": "2013-10-01", "window_end": "2013-12-01"}


@dataclass(frozen=True)
class Tables:
    """What both sides read, for one number of rows.

    Attributes:
        log: The window as a prediction log, which monitor_model reads.
        window: The window as Parquet, which Evidently reads.
        reference: The reference as Parquet.
        examples: The reference as Examples.
    """

    log: Path
    window: Path
    reference: Path
    examples: Path


def environment() -> Environment:
    """Returns Evidently's environment, made of a hashed lock."""
    return peer_environment("evidently", "3.13", "3.12", "3.11", "3.10")


def compare(small: Tables, large: Tables, folder: Path, console: Console) -> None:
    """Runs both, and prints a table.

    Args:
        small: The flights.
        large: The flights, `TIMES` times.
        folder: Where the outputs go.
        console: Where to print.
    """
    ours = {name: _monitor(tables, folder / name) for name, tables in {"x1": small, f"x{TIMES}": large}.items()}
    peer = measure.run(
        [environment().python, FOLDER / "drift.py", small.reference, small.window, folder / "evidently"], folder / "evidently.log"
    )
    table = figures.table("monitoring: drift of 17 features", "", "s", "CPU s", "peak MiB")
    for name, cost in {"monitor_model": ours["x1"], f"monitor_model, x{TIMES} rows": ours[f"x{TIMES}"], "Evidently": peer}.items():
        table.add_row(name, f"{cost.seconds:.2f}", f"{cost.processor_seconds:.2f}", f"{cost.peak_bytes / _MIB:.0f}")
    console.print(table)
    first, more = ours["x1"], ours[f"x{TIMES}"]
    console.print(
        f"{peer.seconds / first.seconds:.1f} times as fast (goal: at least {GOAL_SECONDS:g}), "
        f"{first.peak_bytes / peer.peak_bytes:.2f} of the memory (goal: at most {GOAL_MEMORY:g})\n"
        f"x{TIMES} rows: {more.seconds / first.seconds:.1f} times the seconds (goal: at most {TIMES}), "
        f"{more.peak_bytes / first.peak_bytes:.2f} times the memory (goal: at most {_MOST_MEMORY:g})\n",
        highlight=False,
    )


def _monitor(tables: Tables, folder: Path) -> Cost:
    parameters = {"logs": str(tables.log.absolute()), "reference_uri": str(tables.examples.absolute()), "log_format": "penstock"} | _WINDOW
    return single_task.run("monitor_model", "tf", folder, parameters, {}, ["monitoring", "report"]).cost
