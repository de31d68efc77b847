"""Searches for the best hyperparameters of a TFX `run_fn`."""

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from penstock.components.data import read_module
from penstock.components.protocol import Input, Output, TaskError, figure
from penstock.components.training.run_fn import Training
from penstock.components.training.tracking import tracked_run

from .oracle import direction_of, make_oracle
from .report import write_report
from .running import find_devices
from .running import processes as running_processes
from .search import Limits, Search
from .space import read_space
from .state import read_state
from .trial_process import Setting
from .trials import write_trials


class Outputs(NamedTuple):
    """What the task returns."""

    best_hyperparameters: dict
    best_score: float
    tracking_run_id: str


def tune_model(
    examples: Input,
    transform_graph: Input,
    schema: Input,
    trials: Output,
    metrics: Output,
    report: Output,
    module_file: str,
    search_space: dict = {},  # noqa: B006 - only read
    hyperparameters: dict = {},  # noqa: B006
    objective: str = "val_loss",
    direction: str = "",
    algorithm: str = "bayesian",
    max_trials: int = 10,
    max_seconds: int = 0,
    early_stopping: bool = True,
    processes: int = 0,
    shard: int = 0,
    state_uri: str = "",
    run_fn: str = "run_fn",
    train_split: str = "train",
    eval_split: str = "eval",
    train_steps: int = 0,
    eval_steps: int = 0,
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
) -> Outputs:
    """Searches; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The Examples, the module, the search space, the state or the tracking server cannot be used, or no trial completed.
    """
    training = Training(
        examples=examples,
        transform_graph=transform_graph,
        schema=schema,
        train_split=train_split,
        eval_split=eval_split,
        train_steps=train_steps,
        eval_steps=eval_steps,
        custom_config=custom_config,
        base_model=base_model,
        seed=seed,
        mixed_precision=mixed_precision,
        xla=xla,
    )
    for name, value, least in (
        ("max_trials", max_trials, 1),
        ("max_seconds", max_seconds, 0),
        ("processes", processes, 0),
        ("shard", shard, 0),
    ):
        if value < least:
            raise TaskError(f"{name} is {value}; give {least} or more")
    training.check()
    module = read_module(module_file).defining(run_fn, "module_file")
    if not search_space:
        raise TaskError("there is nothing to search; set search_space to the hyperparameters of run_fn to search")
    direction = direction_of(objective, direction)
    space = read_space(search_space, hyperparameters if shard == 0 else _without(hyperparameters, search_space))
    oracle = make_oracle(algorithm, space, objective, direction, max_trials, seed + shard * 1000)
    lineage = {"examples_fingerprint": examples.fingerprint, "module_sha256": module.sha256}
    asked = {
        "search_space": search_space,
        "hyperparameters": hyperparameters,
        "objective": objective,
        "algorithm": algorithm,
        "shard": shard,
    }
    state = read_state(state_uri, asked | {"direction": direction} | training.logged | lineage)
    trials.path.mkdir(parents=True)
    devices = find_devices()
    count = min(processes or len(devices) or _cores(), max_trials)
    limits = Limits(max_trials, max_seconds, early_stopping)
    with (
        tempfile.TemporaryDirectory(prefix="penstock-tune-") as folder,
        tracked_run(tracking_uri, experiment, asked | training.logged | {"max_trials": max_trials}, lineage, state.tracking_run_id) as run,
    ):
        search = Search(oracle, space, objective, direction, limits, state, state_uri, Path(folder))
        setting = Setting(
            training=training,
            module=module,
            run_fn=run_fn,
            tracking_uri=tracking_uri,
            experiment=experiment,
            tags=lineage | {"mlflow.parentRunId": run.run_id},
            threads=max(1, _cores() // count),
        )
        with running_processes(setting, trials.path / "logs", objective, direction, devices, count) as running:
            search.run(running, run)
        best = search.best()
        assert best.score is not None
        run.log(tags={"best_trial_run_id": best.tracking_run_id})
    found = space.config(best.hyperparameters)
    write_trials(trials.path, objective, direction, search.trials, found)
    write_report(report.path, objective, direction, search.trials, space)
    by_status = Counter(trial.status for trial in search.trials)
    trials.metadata |= lineage | {"objective": objective, "best_score": best.score, "best_trial": best.trial, "trials": len(search.trials)}
    metrics.metadata |= {objective: best.score, **{f"{status}_trials": number for status, number in by_status.items()}}
    figure(f"{objective} {best.score:.4f} in the best of {len(search.trials)} trials")
    return Outputs(found, best.score, run.run_id)


def _without(values: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _cores() -> int:
    return len(os.sched_getaffinity(0))
