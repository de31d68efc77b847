"""The GPUs that TensorFlow finds, by name."""

import os

import tensorflow as tf


def visible_gpus() -> list[str]:
    """Returns the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    From then on the process cannot be forked: TensorFlow has started.
    """
    count = len(tf.config.list_physical_devices("GPU"))
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",")[:count] if given else [str(number) for number in range(count)]
