"""The callback with which a `Model.fit` survives the end of its process: it saves the training's state, and goes on from it.

Keras's own BackupAndRestore begins the interrupted epoch again with the weights of its middle, forgets the random generators of layers,
leaves two files that do not fit each other if it is killed while it writes, and takes any training's checkpoint (Keras 3.15).

Where several workers train, they agree at each of these points whether to save and whether to end: SIGTERM may have come to one of them, and
no clock is the same as another. TensorFlow's PreemptionCheckpointHandler has the same idea, for a training loop of one's own.
"""

import logging
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras
import tensorflow as tf

from penstock.components.protocol import TaskError, figure
from penstock.components.protocol.ending import TERMINATED

from .agreement import sums
from .checkpoints import Checkpoint, Checkpoints, Found
from .fits import around_fits
from .tracking import Run

# Saving may take a twentieth of the time; within an epoch, nothing is saved more often than this.
_SHARE = 20
_LEAST_SECONDS = 30.0
_logger = logging.getLogger(__name__)


@contextmanager
def surviving(checkpoints: Checkpoints | None, run: Run, passes: list[int]) -> Iterator[list[keras.callbacks.Callback]]:
    """Returns the callbacks with which the fits inside survive the end of the process.

    Args:
        checkpoints: Where the state is kept; None: nowhere, without callbacks.
        run: The MLflow run.
        passes: How often each dataset of the data_accessor has been begun, in the order in which they were made.
    """
    if checkpoints is None:
        yield []
        return
    checkpoints.note(tracking_run_id=run.run_id)
    callback = _Resuming(checkpoints, run, passes)
    with callback.surviving():
        yield [callback]
    if not callback.fits:
        _logger.warning("run_fn gave fn_args.callbacks to no Model.fit, so that checkpoint_uri had no effect")


