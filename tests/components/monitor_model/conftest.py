"""A reference of numbers and categories, and logs of a model that was trained on it, in each form that a log has."""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.components.data.examples import SplitWriter

NAME = "monitor_model"
START = datetime(2026, 11, 21, tzinfo=timezone.utc)
WINDOW = {"window_start": "2026-11-21T00:00:00Z", "window_end": "2026-11-22T00:00:00Z"}
FINGERPRINT, CANARY = "9d1d" * 16, "ca7a" * 16
EVAL_CONFIG = """
model_specs { label_key: "is_late" }
slicing_specs {}
slicing_specs { feature_keys: ["carrier"] }
metrics_specs {
  metrics { class_name: "AUC" threshold { value_threshold { lower_bound { value: 0.6 } } } }
  metrics { class_name: "ExampleCount" }
}
"""


def rows(count: int, seed: int = 0, shift: float = 0.0) -> list[dict[str, Any]]:
    """Makes requests: a number that may be shifted by standard deviations, a whole number, a category."""
    random = np.random.default_rng(seed)
    values = (
        random.normal(100 + 10 * shift, 10, count),
        random.integers(5, 23, count),
        random.choice(["AA", "B6", "UA"], count, p=[0.5, 0.3, 0.2]),
    )
    return [{"distance": float(d), "hour": int(h), "carrier": str(c)} for d, h, c in zip(*values, strict=True)]


def score(row: dict[str, Any]) -> float:
    """Returns what the model answers."""
    return float(1 / (1 + np.exp(-(row["hour"] - 14) / 4)))


def logged(
    requests: Iterable[dict[str, Any]], fingerprint: str | None = FINGERPRINT, start: datetime = START, **more: Any
) -> list[dict[str, Any]]:
    """Makes lines of Penstock's prediction log, a second apart."""
    return [
        {
            "id": f"r{number}",
            "time": (start + timedelta(seconds=number % 80_000)).isoformat(timespec="milliseconds"),
            "model_name": "flights",
            "version": "3",
            "fingerprint": fingerprint,
            "instance": row,
            "prediction": [score(row)],
        }
        | more
        for number, row in enumerate(requests)
    ]


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    """Returns `write(lines, name="...")`, which adds a file to the prediction log and returns its folder."""

    def write(lines: list[dict[str, Any]], name: str = "235959-vm-1-0.jsonl") -> Path:
        folder = tmp_path / "log" / "flights" / "2026-11-21"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        return tmp_path / "log"

    return write


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples that the model was trained on, with the label that no request has."""
    return write_examples(tmp_path_factory.mktemp("reference") / "examples", rows(20_000, seed=1))


def write_examples(folder: Path, requests: list[dict[str, Any]]) -> Path:
    """Writes Examples."""
    table = pa.Table.from_pylist([row | {"is_late": int(row["hour"] > 14)} for row in requests])
    with SplitWriter(folder, "train", table.schema) as writer:
        writer.write(table)
    return folder


@pytest.fixture
def monitor(run_task: Callable[..., Any], reference: Path) -> Callable[..., Any]:
    """Returns `run(log, **parameters)`, which monitors the window, and `monitoring.json` beside the result."""

    def run(log: Path | str, *, inputs: dict[str, Any] | None = None, **parameters: Any) -> Any:
        given = WINDOW | {"logs": str(log), "reference_uri": str(reference)} | parameters
        result = run_task(NAME, given, inputs or {})
        place = result.outputs["monitoring"] / "monitoring.json"
        result.found = json.loads(place.read_text()) if result.code == 0 else {}
        return result

    return run


def kserve_records(requests: list[dict[str, Any]], each: int = 10) -> list[dict[str, Any]]:
    """Makes the records of KServe's inference logger: a request and an answer of some rows each."""
    records = []
    for number in range(0, len(requests), each):
        part = requests[number : number + each]
        bodies = {"request": {"instances": part}, "response": {"predictions": [[score(row)] for row in part]}}
        for kind, body in bodies.items():
            records.append(
                {
                    "url": {"Scheme": "s3", "Host": "logs"},
                    "bytes": base64.b64encode(json.dumps(body).encode()).decode(),
                    "contentType": "application/json",
                    "reqType": f"org.kubeflow.serving.inference.{kind}",
                    "id": f"0b1c-{number}",
                    "inferenceService": "flights",
                    "namespace": "default",
                    "component": "predictor",
                    "occurrenceTime": (START + timedelta(seconds=number)).isoformat().replace("+00:00", ".123456789Z"),
                }
            )
    return records


@pytest.fixture
def skew(tmp_path):
    """Returns `write(stale)`, which writes the artifact of so many stale values of a thousand, by feature."""

    def write(stale, **more):
        features = {
            name: {"rows": 1_000, "different": count, "share": count / 1_000, "wrong": 0, "missing": 0, "stale": count, "examples": []}
            for name, count in stale.items()
        }
        window = {"start": WINDOW["window_start"].replace("Z", "+00:00"), "end": WINDOW["window_end"].replace("Z", "+00:00")}
        content = {
            "schema": 1,
            "model_name": "",
            "fingerprint": "",
            "keys": ["tail", "hour"],
            "window": window,
            "compared": 1_000,
            "features": features,
            "unknown": [],
        }
        (tmp_path / "skew").mkdir()
        (tmp_path / "skew" / "feature_skew.json").write_text(json.dumps(content | more))
        return {"feature_skew": tmp_path / "skew"}

    return write
