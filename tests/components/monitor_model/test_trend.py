"""Earlier windows, and whether the model that served before is better on the same labeled rows."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest
import tensorflow as tf

from .conftest import EVAL_CONFIG, FINGERPRINT, START, logged, rows, score


@pytest.fixture
def labeled(monitor, write_log, tmp_path):
    """Returns `run(predecessor)`, which monitors a model whose answers do not fit the labels."""

    def run(predecessor: Path):
        requests = rows(2_000)
        return monitor(
            write_log(logged(requests)),
            eval_config=EVAL_CONFIG,
            labels=str(write_labels(tmp_path, requests)),
            label_column="is_late",
            inputs={"predecessor": predecessor},
        )

    return run


def test_earlier_windows_have_verdicts_of_their_own(monitor, write_log):
    for days, shift in ((0, 1.0), (1, 1.0), (2, 0.0)):
        lines = logged(rows(2_000, seed=days, shift=shift), start=START - timedelta(days=days))
        write_log(lines, name=f"235959-vm-1-{days}.jsonl")
    log = write_log([], name="235959-vm-1-9.jsonl")
    result = monitor(log, trend_windows=3)
    assert result.parameters == {"verdict": "drifted"}, result.error
    assert [(one["verdict"], one["rows"]) for one in result.found["trend"]] == [("drifted", 2_000), ("ok", 2_000), ("no_data", 0)]
    assert result.found["trend"][0]["window"]["end"] == "2026-11-21T00:00:00+00:00"
    assert result.found["rows"] == 2_000
    assert "Earlier windows" in result.outputs["report"].read_text()


def test_too_many_windows(monitor, write_log):
    assert monitor(write_log(logged(rows(10))), trend_windows=101).error == "error: trend_windows is 101; give 0 to 100"


@pytest.mark.parametrize(
    ("sign", "better", "reason"), [(1, True, ""), (-1, False, "no metric of the predecessor is better by more than chance")]
)
def test_a_predecessor_on_the_same_rows(labeled, tmp_path, sign, better, reason):
    result = labeled(write_model(tmp_path / "predecessor", sign))
    assert result.parameters == {"verdict": "degraded"}, result.error
    found = result.found["predecessor"]
    assert (found["better"], found["reason"]) == (better, reason)
    assert found["metrics"]["auc"] == {"serving": pytest.approx(0, abs=1e-3), "predecessor": pytest.approx(float(better), abs=1e-3)}


def test_without_a_predecessor(labeled, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "NO_BASELINE.txt").write_text("none")
    result = labeled(tmp_path / "none")
    assert result.found["predecessor"]["reason"] == "there is no predecessor"
    assert result.found["fingerprint"] == FINGERPRINT


def write_labels(folder: Path, requests: list[dict]) -> Path:
    """Writes labels that the model that serves has the wrong way round."""
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "is_late"), *((f"r{number}", int(score(row) < 0.5)) for number, row in enumerate(requests))])
    return folder / "labels.csv"


def write_model(folder: Path, sign: int) -> Path:
    """Saves a model whose answers fall with the hour, or rise with it as those of the model that serves do."""
    module = tf.Module()
    kinds = {"distance": tf.float32, "hour": tf.int64, "carrier": tf.string}

    @tf.function(input_signature=[tf.TensorSpec([None], kind, name) for name, kind in kinds.items()])
    def serve(distance, hour, carrier):
        return {"prediction": tf.sigmoid(-sign * (tf.cast(hour, tf.float32) - 14.0) / 4.0)}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    return folder
