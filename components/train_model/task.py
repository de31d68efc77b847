"""Trains a model with a TFX `run_fn`."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from penstock.components.data import load_function, read_module
from penstock.components.data.saved_models import settle_fingerprint
from penstock.components.data.tensors import load_schema
from penstock.components.protocol import Input, Output
from penstock.components.release.feature_defaults import write_defaults
from penstock.components.training.checkpoints import Checkpoints
from penstock.components.training.hyperparameters import Hyperparameters
from penstock.components.training.resuming import surviving
from penstock.components.training.run_fn import Training, call, seed_everything, signatures
from penstock.components.training.strategy import join_team
from penstock.components.training.tracking import follow_fits, tracked_run

from .workers.sharing import shared_by_workers


class Outputs(NamedTuple):
    """What the task returns."""

    tracking_run_id: str


@shared_by_workers
def train_model(
    examples: Input,
    transform_graph: Input,
    schema: Input,
    model: Output,
    training_logs: Output,
    metrics: Output,
    module_file: str,
    run_fn: str = "run_fn",
    train_split: str = "train",
    eval_split: str = "eval",
    train_steps: int = 0,
    eval_steps: int = 0,
    hyperparameters: dict = {},  # noqa: B006 - only read
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
    workers: int = 1,  # shared_by_workers starts them
    workers_at: str = "",
    checkpoint_uri: str = "",
) -> Outputs:
    """Trains a model; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The Examples, the module, what the module exported, the tracking server or the place for checkpoints cannot be used.
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
    values = Hyperparameters(hyperparameters)
    rows = training.check()
    module = read_module(module_file)
    seed_everything(seed)
    join_team(module.sources)
    function = load_function(module, run_fn)
    training.configure()
    lineage = {
        "examples_fingerprint": examples.fingerprint,
        "module_sha256": module.sha256,
    }
    training_logs.path.mkdir(parents=True)
    passes: list[int] = []
    with tempfile.TemporaryDirectory(prefix="penstock-train-") as working_dir:
        fn_args = training.fn_args(Path(working_dir), model.path, training_logs.path, values, passes)
        inputs = lineage | training.inputs(fn_args) | {"run_fn": run_fn, "hyperparameters": values}
        checkpoints = Checkpoints(checkpoint_uri, inputs) if checkpoint_uri else None
        earlier = checkpoints.tracking_run_id if checkpoints else ""
        with (
            tracked_run(tracking_uri, experiment, training.logged | values, lineage, earlier) as run,
            surviving(checkpoints, run, passes) as fn_args.callbacks,
            follow_fits(run),
        ):
            strategy = call(function, fn_args, module.sources)
            names = signatures(model.path)
    write_defaults(model.path, load_schema(schema.path))
    settle_fingerprint(model.path)
    model.metadata |= lineage | {
        "framework": "tensorflow",
        "signatures": names,
        "strategy": strategy,
        "train_rows": rows,
        "tracking_run_id": run.run_id,
    }
    metrics.metadata |= run.metrics
    if checkpoints:
        model.metadata |= checkpoints.metadata
        checkpoints.remove()
    return Outputs(run.run_id)
