"""The same file, the same parameters, the same artifacts: here, through Kubeflow's API and through Vertex AI's."""

from pathlib import Path

import pytest

from .table import Row, rows
from .ways import WAYS, Outputs, release, tuned

RELEASED = {"ingest-examples", "validate-examples", "transform-examples", "train-model", "evaluate-model", "push-model"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outputs]:
    """What each way gave back."""
    folder: Path = tmp_path_factory.mktemp("identity")
    return {name: way(folder / name, release) for name, way in WAYS.items()}


@pytest.mark.slow
def test_every_way_releases_the_model(found: dict[str, Outputs]) -> None:
    for outputs in found.values():
        assert outputs.keys() >= RELEASED
        assert outputs["evaluate-model"]["verdict"] == "blessed"
        assert outputs["push-model"]["outcome"] == "pushed"


@pytest.mark.slow
def test_every_way_starts_the_same_training(found: dict[str, Outputs]) -> None:
    for outputs in found.values():
        assert outputs["monitoring/choose-response"]["response"] == "retrain"
        assert outputs["monitoring/trigger-training"]["outcome"] == "triggered"


@pytest.mark.slow
def test_every_way_scores_every_row(found: dict[str, Outputs]) -> None:
    for outputs in found.values():
        assert (outputs["batch-scoring/score-batch"]["rows"], outputs["batch-scoring/score-batch"]["errors"]) == (3000, 0)


@pytest.mark.slow
def test_what_comes_back_is_equal(found: dict[str, Outputs]) -> None:
    assert [row for row in rows(found) if not row.good] == []


@pytest.mark.slow
def test_the_model_is_the_same_bytes(found: dict[str, Outputs]) -> None:
    assert len({outputs["train-model"]["model"] for outputs in found.values()}) == 1


@pytest.mark.slow
def test_every_way_searches_and_trains_with_the_best(tmp_path: Path) -> None:
    found = {name: way(tmp_path / name, tuned) for name, way in WAYS.items()}
    for outputs in found.values():
        assert len([task for task in outputs if task.endswith("tune-model")]) == 2
        assert outputs["choose-hyperparameters"]["chosen"]["values"] == {"rate": 0.5}
        assert outputs["push-model"]["outcome"] == "pushed"
    assert [row for row in rows(found) if not row.good] == []
    assert len({outputs["train-model"]["model"] for outputs in found.values()}) == 1


def test_a_difference_is_seen() -> None:
    there = {"train-model": {"model": "a" * 64, "url": "x"}}
    other = {"train-model": {"model": "b" * 64, "url": "y"}}
    assert list(rows({"one": there, "other": other})) == [Row("train-model", "model", {"one": "a" * 64, "other": "b" * 64})]
    assert not next(rows({"one": there, "other": other})).good
    assert not next(rows({"one": there, "other": {}})).good
