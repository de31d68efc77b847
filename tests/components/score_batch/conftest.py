"""A table in three parts, a model whose two signatures differ where a text is missing, and the Evaluation that blesses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from penstock.components.evidence.scores import Scores, write_scores
from penstock.components.protocol import fingerprint

NAME = "score_batch"
PART_ROWS, PARTS, EVALUATED = 300, 3, 5000
SCHEMA = """
feature { name: "id" type: INT }
feature { name: "distance" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "carrier" type: BYTES }
feature { name: "origin" type: BYTES not_in_environment: "SERVING" }
"""


class Model(tf.Module):
    """Answers a probability and two numbers; a distance below 0 gives NaN, and one above 1000 fails the whole batch."""

    def answers(self, distance: tf.Tensor, has_carrier: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.assert_less(distance, 1000.0, message="too far")]):
            score = tf.math.log(distance) + tf.where(has_carrier, 0.0, 1.0)
        return {"probability": tf.sigmoid(score)[:, None], "pair": tf.stack([score, -score], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="carrier"), tf.TensorSpec([None], tf.float32, name="distance")])
    def raw(self, carrier: tf.Tensor, distance: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.answers(distance, tf.ones_like(carrier, tf.bool))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def parsed(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"distance": tf.io.FixedLenFeature([], tf.float32), "carrier": tf.io.VarLenFeature(tf.string)}
        features = tf.io.parse_example(examples, spec)
        counts = tf.math.unsorted_segment_sum(
            tf.ones_like(features["carrier"].indices[:, 0]), features["carrier"].indices[:, 0], tf.size(features["distance"])
        )
        return self.answers(features["distance"], counts > 0)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SavedModel."""
    path, module = tmp_path_factory.mktemp("model") / "model", Model()
    tf.saved_model.save(module, str(path), {"serving_default": module.raw, "serving_examples": module.parsed})
    return path


def write_evaluation(folder: Path, model: Path, verdict: str = "blessed") -> Path:
    """Writes what evaluate_model says of a model."""
    folder.mkdir(parents=True)
    blessing = {
        "verdict": verdict,
        "reasons": [],
        "model": {"fingerprint": fingerprint(model)},
        "thresholds": [{"metric": "auc", "passed": verdict == "blessed"}],
    }
    (folder / "blessing.json").write_text(json.dumps(blessing))
    scores = Scores()
    scores.add({"probability": np.linspace(0.1, 0.9, EVALUATED)})
    write_scores(scores, folder)
    return folder


@pytest.fixture(scope="session")
def evaluation(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Evaluation."""
    return write_evaluation(tmp_path_factory.mktemp("evaluation") / "evaluation", model)


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Schema."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    return folder


def rows(start: int = 0, count: int = PART_ROWS) -> dict[str, list[Any]]:
    """Makes rows; every fifth has no carrier."""
    numbers = range(start, start + count)
    return {
        "id": list(numbers),
        "distance": [0.1 + number % 17 / 4 for number in numbers],
        "carrier": [None if number % 5 == 0 else "AA" for number in numbers],
        "origin": [("JFK", "EWR", "LGA/x")[number % 3] for number in numbers],
    }


def table(columns: dict[str, list[Any]]) -> pa.Table:
    """Makes a table of Examples."""
    kinds = {"id": pa.int64(), "distance": pa.float32()}
    return pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()})


def write_part(folder: Path, number: int, part: pa.Table) -> Path:
    """Writes a part of the Split `all`."""
    path = folder / "Split-all" / f"part-{number:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(part, path)
    return path


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """The table."""
    for number in range(PARTS):
        write_part(tmp_path / "examples", number, table(rows(number * PART_ROWS)))
    return tmp_path / "examples"


@pytest.fixture
def score(run_task: Callable[..., Any], examples: Path, schema: Path, model: Path, evaluation: Path) -> Callable[..., Any]:
    """Returns `score(inputs, **parameters)`."""

    def run(inputs: dict[str, Any] | None = None, *, subprocess: bool = False, **parameters: Any) -> Any:
        given = {"examples": examples, "schema": schema, "model": model, "evaluation": evaluation} | (inputs or {})
        given = {name: path for name, path in given.items() if path is not None}
        return run_task(NAME, {"key_columns": ["id"]} | parameters, given, subprocess=subprocess)

    return run


@pytest.fixture
def fail(score: Callable[..., Any]) -> Callable[..., str]:
    """Runs the task and expects one clear line and no artifact; returns the line."""

    def run(inputs: dict[str, Any] | None = None, **parameters: Any) -> str:
        result = score(inputs, **parameters)
        assert result.code == 1
        assert result.error.startswith("error: ")
        assert "\n" not in result.error
        assert [path for path in result.executor_output.parent.rglob("*") if path.is_file()] == []
        return str(result.error)

    return run
