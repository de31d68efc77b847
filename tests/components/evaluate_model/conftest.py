"""Examples of flights, and SavedModels to evaluate on them: real ones, with both kinds of signature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from penstock.components.data.examples import SplitWriter

SCHEMA = """
feature { name: "distance" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "hour" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape {} }
feature { name: "month" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "is_late" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "weight" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "grade" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "delay" type: FLOAT presence { min_fraction: 1 } shape {} }
"""
EXAMPLE_SPEC = {
    "distance": tf.io.FixedLenFeature([], tf.float32),
    "hour": tf.io.FixedLenFeature([], tf.int64),
    "carrier": tf.io.FixedLenFeature([], tf.string, ""),
}


def _flights(rows: int, seed: int = 0) -> pa.Table:
    """Makes rows with a binary label, a class label, a number to predict, and weights; "ZZ" is a carrier of one class."""
    random = np.random.default_rng(seed)
    distance = np.round(random.uniform(0.1, 2.5, rows), 1).astype(np.float32)  # rounded, so that predictions tie
    hour = random.integers(5, 23, rows)
    carrier = random.choice(["AA", "B6", "UA"], rows).astype(object)
    carrier[:3] = "ZZ"
    chance = 1 / (1 + np.exp(-(hour - 14) / 4 - distance / 2 + 0.5))
    late = (random.random(rows) < chance).astype(np.int64)
    late[:3] = 1
    return pa.table(
        {
            "distance": distance,
            "hour": hour,
            "carrier": pa.array(list(carrier)),
            "month": random.integers(10, 12, rows),
            "is_late": late,
            "weight": random.integers(0, 8, rows).astype(np.float32) / 4,
            "grade": np.clip(hour // 6 - 1 + random.integers(-1, 2, rows), 0, 2),
            "delay": (hour * 2 + random.integers(-8, 8, rows) / 4).astype(np.float32),
        }
    )


class Model(tf.Module):
    """A model of a kind: `binary`, `classes`, `regression`, `two` outputs, `named` with a text beside its answer, or `mixing` its rows in one."""

    def __init__(self, kind: str, slope: float) -> None:
        super().__init__()
        self.kind = kind
        self.slope = tf.Variable(slope)

    def answers(self, distance: tf.Tensor, hour: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.kind == "named":
            probability = self.answer("binary", distance, hour)
            return {"probability": probability, "answer": tf.where(probability[:, 0] > 0.5, "late", "on time")}
        if self.kind == "mixing":
            return {"probability": self.answer("binary", distance, hour), "share": tf.nn.softmax(distance, axis=0)}
        if self.kind != "two":
            return {"output_0": self.answer(self.kind, distance, hour)}
        return {"late": self.answer("binary", distance, hour), "minutes": self.answer("regression", distance, hour)}

    def answer(self, kind: str, distance: tf.Tensor, hour: tf.Tensor) -> tf.Tensor:
        # 0.51 keeps every probability of these rows away from the thresholds of the metrics: TensorFlow rounds by the size of a batch.
        score = self.slope * (tf.cast(hour, tf.float32) - 14.0) / 4.0 + distance / 2.0 - 0.51
        if kind == "binary":
            return tf.sigmoid(score)[:, None]
        if kind == "classes":
            return tf.nn.softmax(tf.stack([-score, 0.3 * tf.ones_like(score), score], axis=1))
        return (28.0 + 8.0 * score)[:, None]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="distance"),
            tf.TensorSpec([None], tf.int64, name="hour"),
            tf.TensorSpec([None], tf.string, name="carrier"),
        ]
    )
    def raw(self, distance: tf.Tensor, hour: tf.Tensor, carrier: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.answers(distance, hour)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def parsed(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(examples, EXAMPLE_SPEC)
        return self.answers(features["distance"], features["hour"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """As TFX's modules export it: labels and features as the model was trained on."""
        features = tf.io.parse_example(examples, EXAMPLE_SPEC | {"is_late": tf.io.FixedLenFeature([], tf.int64)})
        half = tf.where(features["hour"] < 14, "morning", "evening")
        return {"on_time_xf": 1 - features["is_late"][:, None], "weight": features["distance"], "half": half}


def save(
    path: Path, kind: str = "binary", slope: float = 1.0, signatures: tuple[str, ...] = ("serving_default", "serving_examples")
) -> Path:
    """Saves a model: `serving_default` takes raw features, `serving_examples` and TFX's `tfx` (as serving_default) tf.Examples."""
    model = Model(kind, slope)
    known = {"serving_default": model.raw, "serving_examples": model.parsed, "transform_features": model.transform_features}
    chosen: dict[str, Any] = {name: known[name] for name in signatures if name in known} or {"serving_default": model.parsed}
    tf.saved_model.save(model, str(path), signatures=chosen)
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns `models(kind, slope, signatures)`: the path of a SavedModel, made once."""
    made: dict[Any, Path] = {}
    root = tmp_path_factory.mktemp("models")

    def get(kind: str = "binary", slope: float = 1.0, signatures: tuple[str, ...] = ("serving_default", "serving_examples")) -> Path:
        key = (kind, slope, signatures)
        if key not in made:
            made[key] = save(root / str(len(made)), kind, slope, signatures)
        return made[key]

    return get


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Schema artifact of the flights."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    return folder


@pytest.fixture
def write_examples(tmp_path: Path) -> Callable[[pa.Table], Path]:
    """Returns `write(table)`: Examples whose Split `eval` holds the table."""

    def write(table: pa.Table, split: str = "eval") -> Path:
        folder = tmp_path / f"examples-{len(list(tmp_path.iterdir()))}"
        with SplitWriter(folder, split, table.schema) as writer:
            writer.write(table)
        return folder

    return write


@pytest.fixture(scope="session")
def no_baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What resolve_baseline writes where there is no Baseline."""
    folder = tmp_path_factory.mktemp("no_baseline")
    (folder / "NO_BASELINE.txt").write_text("the registry has no champion\n")
    return folder


@pytest.fixture(scope="session")
def flights() -> Callable[..., pa.Table]:
    """Returns `flights(rows, seed=0)`."""
    return _flights