class _Resuming(keras.callbacks.Callback):
    """Saves the state of the fit that it is given to, in intervals and at SIGTERM, and has the fit go on from the newest state.

    The steps of the interrupted epoch are gone through again without training, so that data, step numbers and other callbacks go on from
    where they were. Keras 2's TensorBoard fails if the first step of a fit does not train, so that it is for Keras 3 only.

    Attributes:
        fits: How many fits have ended.
    """

    def __init__(self, checkpoints: Checkpoints, run: Run, passes: list[int]) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._run = run
        self._passes = passes
        self.fits = 0
        self._train: Callable[[Any], Any] | None = None
        self._is_training = self._is_asked_to_end = False

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """Has the fits inside that are given this callback survive the end of the process."""
        before = signal.signal(signal.SIGTERM, self._end)
        try:
            with around_fits(self._around):
                yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _end(self, *_: Any) -> None:
        if not self._is_training:
            sys.exit(TERMINATED)
        self._is_asked_to_end = True

    @contextmanager
    def _around(self, package: Any, arguments: dict[str, Any]) -> Iterator[None]:
        if self not in arguments["callbacks"]:
            yield
            return
        if package is not keras or keras.backend.backend() != "tensorflow":
            raise TaskError("checkpoint_uri works with Keras 3 on TensorFlow only; use keras, not tf.keras, or give no checkpoint_uri")
        model, self._train = arguments["self"], None
        with self._checkpoints.newest(self.fits) as self._found:
            self._require_same(model.distribute_strategy)
            self._is_one_pass = _is_one_pass(arguments.get("x"), arguments.get("steps_per_epoch"))
            if self._found:
                is_done, epoch = self._found.checkpoint.done, self._found.checkpoint.epoch
                arguments["initial_epoch"] = arguments.get("epochs", 1) if is_done else epoch
            try:
                yield
                if not self._found or not self._found.checkpoint.done:
                    self._save(done=True)
            finally:
                self._is_training = False
                if self._train:
                    model.train_function = self._train
        self.fits += 1
        if self._is_asked_to_end:
            self._leave()

    def _require_same(self, strategy: tf.distribute.Strategy) -> None:
        """Makes sure that all workers have found the same checkpoint."""
        number = self._found.number if self._found else 0
        workers, total = sums(strategy, 1, number)
        if total != workers * number:
            raise TaskError(
                "checkpoint_uri: the workers found different checkpoints there; give a place that all of them read, and run the task again"
            )

    def on_train_begin(self, logs: Any = None) -> None:
        """Takes the found state over."""
        self._train, self.model.train_function = self.model.train_function, self._train_or_pass
        self._epoch = self._executions = self._executions_before = self._to_pass = self._to_skip = 0
        self._passes_before = [*self._passes]
        self._saved_at, self._seconds = time.monotonic(), 0.0
        self._metrics: list[Any] | None = None
        self._has_news = False
        if self._found:
            self._take_over(self._found)
        self._is_training = True

    def _take_over(self, found: Found) -> None:
        checkpoint, state = found.checkpoint, _state(self.model)
        reading = tf.train.Checkpoint(model=state["model"], optimizer=state["optimizer"]).read(found.prefix)
        reading.expect_partial().assert_existing_objects_matched()
        self._run.go_on(checkpoint.tracked_epochs, checkpoint.metrics)
        self._epoch, self._executions_before, self._to_pass = checkpoint.epoch, checkpoint.executions_before, checkpoint.executions
        if self._is_one_pass:
            self._passes[: len(checkpoint.passes)] = checkpoint.passes
        else:
            self._to_skip = checkpoint.executions_before
        self._checkpoints.resumed_from_step = checkpoint.step
        where = "the end of fit" if checkpoint.done else f"step {checkpoint.step:,} in epoch {checkpoint.epoch + 1}"
        if self._checkpoints.is_chief:
            figure(f"attempt {self._checkpoints.attempts} goes on from {where}")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Saves the state that the epoch begins with, if it is time to."""
        is_next = epoch > self._epoch
        self._epoch, self._executions, self._executions_before = epoch, 0, self._executions_before + self._executions
        self._passes_before = [*self._passes]
        self._metrics = None
        if is_next:
            self._to_pass = 0
            self._save_or_end(0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves the state, if it is time to or the process must end."""
        self._executions += 1
        self._save_or_end(_LEAST_SECONDS)

    def on_test_begin(self, logs: Any = None) -> None:
        """Keeps the metrics of the epoch's training, which the evaluation takes for its own."""
        if self._is_training:
            self._metrics = [variable.numpy() for variable in _state(self.model)["metrics"]]

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves the state between the last step of an epoch and its end, if the process must end."""
        if self._is_training:
            self._save_or_end(math.inf)

    def _train_or_pass(self, iterator: Any) -> Any:
        """Takes the place of the train function, which an execution calls."""
        while self._to_skip:
            self._next(iterator)
            self._to_skip -= 1
        if self._executions >= self._to_pass:
            assert self._train
            self._has_news = True
            return self._train(iterator)
        batch = self._next(iterator)
        if not self._executions:
            self._restore_metrics(batch)
        return self.model.get_metrics_result()

    def _next(self, iterator: Any) -> Any:
        """Returns the first batch of an execution, of which only the last of an epoch may have fewer than it should."""
        first = next(iterator)
        for _ in range(_number(self.model.steps_per_execution) - 1):
            with suppress(StopIteration, tf.errors.OutOfRangeError):
                next(iterator)
        return first

    def _restore_metrics(self, batch: Any) -> None:
        """Gives the metrics the values that they had; they have variables only once they have seen a batch."""
        assert self._found
        saved = tf.train.load_checkpoint(self._found.prefix).get_variable_to_shape_map()
        if len(_state(self.model)["metrics"]) < sum(name.startswith("metrics/") for name in saved):
            self.model.test_on_batch(*keras.utils.unpack_x_y_sample_weight(batch))
        tf.train.Checkpoint(metrics=_state(self.model)["metrics"]).read(self._found.prefix).expect_partial()

    def _save_or_end(self, least_seconds: float) -> None:
        """Saves the state if it is time to, and saves it and ends the process if that must end, as any of the workers says."""
        is_time = time.monotonic() - self._saved_at > max(least_seconds, _SHARE * self._seconds)
        must_save, must_end = sums(self.model.distribute_strategy, is_time, self._is_asked_to_end)
        if self._has_news and (must_save or must_end):
            self._save()
        if must_end:
            self._leave()

    def _leave(self) -> None:
        _logger.info("SIGTERM: ending; another attempt goes on from here")
        sys.exit(TERMINATED)

    def _save(self, done: bool = False) -> None:
        began = time.monotonic()
        state = _state(self.model)
        if self._metrics is not None:
            state["metrics"] = [tf.Variable(value) for value in self._metrics]
        step = _number(self.model.optimizer.iterations) if self.model.optimizer else self._executions_before + self._executions
        checkpoint = Checkpoint(
            fit=self.fits,
            epoch=self._epoch,
            executions=self._executions,
            executions_before=self._executions_before,
            step=step,
            done=done,
            passes=self._passes_before,
            tracked_epochs=self._run.epochs,
            metrics=self._run.metrics,
        )
        self._checkpoints.save(checkpoint, tf.train.Checkpoint(**state).write)
        sums(self.model.distribute_strategy, 0)  # no worker goes on, or ends, before the chief has saved
        self._saved_at, self._has_news = time.monotonic(), False
        self._seconds = self._saved_at - began
        _logger.debug("saved step %d in %.1f s", step, self._seconds)


def _state(model: Any) -> dict[str, list[tf.Variable]]:
    """Returns all that a training changes: the weights and random generators, the optimizer's state, and the metrics of the epoch."""
    optimizer = model.optimizer
    if optimizer and not getattr(optimizer, "built", False):  # one of Keras 2 has no such attribute, and looks itself
        optimizer.build(model.trainable_variables)
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    groups = {"model": model.variables, "optimizer": optimizer.variables if optimizer else [], "metrics": metrics}
    return {
        name: [variable if isinstance(variable, tf.Variable) else variable.value for variable in group] for name, group in groups.items()
    }


def _number(value: Any) -> int:
    """Returns a number that may be a variable, also one that a strategy distributes."""
    return int(value.numpy() if hasattr(value, "numpy") else value)


def _is_one_pass(data: Any, steps_per_epoch: int | None) -> bool:
    """Tells whether fit begins the data again with every epoch, rather than going through it once over all epochs."""
    size = int(data.cardinality()) if isinstance(data, tf.data.Dataset) else tf.data.UNKNOWN_CARDINALITY
    return not steps_per_epoch or 0 <= size <= steps_per_epoch
