"""Which version the rows have that a model was evaluated on: from ingest_examples to the registry's tags."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from mlflow.tracking import MlflowClient

from penstock.components.protocol import fingerprint

from ..ingest_examples.lakefs_repository import Repository, environment

EVAL_CONFIG = """
model_specs { label_key: "is_late" }
slicing_specs {}
metrics_specs { metrics { class_name: "AUC" threshold { value_threshold { lower_bound { value: 0.5 } } } } }
"""


@contextmanager
def delta_table(rows: pa.Table, folder: Path, _: pytest.MonkeyPatch) -> Iterator[str]:
    """Gives the URI of a table of deltalake's."""
    write_deltalake(folder / "table", rows)
    yield str(folder / "table")


@contextmanager
def lakefs_files(rows: pa.Table, _: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Gives the URI of a branch with the rows in a file."""
    with environment() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        file = io.BytesIO()
        pq.write_table(rows, file)
        repository = Repository.make()
        repository.write("flights/all.parquet", file.getvalue())
        repository.commit()
        yield repository.uri("main")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "names"),
    [
        (delta_table, {"format", "uri", "table_id", "version", "committed"}),
        (lakefs_files, {"format", "uri", "repository", "commit", "committed"}),
    ],
    ids=["delta", "lakefs"],
)
def test_the_version_of_the_rows_is_in_the_registry(
    source: Callable[..., Any],
    names: set[str],
    run_task: Callable[..., Any],
    models: Callable[..., Path],
    schema: Path,
    no_baseline: Path,
    flights: Callable[..., pa.Table],
    tracking_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with source(flights(400), tmp_path, monkeypatch) as uri:
        ingested = run_task("ingest_examples", {"input_uri": uri, "splits": {"eval": 1}})
    assert ingested.code == 0, ingested.error
    known = ingested.metadata["examples"]["source"]
    assert set(known) == names

    model = models()
    inputs = {"examples": (ingested.outputs["examples"], ingested.metadata["examples"]), "model": model}
    evaluated = run_task("evaluate_model", {"eval_config": EVAL_CONFIG}, inputs | {"baseline": no_baseline, "schema": schema})
    assert evaluated.code == 0, evaluated.error
    evaluation = evaluated.outputs["evaluation"]
    assert json.loads((evaluation / "blessing.json").read_text())["examples"]["source"] == known
    page = evaluated.outputs["report"].read_text()
    assert [name for name, value in known.items() if f"{name.replace('_', ' ')} <code>{value}</code>" not in page] == []

    check = tmp_path / "check"
    check.mkdir()
    (check / "check.json").write_text(json.dumps({"verdict": "passed", "model": {"fingerprint": fingerprint(model)}, "servers": []}))
    inputs = {"model": model, "evaluation": (evaluation, evaluated.metadata["evaluation"]), "serving_check": check}
    registered = run_task("register_model", {"model_name": "flights", "tracking_uri": tracking_uri}, inputs)
    assert registered.code == 0, registered.error
    tags = MlflowClient(tracking_uri=tracking_uri).get_model_version("flights", registered.parameters["version"]).tags
    assert {name: value for name, value in tags.items() if name.startswith("source.")} == {
        f"source.{name}": str(value) for name, value in known.items()
    }
