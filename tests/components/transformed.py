"""Small Examples and their TransformGraph, made by transform_examples: fixtures for the tests of what trains."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.components import protocol
from penstock.components.data.examples import SplitWriter

TFX_MODULE = (Path(__file__).parent / "train_model" / "tfx_module.py").read_text()
SCHEMA = """
feature { name: "distance" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""


@dataclass
class Transformed:
    """What transform_examples made, as train_model takes it."""

    inputs: dict[str, Any]

    @property
    def examples(self) -> Path:
        return self.inputs["examples"][0]


def _flights(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    distance = random.uniform(100, 3000, rows)
    return pa.table(
        {
            "distance": pa.array(distance, pa.float32()),
            "hour": random.integers(5, 24, rows),
            "carrier": random.choice(["AA", "B6", "UA"], rows),
            "late": (distance + random.normal(0, 300, rows) > 1500).astype("int64"),
        }
    )


def _transform(root: Path, output_format: str) -> Transformed:
    for split, rows, seed in (("train", 1000, 0), ("eval", 200, 1)):
        table = _flights(rows, seed)
        with SplitWriter(root / "raw", split, table.schema) as writer:
            writer.write(table)
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(SCHEMA)

    def artifacts(paths: dict[str, Path]) -> dict[str, Any]:
        return {name: {"artifacts": [{"name": name, "uri": str(path), "metadata": {}}]} for name, path in paths.items()}

    made = {name: root / name for name in ("transformed_examples", "transform_graph", "updated_analyzer_cache")}
    spec = {
        "inputs": {
            "parameterValues": {"module_file": TFX_MODULE, "output_format": output_format},
            "artifacts": artifacts({"examples": root / "raw", "schema": root / "schema"}),
        },
        "outputs": {"artifacts": artifacts(made), "outputFile": str(root / "output.json")},
    }
    with pytest.raises(SystemExit) as exit_:
        protocol.main("penstock.components.transform_examples", ["--executor_input", json.dumps(spec)])
    assert exit_.value.code == 0, exit_.value.code
    metadata = json.loads((root / "output.json").read_text())["artifacts"]["transformed_examples"]["artifacts"][0]["metadata"]
    return Transformed(
        {
            "examples": (made["transformed_examples"], metadata),
            "transform_graph": made["transform_graph"],
            "schema": root / "schema",
        }
    )


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Parquet: 1,000 rows to train on, 200 to evaluate on."""
    return _transform(tmp_path_factory.mktemp("parquet"), "parquet")


@pytest.fixture(scope="session")
def transformed_tfrecord(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """The same rows as gzip TFRecord."""
    return _transform(tmp_path_factory.mktemp("tfrecord"), "tfrecord")


@pytest.fixture(scope="session")
def tfx_module() -> str:
    """The source of `tfx_module.py`."""
    return TFX_MODULE
