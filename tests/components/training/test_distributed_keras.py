"""What Penstock corrects in Keras: `fit` on several devices gives what one device gives, and Keras alone still does not."""

import json
import os
import subprocess
import sys

import pytest

from penstock.components.protocol.marks import figure_in
from penstock.components.training.team import TF_CONFIG, tf_config

from ...ports import free_port
from ..devices import run_on_devices

TRAIN = """
import contextlib, json, sys
import keras
import numpy as np
from penstock.components.training.distributed_keras import corrected_keras
from penstock.components.training.strategy import strategy_scope

x = np.random.default_rng(0).normal(size=(1024, 4)).astype("float32")
y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")

def train(devices, steps_per_execution, rows=1024):
    keras.utils.set_random_seed(0)
    with strategy_scope([f"CPU:{device}" for device in range(devices)], []):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
        metrics = [keras.metrics.AUC(name="auc")]
        model.compile("adam", "binary_crossentropy", metrics=metrics, steps_per_execution=steps_per_execution)
        batches = tf.data.Dataset.from_tensor_slices((x[:rows], y[:rows])).batch(64)
        model.fit(batches, epochs=2, verbose=0, validation_data=batches, shuffle=False)
        return {name: values[-1] for name, values in model.history.history.items()}
"""
# Sums of 32-bit floats in another order.
SAME = 1e-5
# A last batch that devices do not share evenly: Keras gives each device's mean the same weight.
NEARLY = 1e-3


def histories(*trainings: str) -> list[dict[str, float]]:
    """Returns the last metrics of each `train(...)` in a process; all that have several devices have equally many, as TensorFlow wants it."""
    output = run_on_devices(f"{TRAIN}\nwith corrected_keras():\n    print(json.dumps([{', '.join(trainings)}]))")
    return json.loads(output.splitlines()[-1])


def test_two_devices_with_several_steps_per_execution_train_as_one_does_and_keras_still_fails_there():
    output = run_on_devices(
        f"""{TRAIN}
with corrected_keras():
    print(json.dumps([train(1, 6), train(2, 6)]))
try:
    train(2, 6)
except tf.errors.InvalidArgumentError as error:
    print(json.dumps("You must feed a value for placeholder tensor" in str(error)))
"""
    )
    (one, two), still_fails = (json.loads(line) for line in output.splitlines() if figure_in(line) is None)
    assert two == pytest.approx(one, rel=SAME)
    assert still_fails is True, "Keras has corrected keras#19246: remove `_make_function_of_steps`"


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_metrics():
    one, *others = histories("train(1, 1)", "train(2, 1)", "train(2, 16)", "train(2, 100)")
    others += histories("train(4, 1)", "train(4, 16)", "train(4, 100)")
    for other in others:
        assert other == pytest.approx(one, rel=SAME)


@pytest.mark.slow
def test_a_last_batch_that_devices_cannot_share_evenly():
    one, *others = histories("train(1, 6, 1010)", "train(4, 6, 1010)", "train(4, 1, 1010)")
    for other in others:
        assert other == pytest.approx(one, rel=NEARLY)


TEAM = """
import os
import keras
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        model.fit(tf.data.Dataset.from_tensor_slices(([[1.0]] * 8, [[2.0]] * 8)).batch(4), verbose=0)
    except ValueError as error:
        print("PerReplica" in str(error), flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_keras_still_fails_with_several_workers():
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    environments = [os.environ | {TF_CONFIG: tf_config(addresses, index)} for index in range(2)]
    team = [subprocess.Popen([sys.executable, "-c", TEAM], env=each, stdout=subprocess.PIPE, text=True) for each in environments]
    said = [worker.communicate()[0].strip() for worker in team]
    assert said == ["True", "True"], "Keras has corrected keras#20585: remove `_build_from_specs` or `_reduce_across_workers`"
