"""A training run in MLflow, and the callback that follows every `Model.fit` of a module that knows nothing of it."""

import importlib.metadata
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from penstock.components.protocol import TaskError, figure, redact
from penstock.components.protocol.ending import exit_in
from penstock.components.release.tracking import connect, experiment_id

from .fits import around_fits

_PARAM_LENGTH = 6000  # the longest value that MLflow's database stores
_FIGURE_SECONDS = 5.0
_LIBRARIES = ["tensorflow", "keras", "tensorflow-transform", "tfx-bsl", "numpy", "pyarrow", "mlflow"]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Lets MLflow draw names and waiting times without a trace: it draws from the generator that gives Keras its seeds.

    How often it does depends on where it tracks and on who else does, of which the model must know nothing.
    """
    state = random.getstate()
    random.seed()
    try:
        yield
    finally:
        random.setstate(state)


class Run:
    """A run that is under way.

    Attributes:
        run_id: MLflow's name of it.
        metrics: The last value of every metric of the epochs.
        epochs: How many epochs were logged.
        after_epoch: Called with an epoch's metrics when they are logged.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.run_id = run_id
        self.metrics: dict[str, float] = {}
        self.after_epoch: Callable[[dict[str, float]], None] = lambda _: None
        self._client = client
        self.epochs = 0

    def go_on(self, epochs: int, metrics: dict[str, float]) -> None:
        """Takes over what an earlier attempt has logged."""
        self.epochs, self.metrics = epochs, self.metrics | metrics

    @_undisturbed()
    def log_epoch(self, values: dict[str, float]) -> None:
        """Logs one epoch's metrics; the epochs are counted over all of the module's fits.

        Raises:
            TaskError: One of them is not finite: the training diverged, or the Examples hold NaN.
        """
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise TaskError(
                f"{', '.join(broken)} of epoch {self.epochs + 1} is not a finite number; look for NaN or inf in the transformed Examples, "
                "or lower the learning rate"
            )
        self.log(values, self.epochs)
        self.epochs += 1
        self.metrics |= values
        self.after_epoch(values)

    def logged(self) -> dict[str, float]:
        """Returns the last value of every metric, the module's own among them."""
        return self._client.get_run(self.run_id).data.metrics | self.metrics

    def log(self, metrics: dict[str, float] | None = None, step: int = 0, tags: dict[str, str] | None = None) -> None:
        """Logs metrics of a step, and tags."""
        now = int(time.time() * 1000)
        self._client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, step) for name, value in (metrics or {}).items()],
            tags=[RunTag(name, redact(value)) for name, value in (tags or {}).items()],
        )


@contextmanager
def tracked_run(tracking_uri: str, experiment: str, params: dict[str, Any], tags: dict[str, str], run_id: str = "") -> Iterator[Run]:
    """Tracks what happens inside; the run is FAILED if that raises, and KILLED if the process is ended.

    The module's own `mlflow.log_*` calls go to the same run.

    Args:
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        experiment: The experiment's name; made if it is new.
        params: Logged as they are, lists and dicts as JSON.
        tags: The data's and the module's fingerprints and whatever else says where the run comes from.
        run_id: A run to go on with, if the server has it; empty: a new one.
    """
    client, uri, run_id = _begin(tracking_uri, experiment, params, tags, run_id)
    os.environ |= {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": run_id}
    status = "FAILED"
    try:
        yield Run(client, run_id)
        status = "FINISHED"
    except BaseException as error:
        if exit_in(error):
            status = "KILLED"
        raise
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)  # gone if the module's calls took the run up: then it is MLflow's active run
        while mlflow.active_run():
            mlflow.end_run(status)
        client.set_terminated(run_id, status)


@_undisturbed()
def _begin(tracking_uri: str, experiment: str, params: dict[str, Any], tags: dict[str, str], run_id: str) -> tuple[MlflowClient, str, str]:
    """Makes a run, or goes on with one; returns the client, the server's URI and the run's ID."""
    client, uri = connect(tracking_uri)
    if run_id:
        with suppress(MlflowException):  # it was deleted, or this is another server
            client.update_run(run_id, "RUNNING")
            return client, uri, run_id
    try:
        run_id = client.create_run(experiment_id(client, uri, experiment)).info.run_id
        client.log_batch(
            run_id,
            params=[Param(name, redact(_text(value))[:_PARAM_LENGTH]) for name, value in params.items()],
            tags=[RunTag(name, redact(value)) for name, value in (tags | _versions()).items()],
        )
    except MlflowException as error:
        raise TaskError(f"the tracking server {uri} rejects the run: {error}; correct the reported problem") from error
    return client, uri, run_id


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _versions() -> dict[str, str]:
    """Returns the versions of Python and the libraries, and the git commit if it was given to the task."""
    versions = {f"version.{name}": importlib.metadata.version(name) for name in _LIBRARIES}
    commit = os.environ.get("PENSTOCK_GIT_COMMIT")
    return versions | {"version.python": sys.version.split()[0]} | ({"mlflow.source.git.commit": commit} if commit else {})


@contextmanager
def follow_fits(run: Run) -> Iterator[None]:
    """Gives every `Model.fit` inside a callback that logs its epochs and says how it goes.

    MLflow's autologging would do the first only, for one of the two Keras packages, and logs models and data sets besides.
    """

    @contextmanager
    def followed(package: Any, arguments: dict[str, Any]) -> Iterator[None]:
        arguments["callbacks"].append(_follower(package, run))
        yield

    with around_fits(followed):
        yield


def _follower(package: Any, run: Run) -> Any:
    """Returns a callback of a Keras package: both have the same methods, but each wants its own class."""

    class Follower(package.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch, self.steps, self.began = epoch, 0, time.monotonic()
            self.reported = self.began

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps, self.now = batch + 1, time.monotonic()
            if self.now - self.reported > _FIGURE_SECONDS:
                self.reported = self.now
                self._say(logs or {})

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            values = {name: float(value) for name, value in (logs or {}).items()}
            self._say(values)
            run.log_epoch(values)

        def _say(self, logs: dict[str, Any]) -> None:
            rate = self.steps / max(self.now - self.began, 1e-9)
            losses = [f"{name.replace('_', ' ')} {float(logs[name]):.4f}" for name in ("loss", "val_loss") if name in logs]
            figure(", ".join([f"epoch {self.epoch + 1}/{self.params['epochs']}", f"{rate:,.0f} steps/s", *losses]))

    return Follower()
