"""What the workers of a team decide together.

An agreement is a collective operation: each worker comes to the same agreements in the same order, and waits there for the others.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from .team import this_worker


def spans_workers(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether a strategy distributes a batch to several workers."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and this_worker().size > 1


def sums(strategy: tf.distribute.Strategy, *numbers: int) -> list[int]:
    """Returns the sum of each number over all workers; a strategy on one worker leaves the numbers as they are."""
    if not spans_workers(strategy):
        return [*numbers]
    return _adder(strategy)(tf.constant([*map(int, numbers)], tf.int64)).numpy().tolist()


@functools.cache
def _adder(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(lambda numbers: strategy.reduce("SUM", numbers, axis=None))  # outside of a graph, it takes twice as long
