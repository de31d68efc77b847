"""tune_model through the command that its container runs: what it finds, what it leaves behind, and what goes wrong."""

import json
import os
import signal
from pathlib import Path

import keras_tuner
import pytest
from mlflow import MlflowClient

from ...waiting import until

NAME = "tune_model"
# The score is best at 3; nothing is trained.
PARABOLA = """
import mlflow

def run_fn(fn_args):
    x = fn_args.hyperparameters["x"]
    PREPARE
    mlflow.log_metric("val_loss", float((x - 3) ** 2))
"""
CHOICES = {"x": [0, 1, 2, 3, 4, 5]}
# A model of one weight that stays what it is, so that every epoch has the same loss.
KERAS = """
import keras, numpy as np

def run_fn(fn_args):
    weight = float(fn_args.hyperparameters["x"])
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(weight))])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.ones((2, 1), "float32")
    model.fit(x, 3 * x, validation_data=(x, 3 * x), epochs=3, verbose=0)
"""


def module(prepare: str = "pass") -> str:
    """Returns a module whose trials do something first."""
    return PARABOLA.replace("PREPARE", prepare)


def test_the_best_hyperparameters_are_found_and_everything_is_written(search, tracking_uri):
    found = search(module(), search_space=CHOICES, hyperparameters={"x": 5, "units": [8, 4]}, max_trials=6, processes=2, experiment="tuned")
    assert found.process.returncode == 0, found.error

    best = found.outputs["best_hyperparameters"]
    assert best["values"] == {"x": 3, "units": [8, 4]}
    assert keras_tuner.HyperParameters.from_config(best).get("x") == 3
    assert found.outputs["best_score"] == 0
    assert json.loads((found.folder / "trials" / "best_hyperparameters.txt").read_text()) == best

    assert found.trials[0]["hyperparameters"] == {"x": 5, "units": [8, 4]}, "the search starts from the given values"
    assert sorted(trial["hyperparameters"]["x"] for trial in found.trials) == CHOICES["x"], "nothing is tried twice"
    assert {trial["status"] for trial in found.trials} == {"completed"}
    assert all(trial["score"] == (trial["hyperparameters"]["x"] - 3) ** 2 and trial["seconds"] > 0 for trial in found.trials)
    assert found.metadata("metrics")["val_loss"] == 0

    client = MlflowClient(tracking_uri)
    parent = client.get_run(found.outputs["tracking_run_id"])
    children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert client.get_experiment(parent.info.experiment_id).name == "tuned"
    assert {run.info.run_id for run in children} == {trial["tracking_run_id"] for trial in found.trials}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert {run.data.params["x"] for run in children} == {str(x) for x in CHOICES["x"]}
    assert parent.data.metrics["best_val_loss"] == 0
    assert client.get_run(parent.data.tags["best_trial_run_id"]).data.params["x"] == "3"

    page = (found.folder / "report").read_text()
    assert "the given hyperparameters (trial 0): 4" in page
    assert "<svg" in page
    assert "100%" in page, "x is all that matters"


def test_a_trial_that_cannot_win_is_stopped_after_an_epoch(search):
    found = search(KERAS, search_space={"x": list(range(6))}, max_trials=6, processes=1, seed=1)
    assert found.process.returncode == 0, found.error
    stopped = [trial for trial in found.trials if trial["status"] == "stopped"]
    assert stopped
    for trial in stopped:
        earlier = sorted(each["score"] for each in found.trials if each["trial"] < trial["trial"] and each["status"] == "completed")
        assert len(trial["curve"]) == 1
        assert trial["score"] > earlier[len(earlier) // 2 - 1]
    assert all(len(trial["curve"]) == 3 for trial in found.trials if trial["status"] == "completed")
    assert found.outputs["best_hyperparameters"]["values"] == {"x": 3}


@pytest.mark.slow
def test_what_was_found_is_what_train_model_gives(search, run_task, transformed, tracking_uri):
    """The module reads its hyperparameters as TFX's modules do, and as values; both read the Examples."""
    trainer = """
import keras, keras_tuner, tensorflow as tf, tensorflow_transform as tft
from tfx_bsl.public import tfxio

def run_fn(fn_args):
    rate = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters).get("rate")
    assert rate == fn_args.hyperparameters["rate"] and "space" not in dict(fn_args.hyperparameters)
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=100, num_epochs=1, label_key="late")
    train, held_out = (fn_args.data_accessor.tf_dataset_factory(files, options, schema).map(lambda x, y: (x["distance"], y))
                       for files in (fn_args.train_files, fn_args.eval_files))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    model.fit(train, validation_data=held_out, verbose=0)
    model.export(fn_args.serving_model_dir, verbose=False)
"""
    found = search(trainer, search_space={"rate": {"min": 0.01, "max": 1, "log": True}}, max_trials=2, seed=7, algorithm="bayesian")
    assert found.process.returncode == 0, found.error
    parameters = {"module_file": trainer, "hyperparameters": found.outputs["best_hyperparameters"], "seed": 7, "tracking_uri": tracking_uri}
    trained = run_task("train_model", parameters, transformed.inputs)
    assert trained.code == 0, trained.error
    assert trained.metadata["metrics"]["val_loss"] == pytest.approx(found.outputs["best_score"], abs=1e-6)
    assert set(MlflowClient(tracking_uri).get_run(trained.parameters["tracking_run_id"]).data.params) >= {"rate", "seed"}


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("if x == 4: raise ValueError('four')", "run_fn of module_file raised ValueError: four (line 6); correct the module"),
        pytest.param(
            "if x == 4: x = float('nan')",
            "val_loss is nan; look for NaN or inf in the transformed Examples, or narrow the search space",
            marks=pytest.mark.slow,
        ),
        ("if x == 4: import os; os.kill(os.getpid(), 9)", "its process was ended by SIGKILL; it may need more memory"),
        ("if x == 4: return", "run_fn logged no 'val_loss' (it logged nothing); set objective to a metric that it logs"),
    ],
)
def test_a_failed_trial_is_recorded_and_the_search_goes_on(search, prepare, reason):
    found = search(module(prepare), search_space={"x": [3, 4]}, max_trials=2)
    assert found.process.returncode == 0, found.error
    assert found.outputs["best_hyperparameters"]["values"] == {"x": 3}
    (failed,) = (trial for trial in found.trials if trial["status"] == "failed")
    assert reason in failed["reason"]
    assert reason in (found.folder / "report").read_text().replace("&#39;", "'")


