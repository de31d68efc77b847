"""A trial: one call of `run_fn` in a process of its own, which says after each epoch how it goes."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tensorflow as tf

from penstock.components.data import load_function
from penstock.components.data.user_module import UserModule
from penstock.components.protocol import TaskError, redact
from penstock.components.protocol.parent import end_with_parent
from penstock.components.training.hyperparameters import Hyperparameters
from penstock.components.training.run_fn import Training, call, seed_everything
from penstock.components.training.tracking import follow_fits, tracked_run

# What a trial sends: a kind and its content. After an epoch it waits for whether to go on.
EPOCH, DONE, FAILED, UNUSABLE = "epoch", "done", "failed", "unusable"


class Stopped(BaseException):
    """The trial is not worth going on with. Nothing that a module catches."""


@dataclass(frozen=True)
class Setting:
    """What all trials of a search have in common.

    Attributes:
        training: What `run_fn` is called with.
        module: The user's module.
        run_fn: The function's name.
        tracking_uri: MLflow's tracking server.
        experiment: The experiment.
        tags: The tags of each trial's run.
        threads: The threads that TensorFlow computes an operation with.
    """

    training: Training
    module: UserModule
    run_fn: str
    tracking_uri: str
    experiment: str
    tags: dict[str, str]
    threads: int


def run_trial(pipe: Connection, log: Path, device: str | None, setting: Setting, hyperparameters: dict[str, Any]) -> None:
    """Runs a trial; the process ends with it.

    Args:
        pipe: Where it sends what it has to say.
        log: The file that takes what it prints.
        device: The GPU that it has; None: there is none.
        setting: What the trials have in common.
        hyperparameters: Those of this one.
    """
    begin(log, device, setting.threads)
    seed_everything(setting.training.seed)
    try:
        function = load_function(setting.module, setting.run_fn)
    except TaskError as error:
        pipe.send((UNUSABLE, redact(str(error))))
        return
    try:
        pipe.send((DONE, _train(pipe, setting, function, hyperparameters)))
    except TaskError as error:
        pipe.send((FAILED, redact(str(error))))


def _train(pipe: Connection, setting: Setting, function: Callable[..., Any], hyperparameters: dict[str, Any]) -> dict[str, Any]:
    def tell(metrics: dict[str, float]) -> None:
        pipe.send((EPOCH, metrics))
        if not pipe.recv():
            raise Stopped

    training = setting.training
    training.configure()
    with tempfile.TemporaryDirectory(prefix="penstock-trial-") as folder:
        model, logs = Path(folder) / "model", Path(folder) / "logs"
        logs.mkdir()
        values = Hyperparameters(hyperparameters)
        fn_args = training.fn_args(Path(folder), model, logs, values)
        with (
            tracked_run(setting.tracking_uri, setting.experiment, training.logged | values, setting.tags) as run,
            follow_fits(run),
        ):
            run.after_epoch = tell
            try:
                call(function, fn_args, setting.module.sources)
            except Stopped:
                run.log(tags={"trial_status": "stopped"})
            return {"metrics": run.logged(), "run_id": run.run_id}


def begin(log: Path, device: str | None, threads: int) -> None:
    """Sets up a process that trains: before anything of TensorFlow's has run.

    Args:
        log: The file that takes what it prints.
        device: The GPU that it has; None: there is none.
        threads: The threads that TensorFlow computes an operation with.
    """
    os.setsid()  # so that what the module starts ends with it
    end_with_parent()
    _print_to(log)
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _print_to(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)
