"""train_model through the command that its container runs: TFX's contract, tracking, repeatability, and what people get wrong."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from mlflow import MlflowClient

from penstock.components.protocol.marks import figure_in

from ..devices import run_on_devices

NAME = "train_model"
# The least that exports: for tests that are not about training.
EXPORT = """
import tensorflow as tf

def export(folder):
    served = tf.Module()
    served.f = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(served, folder, {"serving_default": served.f})
"""
KERAS_3 = (
    EXPORT
    + """
import keras
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

def run_fn(fn_args):
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=50, num_epochs=1, label_key="late")
    data = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    inputs = {name: keras.Input((1,), name=name) for name in ("distance", "hour")}
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(4, "relu")(keras.layers.Concatenate()(list(inputs.values()))))
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid", dtype="float32")(hidden))
    model.compile(keras.optimizers.Adam(fn_args.hyperparameters.get("learning_rate", 0.01)), "binary_crossentropy")
    model.fit(data.map(lambda x, y: ({name: x[name] * SCALE for name in inputs}, y)), epochs=2, verbose=0)
    served = tf.Module()
    served.model = model
    spec = {name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in inputs}
    f = tf.function(lambda **x: {"y": model(x)}).get_concrete_function(**spec)
    tf.saved_model.save(served, fn_args.serving_model_dir, {"serving_default": f})
"""
)
TRAIN = KERAS_3.replace("SCALE", "1.0")


def example(**features: Any) -> bytes:
    """Serializes one tf.Example."""
    kinds = {
        str: lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v.encode()])),
        int: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=[v])),
        float: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=[v])),
    }
    named = {name: kinds[type(value)](value) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def weights(model: Path) -> list[list[float]]:
    """Returns the values of a SavedModel's floating-point variables."""
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    kinds = reader.get_variable_to_dtype_map()
    return [reader.get_tensor(name).reshape(-1).tolist() for name in sorted(kinds) if kinds[name] == tf.float32]


def test_module_written_for_tfx_runs_unmodified(run_task, transformed, tfx_module, tracking_uri, monkeypatch):
    monkeypatch.setenv("PENSTOCK_GIT_COMMIT", "0123abc")
    parameters = {
        "module_file": tfx_module,
        "train_steps": 40,
        "eval_steps": 5,
        "tracking_uri": tracking_uri,
        "hyperparameters": {"units": 8, "rates": [0.1]},
        "experiment": "flights",
    }
    result = run_task(NAME, parameters, transformed.inputs)
    assert (result.code, result.error) == (0, "")

    served = tf.saved_model.load(str(result.outputs["model"])).signatures["serving_default"]
    far, near = (example(distance=distance, hour=8, carrier="AA") for distance in (2900.0, 150.0))
    answers = served(examples=tf.constant([far, near]))["outputs"].numpy()[:, 0]
    assert answers[0] > 0.8
    assert answers[1] < 0.2

    model = result.metadata["model"]
    assert model["framework"] == "tensorflow"
    assert model["signatures"] == ["serving_default"]
    assert model["strategy"] == "tensorflow.distribute.MirroredStrategy"
    assert model["train_rows"] == 1000
    assert model["examples_fingerprint"] == transformed.inputs["examples"][1]["fingerprint"]
    assert model["module_sha256"] == hashlib.sha256(tfx_module.encode()).hexdigest()
    assert model["tracking_run_id"] == result.parameters["tracking_run_id"]
    assert list(result.outputs["training_logs"].rglob("events.out.tfevents.*"))
    assert result.metadata["metrics"]["val_accuracy"] > 0.8
    assert result.metadata["model"]["summary"].startswith("epoch 2/2, ")

    client = MlflowClient(tracking_uri)
    run = client.get_run(result.parameters["tracking_run_id"])
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "flights"
    assert client.get_experiment(run.info.experiment_id).artifact_location == (Path(tracking_uri[10:]).parent / "artifacts").as_uri()
    assert run.data.params | {"units": "8", "rates": "[0.1]", "train_steps": "40"} == run.data.params
    assert run.data.tags["examples_fingerprint"] == model["examples_fingerprint"]
    assert run.data.tags["module_sha256"] == model["module_sha256"]
    assert run.data.tags["version.tensorflow"] == tf.__version__
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert [metric.step for metric in history] == [0, 1]
    assert history[-1].value == result.metadata["metrics"]["val_loss"]