def test_where_all_fail_the_first_reason_is_told(search):
    found = search(module("raise ValueError(f'no {x}')"), search_space=CHOICES, hyperparameters={"x": 2}, max_trials=6, processes=1)
    assert found.process.returncode == 1
    assert found.reason.startswith(
        "error: 3 trials in a row failed, the first of them: run_fn of module_file raised ValueError: no 2 (line 6)"
    )
    assert not (found.folder / "trials").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_the_kind\n" + PARABOLA, "module_file cannot be imported: ModuleNotFoundError"),
        ("def train(fn_args):\n    pass\n", "module_file has no function run_fn"),
    ],
)
def test_a_module_that_cannot_be_used_ends_the_search(search, text, says):
    found = search(text, search_space=CHOICES)
    assert found.process.returncode == 1
    assert says in found.reason


def test_a_killed_search_goes_on_where_it_was(start_search, tmp_path):
    """The third trial hangs until the search is killed; the trials before it are not run again."""
    calls, state = tmp_path / "calls", tmp_path / "state"
    hang = f"import pathlib, time; calls = pathlib.Path({str(calls)!r}); calls.open('a').write(f'{{x}}\\n')"
    hang += f"; time.sleep(0 if len(calls.read_text().split()) != 3 or pathlib.Path({str(tmp_path / 'again')!r}).exists() else 600)"
    given = {"search_space": CHOICES, "max_trials": 4, "processes": 1, "state_uri": str(state)}
    first = start_search(module(hang), **given)
    until(lambda: calls.exists() and len(calls.read_text().split()) == 3)
    os.kill(first.process.pid, signal.SIGKILL)
    first.end()
    (tmp_path / "again").touch()
    again = start_search(module(hang), **given).end()
    assert again.process.returncode == 0, again.error
    ran = calls.read_text().split()
    assert ran[3] == ran[2], "the trial that was interrupted is the first to run"
    assert len(ran) == 5
    assert [str(trial["hyperparameters"]["x"]) for trial in again.trials] == [*ran[:3], ran[4]]

    other = start_search(module(hang), **given | {"search_space": {"x": [1, 2]}}).end()
    assert other.process.returncode == 1
    assert "has another search_space; give another state_uri, or delete the file" in other.reason


def test_the_time_is_over(search):
    found = search(
        module("import time; time.sleep(0 if x == 3 else 600)"), search_space={"x": [3, 4]}, max_trials=2, processes=2, max_seconds=4
    )
    assert found.process.returncode == 0, found.error
    assert {trial["hyperparameters"]["x"]: trial["status"] for trial in found.trials} == {3: "completed", 4: "out_of_time"}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"search_space": {}}, "there is nothing to search: module_file has no tuner_fn"),
        ({"search_space": {"x": []}}, "search_space: x is []; give a list of choices, or a range"),
        ({"search_space": {"x": 3}}, "search_space: x is 3; give a list of choices, or a range"),
        ({"search_space": {"x": {"min": 1, "most": 2}}}, "give a list of choices, or a range"),
        ({"search_space": {"x": {"min": "a", "max": 2}}}, "search_space: x: min, max and step must be numbers"),
        ({"search_space": {"x": {"min": 2, "max": 1}}}, "search_space: x: min is 2 and max 1"),
        ({"search_space": {"x": {"min": 0, "max": 1, "log": True}}}, "a log range needs a min above 0"),
        ({"search_space": {"x": {"min": 0, "max": 1, "step": 0}}}, "search_space: x: step is 0; give one above 0"),
        ({"search_space": {"x": {"min": 0.5, "max": 1, "whole": True}}}, "search_space: x: whole is true, but"),
        ({"search_space": {"values": [1]}}, "search_space: 'values' has a meaning in KerasTuner's config"),
        ({"hyperparameters": {"x": "fast"}}, 'hyperparameters: x is "fast", which search_space does not offer'),
        (
            {"search_space": {"x": {"min": 0, "max": 1}}, "hyperparameters": {"x": "fast"}},
            'hyperparameters: x is "fast", but search_space has',
        ),
        ({"objective": "val_gain"}, "set direction to 'min' or 'max'"),
        ({"direction": "up"}, "direction is 'up'; give 'min' or 'max'"),
        ({"algorithm": "luck"}, "algorithm is 'luck'; give 'bayesian' or 'random'"),
        ({"max_trials": 0}, "max_trials is 0; give 1 or more"),
        ({"eval_split": "none"}, "none"),
    ],
)
def test_invalid_parameters_are_one_line(run_task, transformed, tracking_uri, parameters, says):
    done = run_task(NAME, {"module_file": module(), "search_space": CHOICES, "tracking_uri": tracking_uri} | parameters, transformed.inputs)
    assert done.code == 1
    assert says in done.error
    assert "\n" not in done.error
    assert not Path(done.outputs["trials"]).exists()
