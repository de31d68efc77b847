"""The flights' pipeline against TFX's LocalDagRunner: the same rows, modules, Schema and EvalConfig, step by step."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from penstock.local.envs import Environment

from . import figures, measure
from .ours import Place, Run
from .peers import peer_environment

FOLDER = Path(__file__).parent / "tfx"
EXAMPLE = Path("pipelines/flight_delay")
HEAVY = "tfx.v1, tensorflow_model_analysis"
# What TFX has for each task; what has no counterpart stands alone.
COUNTERPARTS = {
    "ingest-examples": ["CsvExampleGen"],
    "validate-examples": ["StatisticsGen", "ImportSchemaGen", "ExampleValidator"],
    "require-verdict": [],
    "check-eval-config": [],
    "transform-examples": ["Transform"],
    "train-model": ["Trainer"],
    "resolve-baseline": ["Resolver"],
    "evaluate-model": ["Evaluator"],
    "check-serving": [],
    "register-model": [],
}
WITH_BASELINE = "with a Baseline"
GOALS = {"first run": 1 / 8, WITH_BASELINE: 1 / 14}
# Other weights for the second run, so that the Baseline is another model.
_SEEDS = (20_130_101, 2)
# A ratio to less than that many seconds says nothing.
_LEAST = 0.05
_NOT_COMPARABLE = "NOT COMPARABLE: a side had no Baseline, since its first model was not blessed\n"
_CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class PeerRun:
    """One run on TFX's LocalDagRunner.

    Attributes:
        cost: What it cost, as a whole process.
        imports: Seconds that it took to import TFX and TFMA.
        steps: Seconds per component, from ML Metadata.
        evaluation: The Evaluation's folder.
        blessed: Whether it blessed its model.
        baseline: Whether it compared with a Baseline.
    """

    cost: measure.Cost
    imports: float
    steps: dict[str, float]
    evaluation: Path
    blessed: bool
    baseline: bool


@dataclass(frozen=True)
class OurRuns:
    """Penstock's side.

    Attributes:
        first: Nothing cached, no Baseline.
        again: The same again, so that all but what is never cached is reused.
        second: Every task again, with other weights, and the first one's model as Baseline.
    """

    first: Run
    again: Run
    second: Run


def environment() -> Environment:
    """Returns the environment that has TFX, made or not. It is for benchmarks only.

    Raises:
        UserError: This machine has no Python that TFX 1.16 runs on.
    """
    return peer_environment("tfx", "3.11", "3.10")


def run_ours(place: Place) -> OurRuns:
    """Runs Penstock's side: nothing cached, everything cached, nothing cached again."""
    return OurRuns(
        first=place.run("first", seed=_SEEDS[0]),
        again=place.run("again", seed=_SEEDS[0]),
        second=place.run("second", fresh=True, seed=_SEEDS[1]),
    )


def compare(ours: OurRuns, csv: Path, folder: Path, console: Console) -> None:
    """Runs TFX's side, without and with a Baseline, and prints a table for each.

    Args:
        ours: Penstock's side.
        csv: The same rows in folders `train` and `eval`, as CsvExampleGen reads them.
        folder: Where TFX works.
        console: Where to print.
    """
    python = environment().python
    peers = [_run_peer(csv, folder, name, seed) for name, seed in zip(("first", "second"), _SEEDS, strict=True)]
    parallel = _run_peer(csv, folder, "parallel", _SEEDS[1], _CORES)
    runs = [ours.first, ours.second]
    metrics = _metrics(python, [run.evaluation for run in runs] + [peer.evaluation for peer in peers])
    for run, peer, (title, goal), found in zip(runs, peers, GOALS.items(), zip(metrics[:2], metrics[2:], strict=True), strict=True):
        console.print(_table(title, goal, run, peer))
        console.print(
            _result_line("Penstock", found[0], run.blessing["verdict"] == "blessed", bool(run.blessing["baseline"])), highlight=False
        )
        console.print(_result_line("TFX", found[1], peer.blessed, peer.baseline), highlight=False)
        as_meant = bool(run.blessing["baseline"]) == peer.baseline == (title == WITH_BASELINE)
        console.print("" if as_meant else _NOT_COMPARABLE, highlight=False)
    console.print(_parallel(ours.second, parallel), "", sep="\n", highlight=False)
    console.print(_again(ours.again), "", sep="\n", highlight=False)