def test_module_that_opens_tfrecord_files_itself(run_task, transformed_tfrecord, tracking_uri):
    module = (
        EXPORT
        + """
import tensorflow_transform as tft

def run_fn(fn_args):
    spec = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_feature_spec()
    files = tf.data.Dataset.list_files(fn_args.train_files)
    rows = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(100)
    parsed = [tf.io.parse_example(batch, spec) for batch in rows]
    assert sum(len(batch["late"]) for batch in parsed) == 1000
    export(fn_args.serving_model_dir)
"""
    )
    result = run_task(NAME, {"module_file": module, "tracking_uri": tracking_uri}, transformed_tfrecord.inputs)
    assert (result.code, result.error) == (0, "")
    assert result.metadata["model"]["train_rows"] == 1000


def test_fn_args_are_those_of_tfx(run_task, transformed, tracking_uri, tmp_path):
    base = tmp_path / "base"
    tf.saved_model.save(tf.Module(), str(base))
    module = (
        EXPORT
        + """
import glob, json, os, keras

def train(fn_args):
    content = {key: value for key, value in vars(fn_args).items() if key != "data_accessor"}
    content |= {"policy": keras.mixed_precision.global_policy().name, "jit": tf.config.optimizer.get_jit()}
    content |= {"train": glob.glob(fn_args.train_files[0]), "scratch": os.path.isdir(fn_args.working_dir)}
    with open(os.path.join(fn_args.model_run_dir, "seen.json"), "w") as file:
        json.dump(content, file)
    export(fn_args.serving_model_dir)
"""
    )
    parameters = {
        "module_file": module,
        "run_fn": "train",
        "tracking_uri": tracking_uri,
        "custom_config": {"epochs": 3},
        "hyperparameters": {"units": 4},
        "base_model": str(base),
        "mixed_precision": True,
        "xla": True,
    }
    result = run_task(NAME, parameters, transformed.inputs)
    assert (result.code, result.error) == (0, "")
    content = json.loads((result.outputs["training_logs"] / "seen.json").read_text())
    assert content["train"] == [str(path) for path in (transformed.examples / "Split-train").iterdir()]
    assert content["eval_files"] == [str(transformed.examples / "Split-eval" / "*")]
    assert content["train_steps"] is None
    assert content["schema_path"] == content["schema_file"] == str(transformed.inputs["schema"] / "schema.pbtxt")
    assert content["transform_graph_path"] == content["transform_output"] == str(transformed.inputs["transform_graph"])
    assert content["base_model"] == str(base)
    assert content["hyperparameters"] == {"units": 4}
    assert content["custom_config"] == {"epochs": 3}
    assert (content["policy"], content["jit"]) == ("mixed_float16", "autoclustering")
    assert content["scratch"]
    assert not Path(content["working_dir"]).exists()


def test_seed_makes_a_run_repeatable(run_task, transformed, tracking_uri):
    runs = [run_task(NAME, {"module_file": TRAIN, "tracking_uri": tracking_uri, "seed": seed}, transformed.inputs) for seed in (1, 1, 2)]
    assert [run.error for run in runs] == ["", "", ""]
    first, again, other = (weights(run.outputs["model"]) for run in runs)
    assert len(first) >= 4
    assert first == again
    assert first != other


