"""The commands of docs/vertex.md, typed in its order, with a small pipeline in the place of the example."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from kfp import dsl

from penstock.remote.settings import VertexSettings
from penstock.remote.vertex import VertexTarget

from ....command import COMMAND, variables
from ....doubles.vertex.double import VertexDouble
from ...pipelines import compiled

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "vertex.md").read_text(encoding="utf-8")
# These ask an engine and a registry; what they say is tested with images.
ELSEWHERE = ("images", "compile")
COMMANDS = [words for line in re.findall(r"^\$ penstock (.+)$", PAGE, re.MULTILINE) if (words := shlex.split(line))[0] not in ELSEWHERE]


@dsl.component(base_image="python:3.11")
def train_model(input_uri: str) -> str:
    print(f"trains on {input_uri}")
    return input_uri


@dsl.pipeline(name="flight-delay-training")
def flights(input_uri: str, destination: str, registry_uri: str, accelerator_type: str = "", accelerator_count: str = ""):
    train_model(input_uri=input_uri).set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def folder(vertex: VertexDouble, tmp_path: Path) -> Path:
    """A person's folder, as the page says."""
    vertex.artifacts.folders = {"gs://my-project-artifacts": tmp_path / "bucket"}
    (tmp_path / "penstock.toml").write_text(f'{block("toml")}api_endpoint = "{vertex.api_endpoint}"\n')
    (tmp_path / "vertex.yaml").write_text(block("yaml"))
    (tmp_path / "compiled").mkdir()
    compiled(flights, tmp_path).rename(tmp_path / "compiled" / "flight_delay_training.yaml")
    return tmp_path


def typed(folder: Path, words: list[str]) -> str:
    # Google's client is large: each command reads the bytecode that the one before has left.
    environment = variables() | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_of_the_page_does_what_it_says(vertex: VertexDouble, folder: Path) -> None:
    target = VertexTarget(VertexSettings(project=vertex.project, location=vertex.location, api_endpoint=vertex.api_endpoint))
    said = {}
    for words in COMMANDS:
        command = shlex.join(words)
        named = {"RUN": lambda: next(target.runs()).id, "SCHEDULE": lambda: next(target.schedules()).id}
        said[command] = typed(folder, [named[word]() if word in named else word for word in words])
    submitted = "submit compiled/flight_delay_training.yaml --target vertex --params vertex.yaml"
    assert "NVIDIA_L4" in said[f"{submitted} --param accelerator_type=l4 --dry-run"]
    assert "accelerator:" not in said[f"{submitted} --dry-run"]
    assert re.search(r"^train-model +done", said[f"{submitted} --wait"], re.MULTILINE)
    assert "trains on gs://my-project-data/flights/*.parquet" in said["runs logs RUN train-model --target vertex"]
    assert [run.state for run in target.runs()] == ["done", "done"]
    assert len(vertex.runs_of("flights")) == 2
    assert list(target.schedules()) == []


def test_the_example_suits_vertex_as_it_was_compiled(folder: Path) -> None:
    file = ROOT / "compiled" / "flight_delay_training.yaml"
    before = file.read_bytes()
    words = ["submit", str(file), "--target", "vertex", "--params", "vertex.yaml", "--param", "accelerator_type=l4x2", "--dry-run"]
    assert "NVIDIA_L4" in typed(folder, words)
    assert file.read_bytes() == before
