"""train_model goes on from its checkpoints after SIGTERM and SIGKILL: the same steps, weights and metrics as without."""

import json
import random
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from mlflow import MlflowClient

NAME, WORKERS = "train_model", 2
MODULE = Path(__file__).with_name("resumable.py").read_text()


def weights(model: Path) -> dict[str, list[float]]:
    """Returns the values of a SavedModel's variables."""
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    kinds = reader.get_variable_to_dtype_map()
    return {name: reader.get_tensor(name).reshape(-1).tolist() for name in sorted(kinds) if kinds[name] == tf.float32}


class Trainings:
    """Attempts at one training, and what their module leaves behind."""

    def __init__(self, run_task: Callable[..., Any], inputs: dict[str, Any], folder: Path, tracking_uri: str) -> None:
        self.folder, self.checkpoints = folder / "told", folder / "checkpoints"
        for worker in range(WORKERS):
            (self.folder / str(worker)).mkdir(parents=True)
        self.module = MODULE.replace('"FOLDER"', repr(str(self.folder)))
        self.tracking_uri = tracking_uri
        self._run_task, self._inputs = run_task, inputs

    def attempt(self, plan: str = "", worker: int = 0, subprocess: bool = False, **parameters: Any) -> Any:
        for each in range(WORKERS):
            (self.folder / str(each) / "plan").write_text(plan if each == worker else "")
        given = {"module_file": self.module, "tracking_uri": self.tracking_uri, "seed": 1, "checkpoint_uri": str(self.checkpoints)}
        return self._run_task(NAME, given | parameters, self._inputs, subprocess=subprocess)

    def steps(self, worker: int = 0) -> list[int]:
        """Returns the steps that a worker has trained since the last call."""
        file = self.folder / str(worker) / "steps"
        steps = [int(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return steps

    def saved_steps(self) -> list[int]:
        """Returns the step of each checkpoint, the newest last."""
        return [json.loads(record.read_text())["step"] for record in self.saved()]

    def truncate_newest(self) -> None:
        """Takes the end of the newest checkpoint away."""
        state = next(self.saved()[-1].with_suffix("").glob("*.data*"))
        state.write_bytes(state.read_bytes()[:-100])

    def saved(self) -> list[Path]:
        """Returns the records of the checkpoints, the newest last."""
        return sorted(self.checkpoints.glob("*/[0-9]*.json"))


@pytest.fixture
def trainings(run_task, transformed, tmp_path, tracking_uri) -> Trainings:
    return Trainings(run_task, transformed.inputs, tmp_path, tracking_uri)


def assert_equal(result: Any, expected: Any) -> None:
    assert (result.code, result.error) == (0, "")
    assert weights(result.outputs["model"]) == weights(expected.outputs["model"])
    assert {name: value for name, value in result.metadata["metrics"].items() if name != "summary"} == {
        name: value for name, value in expected.metadata["metrics"].items() if name != "summary"
    }


def test_a_training_that_is_ended_goes_on_from_its_last_whole_checkpoint(trainings, caplog):
    expected = trainings.attempt(checkpoint_uri="")
    assert trainings.steps() == list(range(1, 61))
    (trainings.checkpoints / "0123456789abcdef").mkdir(parents=True)
    assert trainings.attempt("SIGTERM train 7").code == 143
    assert trainings.steps() == list(range(1, 8))
    assert trainings.attempt("SIGTERM test 20").code == 143
    assert trainings.steps() == list(range(8, 21)), "no step is lost, also in the evaluation after an epoch"
    assert trainings.attempt("SIGKILL train 47", subprocess=True).code == -signal.SIGKILL
    assert trainings.steps() == list(range(21, 48))
    assert trainings.saved_steps() == [20, 40]
    newest = trainings.saved()[-1].stem
    trainings.truncate_newest()
    caplog.clear()
    result = trainings.attempt()
    assert trainings.steps() == list(range(21, 61))
    assert f"the checkpoint {newest} in {trainings.checkpoints} is damaged" in caplog.text
    assert "ignoring the checkpoints of 1 other trainings" in caplog.text
    assert_equal(result, expected)
    assert {"attempts": 4, "resumed_from_step": 20}.items() <= result.metadata["model"].items()
    assert "attempts" not in expected.metadata["model"]
    assert [path.name for path in trainings.checkpoints.iterdir()] == ["0123456789abcdef"], "a training that has ended well leaves none"

    client = MlflowClient(trainings.tracking_uri)
    tracked = [client.get_run(each.parameters["tracking_run_id"]) for each in (expected, result)]
    assert [run.info.status for run in tracked] == ["FINISHED", "FINISHED"]
    assert len(client.search_runs([run.info.experiment_id for run in tracked])) == 2, "all attempts are one run"
    for name in expected.metadata["metrics"].keys() - {"summary", "penstock_version"}:
        histories = [client.get_metric_history(run.info.run_id, name) for run in tracked]
        first, second = ({metric.step: metric.value for metric in history} for history in histories)
        assert first == second
        assert len(first) == 3


@pytest.mark.slow
def test_a_training_that_is_killed_ten_times_at_random_gives_the_same_model(trainings):
    """Twelve epochs of twenty steps; what is lost at SIGKILL is what came after the last epoch's checkpoint."""
    parameters = {"hyperparameters": {"epochs": 12}}
    expected = trainings.attempt(checkpoint_uri="", **parameters)
    whole = trainings.steps()
    draw = random.Random(0)
    lost, at = {"SIGTERM": [], "SIGKILL": []}, 0
    for name in draw.sample(["SIGTERM", "SIGKILL"] * 5, 10):
        at += draw.randint(5, len(whole) // 10)
        ended = trainings.attempt(f"{name} {draw.choice(['train', 'test'])} {at}", subprocess=True, **parameters)
        assert ended.code == (143 if name == "SIGTERM" else -signal.SIGKILL)
        newest = max(trainings.saved_steps(), default=0)
        lost[name].append(max([newest, *trainings.steps()]) - newest)
    result = trainings.attempt(**parameters)
    print(f"steps lost: {lost}")
    assert_equal(result, expected)
    assert result.metadata["model"]["attempts"] == 11
    assert max(lost["SIGTERM"]) <= 1


def test_steps_over_the_same_data_and_several_fits_go_on(trainings):
    parameters = {"train_steps": 10, "hyperparameters": {"steps_per_execution": 4, "epochs": 2, "fits": 2}}
    expected = trainings.attempt(checkpoint_uri="", **parameters)
    assert trainings.attempt("SIGTERM train 44", **parameters).code == 143
    result = trainings.attempt(**parameters)
    assert_equal(result, expected)
    assert result.metadata["model"]["resumed_from_step"] == 44


@pytest.mark.slow
def test_workers_go_on_together_from_their_last_whole_checkpoint(trainings):
    expected = trainings.attempt(workers=WORKERS, checkpoint_uri="")
    assert [trainings.steps(worker) for worker in range(WORKERS)] == [list(range(1, 61))] * WORKERS

    ended = trainings.attempt("SIGTERM train 7", worker=1, workers=WORKERS)
    assert re.fullmatch(
        r"error: worker \d of 2 has ended, because one of the workers was asked to \(SIGTERM\); run the task again", ended.error
    )
    assert [trainings.steps(worker) for worker in range(WORKERS)] == [list(range(1, 8))] * WORKERS
    assert trainings.saved_steps() == [7], "no step is lost"

    assert trainings.attempt("SIGTERM train 27 parent", worker=1, subprocess=True, workers=WORKERS).code == 143
    (chief, other) = (trainings.steps(worker) for worker in range(WORKERS))
    assert chief == other == list(range(8, 28)), "both end after the same step"
    assert trainings.saved_steps() == [20, 27]

    ended = trainings.attempt("SIGKILL train 57", worker=1, workers=WORKERS)
    assert ended.error.startswith("error: worker 1 of 2 was ended by SIGKILL")
    assert trainings.steps(1)[-1] == 57
    trainings.steps()
    assert trainings.saved_steps() == [27, 40]
    trainings.truncate_newest()

    result = trainings.attempt(workers=WORKERS)
    assert [trainings.steps(worker) for worker in range(WORKERS)] == [list(range(28, 61))] * WORKERS
    assert_equal(result, expected)
    assert {"attempts": 4, "resumed_from_step": 27}.items() <= result.metadata["model"].items()
    assert list(trainings.checkpoints.iterdir()) == [], "a training that has ended well leaves none"
    client = MlflowClient(trainings.tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("penstock").experiment_id])
    assert len(runs) == 2, "all attempts are one run"


@pytest.mark.slow
def test_another_number_of_workers_goes_on(trainings):
    parameters = {"hyperparameters": {"dropout": 0}}
    expected = trainings.attempt(checkpoint_uri="", **parameters)
    assert trainings.attempt("SIGTERM train 27", worker=1, workers=WORKERS, **parameters).code == 1
    trainings.steps()
    result = trainings.attempt(**parameters)
    assert trainings.steps() == list(range(28, 61))
    for name in ("loss", "auc", "val_loss", "val_auc"):
        assert result.metadata["metrics"][name] == pytest.approx(expected.metadata["metrics"][name], rel=1e-5)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("{tmp}/file/checkpoints", "checkpoint_uri: {tmp}/file/checkpoints cannot be used (NotADirectoryError"),
        ("nowhere://checkpoints", "checkpoint_uri: nowhere://checkpoints cannot be used (ValueError: Protocol not known: nowhere"),
        ("/proc/checkpoints", "checkpoint_uri: /proc/checkpoints cannot be "),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line_before_the_training(trainings, tmp_path, place, says):
    (tmp_path / "file").touch()
    result = trainings.attempt(checkpoint_uri=place.format(tmp=tmp_path))
    assert result.code == 1
    assert says.format(tmp=tmp_path) in result.error
    assert "\n" not in result.error
    assert trainings.steps() == []


def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_kept(trainings, mount_disk):
    mount_disk(trainings.checkpoints, "24k")
    result = trainings.attempt()
    assert result.code == 1
    assert f"checkpoint_uri: {trainings.checkpoints} cannot be written (no space left on the device); free some space" in result.error
    assert "\n" not in result.error
    assert len(trainings.saved()) == 1


def test_keras_2_is_refused_in_one_line(trainings, tfx_module):
    trainings.module = tfx_module.replace("callbacks=[tensorboard_callback]", "callbacks=[*fn_args.callbacks, tensorboard_callback]")
    result = trainings.attempt(train_steps=40, eval_steps=5)
    assert result.code == 1
    assert "checkpoint_uri works with Keras 3 on TensorFlow only; use keras, not tf.keras" in result.error