@pytest.mark.slow
def test_command_with_a_seed_makes_the_same_bytes_in_every_process(run_task, transformed, tracking_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    runs = [run_task(NAME, {"module_file": TRAIN, "seed": 1}, transformed.inputs, subprocess=True) for _ in range(2)]
    assert [run.code for run in runs] == [0, 0], runs[0].error
    first, again = (run.metadata["model"]["fingerprint"] for run in runs)
    assert first == again
    for run in runs:
        assert MlflowClient(tracking_uri).get_run(run.parameters["tracking_run_id"]).data.metrics["loss"] > 0


def test_what_run_fn_draws_follows_from_the_seed_alone(run_task, transformed, tracking_uri, tmp_path):
    """MLflow's client draws a run's name where it writes to a database itself, from the generator that gives Keras its seeds; a server does not."""
    drawn = tmp_path / "drawn"
    module = f"import pathlib, random\n{EXPORT}\ndef run_fn(fn_args):\n    pathlib.Path({str(drawn)!r}).write_text(str(random.random()))\n    export(fn_args.serving_model_dir)"
    runs = []
    for _ in range(2):
        runs.append(run_task(NAME, {"module_file": module, "tracking_uri": tracking_uri, "seed": 5}, transformed.inputs))
        assert runs[-1].code == 0, runs[-1].error
        assert drawn.read_text() == str(random.Random(5).random())
    names = {MlflowClient(tracking_uri).get_run(run.parameters["tracking_run_id"]).info.run_name for run in runs}
    assert len(names) == 2, "two runs have different names"


def test_what_the_module_logs_itself_goes_to_the_same_run(run_task, transformed, tracking_uri, tmp_path):
    module = EXPORT + "\nimport mlflow\n\ndef run_fn(fn_args):\n    mlflow.log_metric('own', 7)\n    export(fn_args.custom_config['to'])\n"
    parameters = {"module_file": module, "tracking_uri": tracking_uri, "custom_config": {"to": str(tmp_path / "elsewhere")}}
    assert run_task(NAME, parameters, transformed.inputs).code == 1
    client = MlflowClient(tracking_uri)
    (run,) = client.search_runs([client.get_experiment_by_name("penstock").experiment_id])
    assert run.data.metrics == {"own": 7}
    assert run.info.status == "FAILED"


@pytest.mark.slow
def test_several_devices_share_the_batches(transformed, tmp_path):
    output = run_on_devices(f"""
from penstock.components.training.strategy import strategy_scope
with strategy_scope(["CPU:0", "CPU:1"], ["import keras  # not distributed"]) as strategy:
    assert tf.distribute.get_strategy().num_replicas_in_sync == 2
    import keras
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(tf.data.Dataset.from_tensor_slices(([[1.0]] * 8, [[2.0]] * 8)).batch(4), verbose=0)
    tf.saved_model.save(model, {str(tmp_path / "m")!r})
print(strategy)
with strategy_scope(["CPU:0"], ["import keras"]) as strategy:
    assert tf.distribute.get_strategy().num_replicas_in_sync == 1
print([strategy])
""")
    first, *others = output.splitlines()
    assert figure_in(first) == ("tensorflow.distribute.MirroredStrategy distributes the batches to 2 devices: CPU:0, CPU:1")
    assert others == [
        "tensorflow.distribute.MirroredStrategy",
        "['']",
    ]


@pytest.mark.slow
def test_a_module_s_own_strategy_gets_no_other():
    output = run_on_devices("""
from penstock.components.training.strategy import strategy_scope
with strategy_scope(["CPU:0", "CPU:1"], ["", "import tensorflow as tf\\nstrategy = tf.distribute.OneDeviceStrategy('CPU:0')"]):
    assert tf.distribute.get_strategy().num_replicas_in_sync == 1
""")
    assert figure_in(output) == "run_fn creates its own strategy, tensorflow.distribute.OneDeviceStrategy"


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("def run_fn(fn_args)\n    pass\n", "SyntaxError"),
        ("x = 1\n", "no function run_fn"),
        (
            "def run_fn(fn_args):\n    x = 1\n    raise ValueError('too\\nbad')\n",
            "run_fn of module_file raised ValueError: too bad (line 3)",
        ),
        ("def run_fn(fn_args):\n    pass\n", "no SavedModel"),
        (
            "from tfx import v1 as tfx\n\ndef run_fn(fn_args):\n    tfx.proto.TrainArgs()\n",
            "uses tfx.v1.proto.TrainArgs, but TFX is not installed",
        ),
        (
            "from tfx.orchestration import pipeline\n\nclass Mine(pipeline.Pipeline):\n    pass\n\nrun_fn = print\n",
            "uses tfx.orchestration.pipeline.Pipeline, but TFX is not installed",
        ),
        (
            "import argparse\n\ndef run_fn(fn_args):\n    argparse.ArgumentParser().error('no')\n",
            "SystemExit(2): a module must neither end",
        ),
        (KERAS_3.replace("SCALE", "float('nan')"), "loss of epoch 1 is not a finite number"),
        (TRAIN.replace('label_key="late"', 'label_key="delay"'), "have no label 'delay'"),
        (TRAIN.replace("fn_args.train_files, ", "['/nowhere/*'], "), "no file matches /nowhere/*"),
    ],
)
def test_bad_module_is_one_line(run_task, transformed, tracking_uri, module, says):
    result = run_task(NAME, {"module_file": module, "tracking_uri": tracking_uri}, transformed.inputs)
    assert result.code == 1
    assert says in result.error
    assert "\n" not in result.error
    assert not result.outputs["model"].exists()
    assert not result.executor_output.exists()
    client = MlflowClient(tracking_uri)
    statuses = {run.info.status for run in client.search_runs([found.experiment_id for found in client.search_experiments()])}
    assert statuses <= {"FAILED"}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"train_split": "training"}, "have no Split 'training'"),
        ({"base_model": "/nowhere"}, "base_model: /nowhere is not a SavedModel"),
        ({"tracking_uri": "http://127.0.0.1:9"}, "http://127.0.0.1:9 does not answer"),
        ({"tracking_uri": ""}, "set the parameter tracking_uri"),
    ],
)
def test_bad_parameter_is_one_line(run_task, transformed, tracking_uri, monkeypatch, parameters, says):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = run_task(NAME, {"module_file": TRAIN, "tracking_uri": tracking_uri} | parameters, transformed.inputs)
    assert result.code == 1
    assert says in result.error
    assert not result.outputs["model"].exists()


