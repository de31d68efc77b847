"""The model server against KServe's own ModelServer around the same SavedModel: start, memory, requests per second, latency."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from penstock.local.envs import environment
from penstock.local.task_code import code_path

from . import figures, load
from .load import Load
from .ours import MODEL, Run, free_port

GOAL = 2.0
_STOCK = Path(__file__).with_name("stock_server.py").absolute()
_SILENT = ("--enable_latency_logging", "false", "--configure_logging", "false")
_WARM_UP, _SECONDS = 2.0, 8.0
# How each load is called, how many connections it keeps busy, and the rows of its requests.
_LOADS = {"1 connection": (1, 1), "32 connections": (32, 1), "32 connections, 100 rows": (32, 100)}


@dataclass(frozen=True)
class Measured:
    """What was measured of one server.

    Attributes:
        start: Seconds from its start to the first answer.
        peak_mib: Its largest resident set.
        loads: What it did under each load, by name.
    """

    start: float
    peak_mib: float
    loads: dict[str, Load]


def compare(run: Run, folder: Path, console: Console) -> None:
    """Starts each server, one after the other, with the model of a run, and prints a table.

    Args:
        run: A run that trained and evaluated.
        folder: Where the servers' logs go.
        console: Where to print.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = next(run.folder.glob("train-model/model")).absolute()
    instances = json.loads((run.evaluation / "probe.json").read_text(encoding="utf-8"))["instances"]
    measured = {name: _measure(command, model, instances, folder / f"{name}.log") for name, command in _commands().items()}
    console.print(_table(measured))


def _commands() -> dict[str, tuple[Any, ...]]:
    """Returns what each server's Python runs."""
    return {"Penstock": (code_path(), "penstock.server"), "KServe": (_STOCK,), "KServe, silent": (_STOCK, *_SILENT)}


def _measure(command: tuple[Any, ...], model: Path, instances: list[Any], log: Path) -> Measured:
    http, grpc = free_port(), free_port()
    arguments = ["--model_name", MODEL, "--model_dir", model, "--http_port", http, "--grpc_port", grpc]
    started = time.perf_counter()
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(word) for word in (environment("serve").python, *command, *arguments)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        load.Client(http).ask(load.v1_request(MODEL, instances[:1]))
        start = time.perf_counter() - started
        loads = {name: _load(http, instances, *how) for name, how in _LOADS.items()}
        return Measured(start, _peak_mib(server.pid), loads)
    finally:
        server.terminate()
        server.wait()


def _load(port: int, instances: list[Any], concurrency: int, rows: int) -> Load:
    """Asks for different rows in turn, so that concurrent requests differ."""
    repeated = instances * (1 + rows // len(instances) + 1)
    requests = [load.v1_request(MODEL, repeated[first : first + rows]) for first in range(len(instances))]
    return load.measure(port, requests, concurrency, _WARM_UP, _SECONDS)


def _table(measured: dict[str, Measured]) -> Table:
    table = figures.table("model server: the same SavedModel, V1 over REST", "", *measured, "ratio")
    table.add_row(*_row("seconds from start to the first answer", [server.start for server in measured.values()], 1))
    table.add_row(*_row("peak memory, MiB", [server.peak_mib for server in measured.values()], 0), end_section=True)
    for name in _LOADS:
        goal = f" (goal: at least {GOAL:g} times)" if name == "32 connections" else ""
        loads = [server.loads[name] for server in measured.values()]
        table.add_row(*_row(f"{name}: requests/s{goal}", [each.per_second for each in loads], 0))
        table.add_row(*_row("  median, ms", [each.p50 for each in loads], 2))
        table.add_row(*_row("  99th percentile, ms", [each.p99 for each in loads], 2), end_section=True)
    return table


def _row(what: str, values: list[float], digits: int) -> list[str]:
    """Returns a row; its last cell compares with KServe as it comes."""
    return [what, *(f"{value:.{digits}f}" for value in values), f"{values[0] / values[1]:.2f}"]


def _peak_mib(pid: int) -> float:
    """The largest resident set of a process so far, as the kernel counted it."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024
