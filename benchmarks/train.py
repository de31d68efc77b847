"""What training gets to eat: rows per second that the reader of Parquet Examples gives, on more and more cores, and how long steps wait for them."""

import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.local.envs import environment
from penstock.local.task_code import code_path

from . import figures, measure
from .single_task import TaskRun

_BATCHES = (512, 8192)
# `measure` hides all GPUs; of several, one is enough to time a step.
_GPU = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0")}
_TRAINER = Path("pipelines/flight_delay/trainer.py")
_READER = Path(__file__).with_name("read_examples.py")


def compare(runs: dict[str, TaskRun], folder: Path, console: Console) -> None:
    """Measures on 1, 2, 4... cores and prints a row for each.

    Args:
        runs: What `scale.prepare` gave.
        folder: Where logs go.
        console: Where to print.
    """
    cores = sorted(os.sched_getaffinity(0))
    counts = [count for count in (1 << power for power in range(len(cores).bit_length())) if count <= len(cores)]
    table = figures.table("train", "batch", "cores", "read, rows/s", "step, ms", "step without reading, ms", "waits for input")
    gpus: list[str] = []
    for batch in _BATCHES:
        for count in counts:
            measured = _measure(runs["transform_examples"], batch, cores[:count], folder / f"{batch}-{count}.log")
            gpus = measured["gpus"]
            waits = max(0.0, 1 - measured["without"] / measured["both"])
            steps = [f"{measured[name] * 1000:.2f}" for name in ("both", "without")]
            table.add_row(f"{batch:,}", str(count), f"{measured['rows'] / measured['reading']:,.0f}", *steps, f"{waits:.0%}")
    console.print(table, highlight=False)
    device = f"steps ran on {', '.join(gpus)}" if gpus else "steps ran on the CPU: there is no GPU here, so nothing was measured on one"
    console.print(f"a step is one batch of the flights' model, 32 to an execution; {device}\n", highlight=False)


def _measure(transform: TaskRun, batch: int, cores: list[int], log: Path) -> dict[str, Any]:
    examples, graph = (transform.outputs[name].absolute() for name in ("transformed_examples", "transform_graph"))
    words = ["taskset", "--cpu-list", ",".join(map(str, cores)), environment("tf").python, _READER]
    words += [examples / "Split-train", graph, _TRAINER.absolute(), batch]
    cost = measure.run(words, log, variables=_GPU | {"PYTHONPATH": str(code_path())})
    return json.loads(next(line for _, line in reversed(cost.lines) if line.startswith("{")))
