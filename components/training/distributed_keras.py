"""What Penstock corrects in Keras 3 so that `Model.fit` works on several devices and in several processes.

- keras#19246: with `steps_per_execution` above 1, `fit` fails on several replicas ("You must feed a value for placeholder tensor"). Keras runs
  the step inside a `tf.cond`, where a strategy cannot merge its replicas' gradients. Here the step runs in the body of the loop itself.
- keras#20585: under MultiWorkerMirroredStrategy `fit` fails before its first step: Keras passes a batch of several replicas to a function
  that takes one tensor, and averages scalars along an axis that they do not have.

Nothing changes for a model on one device, and Keras 2 (`tf_keras`) has neither defect. Two tests in
tests/components/training/test_distributed_keras.py, which have `keras_still_fails` in their names, fail when Keras has corrected one of
them: then remove its part here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import trainer

from .agreement import spans_workers

_Trainer = trainer.TensorFlowTrainer
_make_function, _maybe_symbolic_build, _reduce = _Trainer._make_function, _Trainer._maybe_symbolic_build, trainer.reduce_per_replica


@contextmanager
def corrected_keras() -> Iterator[None]:
    """Corrects Keras for what is trained inside."""
    _Trainer._make_function, _Trainer._maybe_symbolic_build = _make_function_of_steps, _build_from_specs
    trainer.reduce_per_replica = _reduce_across_workers
    try:
        yield
    finally:
        _Trainer._make_function, _Trainer._maybe_symbolic_build = _make_function, _maybe_symbolic_build
        trainer.reduce_per_replica = _reduce


def _make_function_of_steps(model: Any, step_function: Callable) -> Callable:
    """Stands in for `TensorFlowTrainer._make_function`, which makes what `fit` and `evaluate` call with an iterator (keras#19246)."""
    strategy, steps = model.distribute_strategy, model.steps_per_execution
    if strategy.num_replicas_in_sync == 1 or steps == 1:
        return _make_function(model, step_function)

    @tf.autograph.experimental.do_not_convert
    def step(data: Any) -> Any:
        return trainer.reduce_per_replica(strategy.run(step_function, args=(data,)), strategy, "auto")

    if not model.run_eagerly:
        step = tf.function(step, reduce_retracing=True, jit_compile=model.jit_compile)
    step = model._autoconvert_optionals(step)

    @tf.autograph.experimental.do_not_convert
    def several_steps(iterator: Any) -> Any:
        def is_left(done: tf.Tensor, batch: Any, _: Any) -> tf.Tensor:
            return tf.logical_and(done < steps, batch.has_value())

        def body(done: tf.Tensor, batch: Any, _: Any) -> tuple[tf.Tensor, Any, Any]:
            outputs = step(batch.get_value())
            # A batch that is taken is used: after the last step, none is.
            following = tf.cond(done + 1 < steps, iterator.get_next_as_optional, lambda: batch)
            return done + 1, following, outputs

        first = step(iterator.get_next())
        return tf.while_loop(is_left, body, (tf.constant(1), iterator.get_next_as_optional(), first))[-1]

    if not model.run_eagerly:
        several_steps = tf.function(several_steps, reduce_retracing=True)

    def function(iterator: Any) -> Any:
        if isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
            return several_steps(iterator)
        return [step(data) for _, data in zip(range(steps), iterator, strict=False)][-1]  # `train_on_batch` gives a list

    return function


def _build_from_specs(model: Any, iterator: Any = None, data_batch: Any = None) -> None:
    """Stands in for `TensorFlowTrainer._maybe_symbolic_build`: what a replica gets of a batch tells shapes and types (keras#20585).

    Keras takes a batch from the data for that, and the epochs after it get other rows than on one device.
    """
    if iterator is not None and model._distribute_strategy is not None:
        specs = iterator._distributed_dataset.element_spec
        data_batch = keras.tree.map_structure(lambda spec: getattr(spec, "_value_specs", [spec])[0], specs)
    _maybe_symbolic_build(model, None, data_batch)


def _reduce_across_workers(values: Any, strategy: tf.distribute.Strategy, reduction: str) -> Any:
    """Stands in for `reduce_per_replica`: the mean of what steps return, which are scalars, over all replicas of all workers (keras#20585)."""
    if spans_workers(strategy) and reduction in ("auto", "mean"):
        return keras.tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
    return _reduce(values, strategy, reduction)
