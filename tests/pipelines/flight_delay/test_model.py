"""The flights' modules through transform_examples and train_model: a model that answers raw flights, the same both ways."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from penstock.components import data, protocol
from penstock.components.data.examples import SplitWriter
from penstock.pipelines import flight_delay

FLIGHTS = Path(__file__).parents[3] / "data" / "flights"
PARAMETERS = flight_delay.parameters()
MAY_BE_MISSING = ["aircraft_age", "aircraft_seats", "temperature", "wind_direction", "wind_gust", "pressure", "visibility"]


def run(name: str, parameters: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Runs a task in this process."""

    def artifacts(paths: dict[str, Path]) -> dict[str, Any]:
        return {key: {"artifacts": [{"name": key, "uri": str(path), "metadata": {}}]} for key, path in paths.items()}

    spec = {"inputs": {"parameterValues": parameters, "artifacts": artifacts(inputs)}, "outputs": {"artifacts": artifacts(outputs)}}
    with pytest.raises(SystemExit) as exit_:
        protocol.main(f"penstock.components.{name}", ["--executor_input", json.dumps(spec)])
    assert exit_.value.code == 0, exit_.value.code


def sample(month: int) -> pa.Table:
    assert FLIGHTS.is_dir(), "type `make data/flights` first"
    table = pq.read_table(FLIGHTS / f"2013-{month:02d}.parquet").drop_columns(PARAMETERS["exclude_columns"])
    return table.take(np.arange(0, table.num_rows, 8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of an eighth of September's flights, loaded without this package."""
    root = tmp_path_factory.mktemp("flights")
    for split, month in (("train", 9), ("eval", 10)):
        table = sample(month)
        with SplitWriter(root / "examples", split, table.schema) as writer:
            writer.write(table)
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(data.read_text(PARAMETERS["schema_file"], "schema_file"))
    transformed = {name: root / name for name in ("transformed_examples", "transform_graph", "updated_analyzer_cache")}
    inputs = {"examples": root / "examples", "schema": root / "schema"}
    run("transform_examples", {"module_file": PARAMETERS["preprocessing_module"]}, inputs, transformed)
    parameters = {
        "module_file": PARAMETERS["trainer_module"],
        "tracking_uri": f"sqlite:///{root}/mlflow.db",
        "hyperparameters": {"epochs": 1},
        "seed": 1,
    }
    inputs = {"examples": transformed["transformed_examples"], "transform_graph": transformed["transform_graph"], "schema": root / "schema"}
    run("train_model", parameters, inputs, {name: root / name for name in ("model", "training_logs", "metrics")})
    return tf.saved_model.load(str(root / "model"))


def by_name(model: Any, rows: pa.Table) -> np.ndarray:
    signature = model.signatures["serving_default"]
    wanted = signature.structured_input_signature[1]
    return signature(**{name: tf.constant(rows[name].to_pandas().to_numpy()) for name in wanted})["probabilities"].numpy()


def by_example(model: Any, rows: pa.Table) -> np.ndarray:
    """Asks with serialized tf.Examples, in which missing numbers are absent."""
    serialized = []
    for row in rows.to_pylist():
        example = tf.train.Example()
        for name, value in row.items():
            feature = example.features.feature[name]
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif isinstance(value, int):
                feature.int64_list.value.append(value)
            elif value is not None:
                feature.float_list.value.append(value)
        serialized.append(example.SerializeToString())
    return model.signatures["serving_examples"](examples=tf.constant(serialized))["probabilities"].numpy()


def test_both_signatures_give_the_same_probabilities(model):
    rows = sample(11).slice(0, 300)
    probabilities = by_name(model, rows)
    assert probabilities.shape == (300, 1)
    assert probabilities.dtype == np.float32
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.ptp(probabilities) > 0.01
    np.testing.assert_allclose(by_example(model, rows), probabilities, atol=1e-6)


def test_the_label_is_not_asked_for(model):
    wanted = model.signatures["serving_default"].structured_input_signature[1]
    assert set(wanted) == set(sample(11).column_names) - {"is_late"}
    assert all(spec.shape.as_list() == [None] for spec in wanted.values())


def test_missing_numbers_and_unknown_categories_get_an_answer(model):
    flight = sample(11).slice(0, 1).to_pylist()[0]
    flight |= dict.fromkeys(MAY_BE_MISSING) | {"carrier": "ZZ", "destination": "ZZZ"}
    rows = pa.Table.from_pylist([flight], schema=sample(11).schema)
    answer = by_name(model, rows)
    assert math.isfinite(answer[0, 0])
    np.testing.assert_allclose(by_example(model, rows), answer, atol=1e-6)


def test_the_same_flight_alone_or_among_others(model):
    rows = sample(11).slice(0, 20)
    together = by_name(model, rows)
    np.testing.assert_allclose(np.concatenate([by_name(model, rows.slice(i, 1)) for i in range(20)]), together, atol=1e-6)
