"""register_model, with a real registry."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from penstock.components.runtime import fingerprint
from penstock.components.runtime.registry import Registry

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
        "model": {"fingerprint": fingerprint(model)},
        "baseline": {"fingerprint": "b" * 64, "version": "4"},
        "examples": {"fingerprint": "d" * 64, "span": 7},
    }
    (evaluation / "blessing.json").write_text(json.dumps(blessing | changes))


@pytest.fixture
def register(run_task: Callable[..., Any], model: Path, evaluation: Path, tracking_uri: str) -> Callable[..., Any]:
    def run(subprocess: bool = False, **parameters: Any) -> Any:
        values = {"model_name": NAME, "tracking_uri": tracking_uri} | parameters
        return run_task(
            "register_model",
            values,
            {"model": model, "evaluation": (evaluation, {"verdict": "blessed", "auc": 0.75})},
            subprocess=subprocess,
        )

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
        "metric.auc": "0.75",
        "run": f"runs:/{run_id}",
        "team": "delays",
    }
    assert registered.tags == registered.tags | expected


def test_the_same_bytes_keep_their_version(register: Callable[..., Any], model: Path, evaluation: Path, tracking_uri: str):
    assert register().parameters == {"version": "1"}
    write(evaluation, model, baseline=None)
    assert register().parameters == {"version": "1"}
    assert Registry(NAME, tracking_uri).version("1").tags["baseline_version"] == ""
    (model / "saved_model.pb").write_text("another model")
    write(evaluation, model)
    assert register().parameters == {"version": "2"}
    assert Registry(NAME, tracking_uri).aliases() == {"challenger": "2"}


def test_a_blessing_without_a_baseline(register: Callable[..., Any], model: Path, evaluation: Path, tracking_uri: str):
    write(evaluation, model, baseline=None, examples=None)
    assert register().code == 0
    assert Registry(NAME, tracking_uri).version("1").tags["baseline_version"] == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "not_blessed"}, "not 'blessed'"),
        ({"verdict": True}, "not 'blessed'"),
        ({"model": {"fingerprint": "0" * 64}}, "blesses other bytes"),
        ({"model": []}, "blesses other bytes"),
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
    assert Registry(NAME, tracking_uri).aliases() == {}


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"verdict": "blessed"}'])
def test_blessings_that_are_none(register: Callable[..., Any], evaluation: Path, tracking_uri: str, content: str | None):
    (evaluation / "blessing.json").unlink()
    if content is not None:
        (evaluation / "blessing.json").write_text(content)
    assert register().code == 1
    assert Registry(NAME, tracking_uri).aliases() == {}


def test_bytes_that_changed_after_the_blessing(register: Callable[..., Any], model: Path):
    (model / "more").write_text("")
    done = register()
    assert done.code == 1
    assert "blesses other bytes" in done.error


def test_promotion_keeps_the_former_champion(tracking_uri: str):
    registry = Registry(NAME, tracking_uri)
    first, second = (registry.register(digit * 64, "anywhere", {}) for digit in "12")
    for version, aliases in [
        (first, {"champion": "1"}),
        (second, {"champion": "2", "previous": "1"}),
        (second, {"champion": "2", "previous": "1"}),
        (first, {"champion": "1", "previous": "2"}),
    ]:
        registry.promote(version, "champion", "previous")
        assert registry.aliases() == aliases
