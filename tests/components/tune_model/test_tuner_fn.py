"""tune_model with a module's own tuner_fn, TFX's contract, through the command that its container runs."""

import keras_tuner
import pytest
from mlflow import MlflowClient

from penstock.components.training.hyperparameters import Hyperparameters

# As TFX's users write it; KERAS is the package whose models it builds.
TUNER = """
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio
IMPORT

def build(hp):
    model = KERAS.Sequential([KERAS.layers.Dense(1, activation="sigmoid")])
    model.compile(KERAS.optimizers.SGD(hp.get("rate")), "binary_crossentropy")
    return model

def tuner_fn(fn_args: FnArgs) -> tfx.components.TunerFnResult:
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [0.01, 0.1, 1.0])
    tuner = keras_tuner.RandomSearch(build, objective="val_loss", max_trials=3, hyperparameters=hp, allow_new_entries=False,
                                     directory=fn_args.working_dir, project_name="flights")
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=100, num_epochs=1, label_key="late")
    train, held_out = (fn_args.data_accessor.tf_dataset_factory(files, options, schema).map(lambda x, y: (x["distance"], y))
                       for files in (fn_args.train_files, fn_args.eval_files))
    return tfx.components.TunerFnResult(tuner=tuner, fit_kwargs={"x": train, "validation_data": held_out, "epochs": 1, "verbose": 0})
"""
KERAS_2 = TUNER.replace("KERAS", "tf.keras").replace("IMPORT", "")
KERAS_3 = TUNER.replace("KERAS", "keras").replace("IMPORT", "import keras")


def test_the_tuner_is_run_in_processes_and_goes_on_where_it_was(search, tracking_uri, tmp_path):
    given = {"state_uri": str(tmp_path / "state"), "processes": 2}
    found = search(KERAS_2, **given)
    assert found.process.returncode == 0, found.error
    assert {trial["status"] for trial in found.trials} == {"completed"}
    assert sorted(trial["hyperparameters"]["rate"] for trial in found.trials) == [0.01, 0.1, 1.0]
    best = min(found.trials, key=lambda trial: trial["score"])
    assert found.outputs["best_score"] == best["score"]
    as_run_fn_gets_it = Hyperparameters(found.outputs["best_hyperparameters"])
    assert keras_tuner.HyperParameters.from_config(as_run_fn_gets_it).get("rate") == best["hyperparameters"]["rate"]
    client = MlflowClient(tracking_uri)
    for trial in found.trials:
        run = client.get_run(trial["tracking_run_id"])
        assert run.data.tags["mlflow.parentRunId"] == found.outputs["tracking_run_id"]
        assert run.data.metrics["val_loss"] == pytest.approx(trial["score"])
    assert "val_loss" in (found.folder / "report").read_text()

    again = search(KERAS_2, **given)
    assert again.process.returncode == 0, again.error
    assert again.outputs["best_score"] == found.outputs["best_score"]
    assert {trial["seconds"] for trial in again.trials} == {0}, "no trial is run again"


@pytest.mark.slow
def test_a_tuner_of_keras_3(search):
    found = search(KERAS_3, processes=1)
    assert found.process.returncode == 0, found.error
    assert len(found.trials) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def run_fn(fn_args):\n    pass\n", "there is nothing to search: module_file has no tuner_fn, and search_space is empty"),
        ("def tuner_fn(fn_args):\n    raise ValueError('no data')\n", "tuner_fn of module_file raised ValueError: no data (line 2)"),
        ("def tuner_fn(fn_args):\n    return 3\n", "tuner_fn of module_file raised AttributeError: 'int' object has no attribute 'tuner'"),
        pytest.param(
            KERAS_2.replace('hp.get("rate")', 'float("much")'),
            "ValueError: could not convert string to float: 'much'",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_be_searched_is_one_line(search, text, says):
    found = search(text, processes=1)
    assert found.process.returncode == 1
    assert found.reason.startswith("error: ")
    assert says in found.reason
