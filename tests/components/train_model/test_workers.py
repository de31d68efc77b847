"""train_model with several workers, through the command that its container runs."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from penstock.components.protocol.marks import figure_in

from ...waiting import until
from ..conftest import component_process, executor_input

NAME = "train_model"
# Without Dropout: workers drop the same units of different rows, so that a mean over them is another one.
MODULE = """
import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

def dataset(fn_args, files):
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=100, num_epochs=1, label_key="late")
    batches = fn_args.data_accessor.tf_dataset_factory(files, options, schema)
    return batches.map(lambda x, y: ({name: x[name] for name in ("distance", "hour")}, y))

def run_fn(fn_args):
    inputs = {name: keras.Input((1,), name=name) for name in ("distance", "hour")}
    hidden = keras.layers.Dense(4, "relu")(keras.layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")], steps_per_execution=3)
    model.fit(dataset(fn_args, fn_args.train_files), validation_data=dataset(fn_args, fn_args.eval_files), epochs=2, verbose=0)
    served = tf.Module()
    served.model = model
    spec = {name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in inputs}
    f = tf.function(lambda **x: {"y": model(x)}).get_concrete_function(**spec)
    tf.saved_model.save(served, fn_args.serving_model_dir, {"serving_default": f})
"""
# Sums of 32-bit floats in another order.
SAME = 1e-5


def test_two_workers_train_as_one_does(run_task, transformed, tracking_uri, capfd):
    parameters = {"module_file": MODULE, "tracking_uri": tracking_uri}
    alone = run_task(NAME, parameters, transformed.inputs)
    capfd.readouterr()
    both = run_task(NAME, parameters | {"workers": 2}, transformed.inputs)
    assert (alone.error, both.error) == ("", "")
    assert {*both.metadata["metrics"]} >= {"loss", "auc", "val_loss", "val_auc"}
    for name in ("loss", "auc", "val_loss", "val_auc"):
        assert both.metadata["metrics"][name] == pytest.approx(alone.metadata["metrics"][name], rel=SAME)
    model = both.metadata["model"]
    assert model["strategy"] == "tensorflow.distribute.MultiWorkerMirroredStrategy"
    assert {name: model[name] for name in ("signatures", "train_rows", "module_sha256")} == {
        name: alone.metadata["model"][name] for name in ("signatures", "train_rows", "module_sha256")
    }
    assert (both.outputs["model"] / "saved_model.pb").is_file()
    client = MlflowClient(tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("penstock").experiment_id])
    assert {run.info.run_id for run in runs} == {alone.parameters["tracking_run_id"], both.parameters["tracking_run_id"]}
    said = list(filter(None, map(figure_in, capfd.readouterr().out.splitlines())))
    assert said[0] == f"{model['strategy']} distributes the batches to 2 workers, 2 devices in all"
    assert said[-1].startswith("epoch 2/2, ")


@pytest.mark.slow
def test_four_workers_train_as_one_does(run_task, transformed, tracking_uri):
    parameters = {"module_file": MODULE, "tracking_uri": tracking_uri}
    alone, four = (run_task(NAME, parameters | {"workers": workers}, transformed.inputs) for workers in (1, 4))
    assert (alone.error, four.error) == ("", "")
    for name in ("loss", "auc", "val_loss", "val_auc"):
        assert four.metadata["metrics"][name] == pytest.approx(alone.metadata["metrics"][name], rel=SAME)


def is_running(process: Path) -> bool:
    """Tells whether a process runs whose ID is a file's name."""
    return Path("/proc", process.name).exists()


# Each worker leaves its process's ID; worker 1 fails when all are there.
FAILING = """
import json, os, pathlib, signal, time

def run_fn(fn_args):
    folder = pathlib.Path(fn_args.custom_config["folder"])
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.02)
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
        FAIL
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "says"),
    [
        ("raise ValueError('no more')", "worker 1 of 2: run_fn of module_file raised ValueError: no more (line 10); correct the module"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "worker 1 of 2 was ended by SIGKILL"),
        ("os._exit(3)", "worker 1 of 2 ended with exit code 3: "),
    ],
)
def test_a_worker_that_fails_is_the_reason_and_ends_the_others(run_task, transformed, tracking_uri, tmp_path, fail, says):
    (folder := tmp_path / "processes").mkdir()
    parameters = {"module_file": FAILING.replace("FAIL", fail), "tracking_uri": tracking_uri, "workers": 2}
    parameters["custom_config"] = {"folder": str(folder)}
    result = run_task(NAME, parameters, transformed.inputs)
    assert result.code == 1
    assert result.error.startswith(f"error: {says}")
    assert "\n" not in result.error
    assert not result.outputs["model"].exists()
    assert [process for process in folder.iterdir() if is_running(process)] == []


@pytest.mark.slow
def test_a_module_whose_strategy_stays_within_one_worker(run_task, transformed, tracking_uri, tfx_module):
    result = run_task(NAME, {"module_file": tfx_module, "tracking_uri": tracking_uri, "workers": 2}, transformed.inputs)
    assert "tensorflow.distribute.MirroredStrategy, which stays within one worker" in result.error


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_is_ended_ends_its_workers(transformed, tracking_uri, tmp_path, sign):
    (folder := tmp_path / "processes").mkdir()
    parameters = {"module_file": FAILING.replace("FAIL", "pass"), "tracking_uri": tracking_uri, "workers": 2}
    spec = executor_input(NAME, tmp_path / "out", parameters | {"custom_config": {"folder": str(folder)}}, transformed.inputs)
    with subprocess.Popen(**component_process(f"penstock.components.{NAME}", json.dumps(spec)), stdout=subprocess.DEVNULL) as task:
        until(lambda: len(list(folder.iterdir())) == 2, 600)
        os.kill(task.pid, sign)
        assert task.wait() == {signal.SIGTERM: 143, signal.SIGKILL: -9}[sign]
        until(lambda: not any(map(is_running, folder.iterdir())))
    assert not (tmp_path / "out" / "model").exists()


def test_a_number_of_workers_below_one(run_task, transformed, tracking_uri):
    result = run_task(NAME, {"module_file": MODULE, "tracking_uri": tracking_uri, "workers": 0}, transformed.inputs)
    assert result.error == "error: workers is 0; give the number of workers, at least 1"
