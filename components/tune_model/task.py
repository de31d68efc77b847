"""Searches for the best hyperparameters of a TFX `run_fn`."""

from collections import Counter
from typing import NamedTuple

from penstock.components.data import read_module
from penstock.components.protocol import Input, Output, TaskError, figure
from penstock.components.training.run_fn import Training

from .report import write_report
from .search import Wanted, search_run_fn
from .searching import Place, Result
from .trial_process import Setting
from .trials import write_trials
from .tuner_search import search_with_tuner

_SEEDS_OF_A_SHARD = 1000


class Outputs(NamedTuple):
    """What the task returns."""

    best_hyperparameters: dict
    best_score: float
    best_direction: str
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
    tuner_fn: str = "tuner_fn",
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
    module = read_module(module_file)
    lineage = {"examples_fingerprint": examples.fingerprint, "module_sha256": module.sha256}
    has_tuner = module.defines(tuner_fn)
    if not search_space and not has_tuner:
        raise TaskError(f"there is nothing to search: module_file has no {tuner_fn}, and search_space is empty; write the one or the other")
    function = run_fn if search_space else tuner_fn
    asked = training.logged | {"function": function, "max_seconds": max_seconds}
    setting = Setting(
        training=training,
        module=module.defining(function, "module_file"),
        run_fn=function,
        tracking_uri=tracking_uri,
        experiment=experiment,
        tags=lineage,
        threads=1,
    )
    place = Place(trials.path / "logs", state_uri, processes, asked, max_seconds)
    if search_space:
        shard_seed = seed + shard * _SEEDS_OF_A_SHARD
        start = hyperparameters if shard == 0 else {name: value for name, value in hyperparameters.items() if name not in search_space}
        wanted = Wanted(search_space, start, objective, direction, algorithm, max_trials, early_stopping, shard, shard_seed)
        result = search_run_fn(wanted, setting, place)
    else:
        result = search_with_tuner(setting, place)
    return _write(result, trials, metrics, report, lineage)


def _write(result: Result, trials: Output, metrics: Output, report: Output, lineage: dict[str, str]) -> Outputs:
    best = result.best
    assert best.score is not None
    found = result.space.config(best.hyperparameters)
    write_trials(trials.path, result.objective, result.direction, result.trials, found)
    write_report(report.path, result.objective, result.direction, result.trials, result.space)
    by_status = Counter(f"{trial.status}_trials" for trial in result.trials)
    trials.metadata |= lineage | {
        "objective": result.objective,
        "best_score": best.score,
        "best_trial": best.trial,
        "trials": len(result.trials),
    }
    metrics.metadata |= {result.objective: best.score} | by_status
    figure(f"{result.objective} {best.score:.4f} in the best of {len(result.trials)} trials")
    return Outputs(found, best.score, result.direction, result.tracking_run_id)
