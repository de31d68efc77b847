"""Quality beside the Evaluation that blessed the model, as evaluate_model writes it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from penstock.components.data.examples import SplitWriter

from .conftest import CANARY, EVAL_CONFIG, logged, rows

SCHEMA = "".join(
    f'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1 }} shape {{}} }}\n'
    for name, kind in (("distance", "FLOAT"), ("hour", "INT"), ("carrier", "BYTES"), ("is_late", "INT"))
)


class Late(tf.Module):
    """The model whose answers the log has."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="hour")])
    def answer(self, hour: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"output_0": tf.sigmoid((tf.cast(hour, tf.float32) - 14.0) / 4.0)[:, None]}


def labels(requests: list[dict[str, Any]], wrong: float) -> list[int]:
    """Labels that the hour tells, but for a share of the rows."""
    random = np.random.default_rng(5)
    return [int((row["hour"] > 14) != (random.random() < wrong)) for row in requests]


@pytest.fixture
def evaluation(run_task: Callable[..., Any], tmp_path: Path) -> Path:
    """The Evaluation that blesses the model: its AUC is about 0.9."""
    requests = rows(3_000, seed=4)
    table = pa.Table.from_pylist([row | {"is_late": late} for row, late in zip(requests, labels(requests, 0.1), strict=True)])
    with SplitWriter(tmp_path / "examples", "eval", table.schema) as writer:
        writer.write(table)
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_text(SCHEMA)
    model = Late()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures={"serving_default": model.answer})
    inputs = {name: tmp_path / name for name in ("examples", "model", "schema")}
    result = run_task("evaluate_model", {"eval_config": EVAL_CONFIG}, inputs)
    assert (result.code, result.parameters) == (0, {"verdict": "blessed"}), result.error
    return result.outputs["evaluation"]


@pytest.fixture
def measured(monitor: Callable[..., Any], evaluation: Path, write_log: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """Returns `run(wrong, evaluation, **parameters)`: the model is monitored where labels came of which a share is wrong."""
    blessed = json.loads((evaluation / "blessing.json").read_text())["model"]["fingerprint"]
    requests = rows(2_000)
    log = write_log(logged(requests, blessed))

    def run(wrong: float = 0.1, evaluation: Path = evaluation, **parameters: Any) -> Any:
        lines = [f"r{number},{late}\n" for number, late in enumerate(labels(requests, wrong))]
        (tmp_path / "labels.csv").write_text("id,is_late\n" + "".join(lines))
        given = {"eval_config": EVAL_CONFIG, "labels": str(tmp_path / "labels.csv")} | parameters
        return monitor(log, inputs={"evaluation": evaluation}, **given)

    return run


def test_a_model_is_compared_with_its_evaluation(measured):
    same = measured()
    assert same.code == 0, same.error
    assert (same.parameters, same.found["reasons"]) == ({"verdict": "ok"}, [])
    auc = same.found["quality"]["metrics"]["auc"]
    assert auc["evaluated"] == pytest.approx(auc["value"], abs=0.03)
    assert same.found["quality"]["slices"]["carrier=AA"]["auc"]["evaluated"] is not None
    worse = measured(wrong=0.25)
    assert worse.parameters == {"verdict": "degraded"}
    (reason,) = worse.found["reasons"]
    assert re.fullmatch(r"auc is 0\.7\d+ \(0\.7\d+ to 0\.\d+\), and was 0\.\d+ when the model was evaluated", reason)
    more = EVAL_CONFIG.replace('"AUC"', '"BinaryAccuracy"')
    other = measured(eval_config=more)
    assert other.parameters == {"verdict": "not_enough_data"}
    assert other.found["reasons"] == ["binary_accuracy is not in the evaluation; evaluate the model with this eval_config"]


def test_a_gain_that_is_asked_of_a_candidate_allows_no_loss(measured):
    """A candidate must gain 0.3 on its Baseline: that says nothing of how much a model may lose while it serves."""
    gain = "change_threshold { direction: HIGHER_IS_BETTER absolute { value: 0.3 } }"
    config = EVAL_CONFIG.replace("value_threshold { lower_bound { value: 0.6 } }", gain)
    assert measured(wrong=0.25, eval_config=config).parameters == {"verdict": "degraded"}


def test_an_evaluation_that_cannot_be_used(measured, evaluation, tmp_path):
    def damaged(name: str, change: Callable[[Path], Any]) -> Path:
        copy = tmp_path / f"damaged-{name}"
        shutil.copytree(evaluation, copy)
        change(copy)
        return copy

    def blessing(**fields: Any) -> Callable[[Path], Any]:
        content = json.loads((evaluation / "blessing.json").read_text()) | fields
        return lambda folder: (folder / "blessing.json").write_text(json.dumps(content))

    (metrics,) = evaluation.glob("metrics*.tfrecord")
    half = metrics.read_bytes()[:-9]
    for place, parameters, expected in (
        (tmp_path / "gone", {}, "does not exist, because its task did not write it"),
        (damaged("a", lambda folder: (folder / "blessing.json").unlink()), {}, "the blessing cannot be read at"),
        (damaged("b", lambda folder: (folder / "blessing.json").write_text("{")), {}, "evaluate the model again"),
        (
            damaged("c", blessing(verdict="not_blessed")),
            {},
            "says 'not_blessed', not 'blessed'; give the Evaluation that blessed the model",
        ),
        (damaged("d", blessing(model=None)), {}, "does not say of which model it is; evaluate the model again"),
        (damaged("e", lambda folder: (folder / metrics.name).unlink()), {}, "has no metrics of all rows; evaluate the model again"),
        (damaged("f", lambda folder: (folder / metrics.name).write_bytes(half)), {}, "cannot be read (DataLossError: "),
        (evaluation, {"fingerprint": CANARY}, f"and fingerprint is '{CANARY[:12]}'; give the Evaluation of the model that is monitored"),
    ):
        result = measured(evaluation=place, **parameters)
        assert result.code == 1, place
        assert expected in result.error
        assert "\n" not in result.error
        assert not result.outputs["monitoring"].exists()