def run_dag(csv: Path, root: Path, name: str, options: dict[str, object]) -> tuple[measure.Cost, dict[str, Any]]:
    """Runs a pipeline on LocalDagRunner; returns what it cost, and what it says of itself.

    Args:
        csv: The rows in folders `train` and `eval`.
        root: Where it works.
        name: What to call the log.
        options: The options of `local_dag.py`.
    """
    root.mkdir(parents=True, exist_ok=True)
    given = [f"--{key}={value}" for key, value in ({"data": csv, "root": root.absolute()} | options).items()]
    cost = measure.run([environment().python, FOLDER / "local_dag.py", *given], root / f"{name}.log")
    return cost, json.loads((root / "record.json").read_text(encoding="utf-8"))


def _run_peer(csv: Path, root: Path, name: str, seed: int, workers: int = 1) -> PeerRun:
    inputs = {"schema": EXAMPLE / "schema.pbtxt", "eval-config": EXAMPLE / "eval_config.pbtxt"}
    modules = {"preprocessing": EXAMPLE / "preprocessing.py", "trainer": EXAMPLE / "trainer.py"}
    cost, record = run_dag(csv, root, name, inputs | modules | {"seed": seed, "workers": workers})
    return PeerRun(cost, **record | {"evaluation": Path(record["evaluation"])})


def _metrics(python: Path, evaluations: list[Path]) -> list[dict[str, float]]:
    """Reads the candidates' overall metrics with TFMA, whichever program wrote them."""
    command = [str(python), str(FOLDER / "metrics.py"), *map(str, evaluations)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)


def _table(title: str, goal: float, ours: Run, peer: PeerRun) -> Table:
    table = figures.table(f"{title}: wall seconds", "", "Penstock, s", "TFX, s", "ratio")
    for task, steps in COUNTERPARTS.items():
        seconds = sum(peer.steps[step] for step in steps) if steps else None
        table.add_row(f"{task.replace('-', '_')} | {' + '.join(steps) or '-'}", *_cells(ours.seconds.get(task), seconds))
    peer_rest = peer.cost.seconds - peer.imports - sum(peer.steps.values())
    table.add_row("the command, between tasks | modules' wheels, between steps", *_cells(ours.rest, peer_rest))
    table.add_row("(in the tasks) | imports", *_cells(None, peer.imports), end_section=True)
    whole = ours.without_push
    table.add_row(f"whole run, without push_model (goal: at most {goal:.2f})", *_cells(whole, peer.cost.seconds))
    table.add_row("the same, TFX's imports not counted", *_cells(whole, peer.cost.seconds - peer.imports))
    table.add_row("the same as the first, without check_serving", *_cells(ours.without_check, peer.cost.seconds))
    gib = 2.0**30
    table.add_row("peak memory of a process, GiB", *_cells(ours.cost.peak_bytes / gib, peer.cost.peak_bytes / gib))
    return table


def _cells(ours: float | None, peer: float | None) -> list[str]:
    numbers = ["" if value is None else f"{value:.2f}" for value in (ours, peer)]
    return [*numbers, f"{ours / peer:.2f}" if ours is not None and peer is not None and peer >= _LEAST else ""]


def _result_line(name: str, metrics: dict[str, float], blessed: bool, baseline: bool) -> str:
    """Says what a side did, so that both can be seen to have done the same."""
    words = ["blessed" if blessed else "not blessed", "compared with a Baseline" if baseline else "no Baseline"]
    return f"{name}: {metrics['example_count']:,.0f} examples, AUC {metrics['auc']:.4f}, {', '.join(words)}"


def _parallel(run: Run, peer: PeerRun) -> str:
    whole, ours = peer.cost.seconds, run.without_push
    return (
        f"with a Baseline, TFX's Beam on {_CORES} processes: {whole:.1f} s, of it the Evaluator {peer.steps['Evaluator']:.1f} s; "
        f"ratio {ours / whole:.2f}, TFX's imports not counted {ours / (whole - peer.imports):.2f}"
    )


def _again(run: Run) -> str:
    reused, ran = ", ".join(sorted(run.reused)) or "nothing", ", ".join(run.seconds) or "nothing"
    return f"nothing changed, run again: {run.cost.seconds:.1f} s (goal: under 3 s); reused: {reused}; ran: {ran}"
