"""What follows from a verdict."""

import pytest

from ..monitorings import write_monitoring

NAME = "choose_response"
BETTER, WORSE = {"better": True, "reason": ""}, {"better": False, "reason": "auc of the predecessor is worse"}


@pytest.mark.parametrize(
    ("verdict", "parameters", "predecessor", "response"),
    [
        ("ok", {"on_degraded": "retrain", "on_drifted": "retrain"}, None, "none"),
        ("drifted", {}, None, "alert"),
        ("drifted", {"on_drifted": "retrain"}, None, "retrain"),
        ("degraded", {"on_drifted": "retrain"}, BETTER, "alert"),
        ("degraded", {"on_degraded": "retrain"}, BETTER, "retrain"),
        ("skewed", {"on_degraded": "retrain", "on_drifted": "retrain"}, None, "alert"),
        ("degraded", {"on_degraded": "rollback"}, BETTER, "rollback"),
        ("degraded", {"on_degraded": "rollback"}, WORSE, "alert"),
        ("degraded", {"on_degraded": "rollback"}, None, "alert"),
        ("no_data", {"on_degraded": "retrain", "on_drifted": "retrain"}, None, "alert"),
        ("not_enough_data", {"on_degraded": "retrain", "on_drifted": "retrain"}, None, "alert"),
    ],
)
def test_the_response(run_task, tmp_path, verdict, parameters, predecessor, response):
    monitoring = write_monitoring(tmp_path / "monitoring", verdict, predecessor=predecessor)
    result = run_task(NAME, parameters, {"monitoring": monitoring})
    assert (result.code, result.parameters) == (0, {"response": response}), result.error


@pytest.mark.parametrize(("reasons", "response"), [(["wind: 3.00%"], "alert"), ([], "retrain")], ids=["skewed", "not skewed"])
def test_no_training_while_features_are_skewed(run_task, tmp_path, reasons, response):
    monitoring = write_monitoring(tmp_path / "monitoring", "degraded", feature_skew={"reasons": reasons})
    assert run_task(NAME, {"on_degraded": "retrain"}, {"monitoring": monitoring}).parameters == {"response": response}


@pytest.mark.parametrize(
    ("parameters", "verdict", "error"),
    [
        ({"on_degraded": "restart"}, "ok", "on_degraded is 'restart'; give alert, rollback, retrain"),
        ({"on_drifted": "rollback"}, "ok", "on_drifted is 'rollback'; give alert, retrain"),
        ({}, "fine", "has the verdict 'fine', none of ok, drifted, skewed, degraded, not_enough_data, no_data"),
    ],
)
def test_what_cannot_be_used(run_task, tmp_path, parameters, verdict, error):
    result = run_task(NAME, parameters, {"monitoring": write_monitoring(tmp_path / "monitoring", verdict)})
    assert result.code == 1
    assert error in result.error


def test_another_artifact(run_task, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    result = run_task(NAME, {}, {"monitoring": tmp_path / "other"})
    assert "give the artifact monitoring of monitor_model" in result.error
