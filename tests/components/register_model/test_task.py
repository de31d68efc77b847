"""register_model, with a real registry."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from penstock.components.protocol import fingerprint
from penstock.components.release.registry import open_registry

NAME = "flights"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_text("a model")
    return folder


@pytest.fixture
def evaluation(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    write(folder, model)
    return folder


def write(evaluation: Path, model: Path, /, **changes: Any) -> None:
    blessing = {
        "verdict": "blessed",
        "thresholds": [{"metric": "auc", "passed": True}],
        "model": {"fingerprint": fingerprint(model)},
        "baseline": {"fingerprint": "b" * 64, "version": "4"},
        "examples": {"fingerprint": "d" * 64, "span": 7, "source": {"uri": "delta:///flights?version=3", "version": 3}},
    }
    (evaluation / "blessing.json").write_text(json.dumps(blessing | changes))


@pytest.fixture
def serving_check(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "serving_check"
    folder.mkdir()
    write_check(folder, model)
    return folder


def write_check(serving_check: Path, model: Path, /, **changes: Any) -> None:
    v1 = {"protocol": "v1", "load": {"p99_ms": 12.5, "failure": ""}}
    servers = [{"name": "TensorFlow Serving", "start_seconds": 7.5, "memory_mb": None, "protocols": [v1]}]
    check = {"verdict": "passed", "model": {"fingerprint": fingerprint(model)}, "servers": servers}
    (serving_check / "check.json").write_text(json.dumps(check | changes))


@pytest.fixture
def register(run_task: Callable[..., Any], model: Path, evaluation: Path, serving_check: Path, tracking_uri: str) -> Callable[..., Any]:
    def run(subprocess: bool = False, **parameters: Any) -> Any:
        values = {"model_name": NAME, "tracking_uri": tracking_uri} | parameters
        inputs = {
            "model": model,
            "evaluation": (evaluation, {"verdict": "blessed", "auc": 0.75}),
            "serving_check": (serving_check, {"verdict": "passed"}),
        }
        return run_task("register_model", values, inputs, subprocess=subprocess)

    return run


def test_a_blessed_model_and_its_evidence(register: Callable[..., Any], model: Path, tracking_uri: str):
    client = MlflowClient(tracking_uri=tracking_uri)
    run_id = client.create_run(client.create_experiment("trained")).info.run_id
    done = register(tracking_run_id=run_id, tags={"team": "delays"}, subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"version": "1"}
    registered = client.get_model_version_by_alias(NAME, "challenger")
    assert str(registered.version) == "1"
    assert registered.source == str(model)
    assert registered.run_id == run_id
    expected = {
        "fingerprint": fingerprint(model),
        "blessing": "blessed",
        "baseline_version": "4",
        "baseline_fingerprint": "b" * 64,
        "data_fingerprint": "d" * 64,
        "data_span": "7",
        "source.uri": "delta:///flights?version=3",
        "source.version": "3",
        "metric.auc": "0.75",
        "serving_check": "passed",
        "check.TensorFlow Serving.start_seconds": "7.5",
        "check.TensorFlow Serving.v1.p99_ms": "12.5",
        "run": f"runs:/{run_id}",
        "team": "delays",
    }
    assert registered.tags == registered.tags | expected
    lineage = open_registry(NAME, tracking_uri).lineage("1")
    assert lineage.measured == {"TensorFlow Serving.start_seconds": "7.5", "TensorFlow Serving.v1.p99_ms": "12.5"}
    assert (lineage.run, lineage.serving_check, lineage.metrics) == (f"runs:/{run_id}", "passed", {"auc": "0.75"})


def test_the_same_bytes_keep_their_version(
    register: Callable[..., Any], model: Path, evaluation: Path, serving_check: Path, tracking_uri: str
):
    assert register().parameters == {"version": "1"}
    write(evaluation, model, baseline=None)
    assert register().parameters == {"version": "1"}
    assert open_registry(NAME, tracking_uri).version("1").tags["baseline_version"] == ""
    (model / "saved_model.pb").write_text("another model")
    write(evaluation, model)
    write_check(serving_check, model)
    assert register().parameters == {"version": "2"}
    assert open_registry(NAME, tracking_uri).aliases() == {"challenger": "2"}


def test_a_blessing_without_a_baseline(register: Callable[..., Any], model: Path, evaluation: Path, tracking_uri: str):
    write(evaluation, model, baseline=None, examples=None)
    assert register().code == 0
    assert open_registry(NAME, tracking_uri).version("1").tags["baseline_version"] == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "not_blessed"}, "not 'blessed'"),
        ({"verdict": True}, "not 'blessed'"),
        ({"model": {"fingerprint": "0" * 64}}, "blesses a model with other bytes"),
        ({"model": []}, "blesses a model with other bytes"),
        ({"thresholds": [{"passed": True}, {"passed": False}]}, "one of its thresholds has not passed"),
        ({"thresholds": [{"passed": True}, {"passed": 0}]}, "one of its thresholds has not passed"),
        ({"thresholds": [{"passed": None}]}, "nothing was measured"),
        ({"thresholds": [{"passed": None}], "rubber_stamp": "yes"}, "nothing was measured"),
        ({"thresholds": []}, "it has no thresholds"),
        ({"thresholds": None}, "it has no thresholds"),
    ],
)
def test_what_is_not_blessed_is_not_registered(
    register: Callable[..., Any], model: Path, evaluation: Path, tracking_uri: str, changes: dict[str, Any], message: str
):
    write(evaluation, model, **changes)
    done = register(subprocess=True)
    assert done.code == 1
    assert message in done.error
    assert len(done.error.splitlines()) == 1
    assert open_registry(NAME, tracking_uri).aliases() == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "failed"}, "not 'passed'"),
        ({"verdict": "blessed"}, "not 'passed'"),
        ({"model": {"fingerprint": "0" * 64}}, "for a model with other bytes"),
        ({"model": None}, "for a model with other bytes"),
    ],
)
def test_what_has_not_passed_the_check_is_not_registered(
    register: Callable[..., Any], model: Path, serving_check: Path, tracking_uri: str, changes: dict[str, Any], message: str
):
    write_check(serving_check, model, **changes)
    done = register()
    assert done.code == 1
    assert message in done.error
    assert open_registry(NAME, tracking_uri).version("1") is None


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"verdict": "blessed"}', '{"verdict": "failed", "verdict": "blessed"}'])
def test_blessings_that_are_none(register: Callable[..., Any], evaluation: Path, tracking_uri: str, content: str | None):
    (evaluation / "blessing.json").unlink()
    if content is not None:
        (evaluation / "blessing.json").write_text(content)
    assert register().code == 1
    assert open_registry(NAME, tracking_uri).aliases() == {}


def test_bytes_that_changed_after_the_blessing(register: Callable[..., Any], model: Path):
    (model / "more").write_text("")
    done = register()
    assert done.code == 1
    assert "blesses a model with other bytes" in done.error
