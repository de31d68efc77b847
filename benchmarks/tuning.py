"""tune_model beside the same trainings one after another, each by train_model's command."""

import json
from pathlib import Path

from rich.console import Console

from penstock.pipelines import flight_delay

from . import figures, scale, single_task
from .single_task import TaskRun

_TRIALS = 10
_GOAL = 0.6
_SPACE = {
    "learning_rate": {"min": 0.0005, "max": 0.02, "log": True},
    "dropout": {"min": 0.2, "max": 0.7},
    "l2": {"min": 1e-6, "max": 1e-3, "log": True},
}


def compare(runs: dict[str, TaskRun], folder: Path, console: Console) -> None:
    """Searches, trains with the same hyperparameters one after another, and prints what each took.

    Args:
        runs: What `scale.prepare` gave.
        folder: Where the outputs go.
        console: Where to print.
    """
    values = flight_delay.parameters()
    inputs = {
        "examples": (runs["transform_examples"], "transformed_examples"),
        "transform_graph": (runs["transform_examples"], "transform_graph"),
        "schema": (runs["validate_examples"], "schema"),
    }
    wanted = {"module_file": values["trainer_module"], "seed": values["seed"], "search_space": _SPACE, "max_trials": _TRIALS}
    found = {}
    for name, options in (("all", {"early_stopping": False}), ("stopped early", {})):
        own = folder / name.replace(" ", "_")
        tracking = {"tracking_uri": f"sqlite:///{own.absolute()}/mlflow.db"}
        found[name] = single_task.run("tune_model", "tf", own, wanted | options | tracking, inputs, ["trials", "metrics", "report"])
    trials = json.loads((found["all"].outputs["trials"] / "trials.json").read_text(encoding="utf-8"))["trials"]
    trainings = [
        scale.train(runs, folder / f"training-{trial['trial']}", trial["hyperparameters"]).cost
        for trial in sorted(trials, key=lambda trial: trial["trial"])
    ]
    seconds = sum(cost.seconds for cost in trainings)
    table = figures.table(f"{_TRIALS} trainings of the flights' model", "", "s", "ratio", "core seconds")
    table.add_row("train_model, one after another", f"{seconds:.1f}", "", f"{sum(cost.processor_seconds for cost in trainings):.1f}")
    for name, run in found.items():
        title = "tune_model, no trial stopped" if name == "all" else "tune_model"
        table.add_row(title, f"{run.cost.seconds:.1f}", f"{run.cost.seconds / seconds:.2f}", f"{run.cost.processor_seconds:.1f}")
    console.print(table, f"goal: at most {_GOAL} of the time on two cores, no trial stopped\n", highlight=False)
