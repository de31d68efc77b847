"""The commands of docs/vertex.md, typed in its order, with a small pipeline in the place of the example."""

import re
from pathlib import Path

import pytest
from kfp import dsl

from penstock.remote.settings import VertexSettings
from penstock.remote.vertex import VertexTarget

from ....doubles.vertex.double import VertexDouble
from ...pipelines import compiled
from ..pages import EXAMPLE, Page, dry_run_of_the_example, train_model

# The commands for images ask an engine and a registry.
PAGE = Page("vertex.md", "images", "compile")


@dsl.pipeline(name="flight-delay-training")
def flights(input_uri: str, destination: str, registry_uri: str, accelerator_type: str = "", accelerator_count: str = ""):
    train_model(input_uri=input_uri).set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)


@pytest.fixture
def folder(vertex: VertexDouble, tmp_path: Path) -> Path:
    """A person's folder, as the page says."""
    vertex.artifacts.folders = {"gs://my-project-artifacts": tmp_path / "bucket"}
    target = 'target = "vertex"\n'
    PAGE.write_files(tmp_path, {target: f'{target}api_endpoint = "{vertex.api_endpoint}"\n'})
    (tmp_path / "compiled").mkdir()
    compiled(flights, tmp_path).rename(tmp_path / EXAMPLE)
    return tmp_path


def test_every_command_of_the_page_does_what_it_says(vertex: VertexDouble, folder: Path) -> None:
    target = VertexTarget(VertexSettings(project=vertex.project, location=vertex.location, api_endpoint=vertex.api_endpoint))
    output = PAGE.type_all(folder, target)
    submitted = f"submit {EXAMPLE} --target vertex --params vertex.yaml"
    assert "NVIDIA_L4" in output[f"{submitted} --param accelerator_type=l4 --dry-run"]
    assert "accelerator:" not in output[f"{submitted} --dry-run"]
    assert re.search(r"^train-model +done", output[f"{submitted} --wait"], re.MULTILINE)
    assert "trains on gs://my-project-data/flights/*.parquet" in output["runs logs RUN train-model --target vertex"]
    assert [run.state for run in target.runs()] == ["done", "done"]
    assert len(vertex.runs_of("flights")) == 2
    assert list(target.schedules()) == []


def test_the_example_suits_vertex_as_it_was_compiled(folder: Path) -> None:
    sent = dry_run_of_the_example(folder, "--target", "vertex", "--params", "vertex.yaml", "--param", "accelerator_type=l4x2")
    assert "NVIDIA_L4" in sent