def test_an_empty_split_is_an_error(run_task, transformed, tracking_uri, tmp_path):
    examples = tmp_path / "examples"
    shutil.copytree(transformed.examples, examples)
    file = next((examples / "Split-eval").iterdir())
    pq.write_table(pq.read_schema(file).empty_table(), file)
    result = run_task(NAME, {"module_file": TRAIN, "tracking_uri": tracking_uri}, transformed.inputs | {"examples": examples})
    assert result.code == 1
    assert "Split 'eval'" in result.error
    assert "no rows" in result.error


def test_the_defaults_of_the_schema_go_with_the_model(run_task, transformed, tracking_uri, tmp_path):
    schema = tmp_path / "schema"
    shutil.copytree(transformed.inputs["schema"], schema)
    with (schema / "schema.pbtxt").open("a") as file:
        file.write(
            'tensor_representation_group { key: "" value { tensor_representation { key: "hour" '
            'value { dense_tensor { column_name: "hour" shape { dim { size: 1 } } default_value { int_value: -7 } } } } } }'
        )
    exporting = EXPORT + "\ndef run_fn(fn_args):\n    export(fn_args.serving_model_dir)\n"
    parameters = {"module_file": exporting, "tracking_uri": tracking_uri}
    without, having = (run_task(NAME, parameters, transformed.inputs | more) for more in ({}, {"schema": schema}))
    assert [run.error for run in (without, having)] == ["", ""]
    assert not (without.outputs["model"] / "assets.extra").exists()
    assert json.loads((having.outputs["model"] / "assets.extra" / "feature_defaults.json").read_text()) == {"hour": -7}
    assert having.metadata["model"]["fingerprint"] != without.metadata["model"]["fingerprint"]


def test_a_deleted_experiment_is_an_error(run_task, transformed, tracking_uri):
    client = MlflowClient(tracking_uri)
    client.delete_experiment(client.create_experiment("gone"))
    result = run_task(NAME, {"module_file": TRAIN, "tracking_uri": tracking_uri, "experiment": "gone"}, transformed.inputs)
    assert result.code == 1
    assert "'gone'" in result.error
    assert "was deleted" in result.error
