"""What speaks against a training, what cannot be used, and what the family's own interpreter does, as in its image."""

import pytest

from penstock.components.release.registry import open_registry

from ..monitorings import CHAMPION
from .conftest import NAME, PIPELINE


@pytest.fixture(autouse=True)
def _own_interpreter(monkeypatch):
    monkeypatch.delenv("PENSTOCK_COMMAND", raising=False)


def test_the_image_can_submit(trigger):
    result = trigger("drifted", runs_at="kubeflow://?host=http://127.0.0.1:9")
    assert result.code == 1
    assert result.error.startswith("error: http://127.0.0.1:9 cannot be reached: ")


def test_a_container_starts_nothing_outside(trigger, tmp_path):
    result = trigger("drifted", runs_at=f"local://{tmp_path}/runs")
    assert result.error == "error: runs_at is local://, and this task is in a container, which starts no run outside; use --runner env"


@pytest.mark.parametrize(
    ("verdicts", "parameters", "outcome"),
    [
        (["ok"], {}, "not_needed"),
        (["skewed"], {}, "not_needed"),
        (["no_data"], {}, "not_needed"),
        (["not_enough_data"], {}, "not_needed"),
        (["degraded", "ok"], {"verdicts_in_a_row": 2}, "waiting"),
        (["degraded"], {"verdicts_in_a_row": 2}, "waiting"),
        (["degraded", "no_data", "degraded"], {"verdicts_in_a_row": 2}, "waiting"),
    ],
)
def test_nothing_is_started(trigger, tmp_path, verdicts, parameters, outcome):
    result = trigger(*verdicts, runs_at=f"local://{tmp_path}/runs", **parameters)
    assert (result.code, result.parameters) == (0, {"outcome": outcome, "run_id": ""}), result.error
    assert not (tmp_path / "runs").exists()


def test_without_a_new_span(run_task, tmp_path):
    given = {"training_pipeline": str(PIPELINE), "runs_at": f"local://{tmp_path}/runs", "parameters": {"input_uri": "x/{SPAN}"}}
    assert run_task(NAME, given).parameters == {"outcome": "not_needed", "run_id": ""}


def test_a_verdict_about_another_model_than_the_champion(trigger, tmp_path):
    registry = f"sqlite:///{tmp_path}/mlflow.db"
    model = open_registry("flights", registry)
    model.point("champion", model.register("2222" * 16, str(tmp_path), {}))
    result = trigger("degraded", runs_at=f"local://{tmp_path}/runs", model_name="flights", tracking_uri=registry)
    assert result.parameters["outcome"] == "not_needed"
    assert result.decision["why"] == f"the verdict is about the model {CHAMPION[:12]}, and the champion is 222222222222"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (
            {"training_pipeline": "gone.yaml"},
            "the training pipeline does not exist or cannot be read: training_pipeline: cannot read 'gone.yaml'",
        ),
        ({"training_pipeline": "a: 1\n"}, "the training pipeline its text is no compiled pipeline; compile it with kfp's compiler"),
        ({"parameters": {}}, "the training pipeline find-span lacks the parameter input_uri; add it to parameters"),
        ({"parameters": {"input": "x"}}, "the training pipeline find-span has no parameter 'input'; correct parameters"),
        ({"parameters": {"input_uri": "{span}"}}, "the parameter input_uri has {span}, which needs span; give it, or remove {span}"),
        ({"runs_at": "cloud://x"}, "runs_at is 'cloud://x'; give one of local://FOLDER, kubeflow:// and vertex://PROJECT/LOCATION"),
        ({"runs_at": "vertex://project"}, "give vertex://PROJECT/LOCATION"),
        ({"runs_at": "kubeflow://kfp.example.com"}, "give the address as the option host"),
        ({"runs_at": "kubeflow://?zone=1"}, "runs_at has the option 'zone'; kubeflow:// has host, namespace, experiment"),
        ({"runs_at": "local://x?experiment=1"}, "local:// has none"),
        ({"cooldown_hours": -1}, "cooldown_hours is -1; give at least 0"),
        ({"verdicts_in_a_row": 0}, "verdicts_in_a_row and train_days are at least 1"),
    ],
)
def test_what_cannot_be_used(trigger, tmp_path, parameters, error):
    result = trigger("degraded", **({"runs_at": f"local://{tmp_path}/runs"} | parameters))
    assert result.code == 1
    assert error in result.error
    assert "\n" not in result.error
