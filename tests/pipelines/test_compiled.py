"""The compiled files: what the sources say, one document each, and taken by every backend's client."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from kfp import components
from kfp.client.client import _extract_pipeline_yaml  # how its client reads a file; the public methods need a server

from penstock.compile.generate import generate
from penstock.components.data.source import PREFIX, read_text
from penstock.pipelines import flight_delay

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = sorted((ROOT / "compiled").glob("*.yaml"))
COMPONENTS = sorted((ROOT / "compiled" / "components").glob("*.yaml"))
# What each pipeline must be given, but for the destination.
GIVEN = {
    "training": {
        "input_uri": "gs://bucket/rows",
        "preprocessing_module": "gs://b/p.py",
        "trainer_module": "gs://b/t.py",
        "eval_config": "gs://b/e",
        "model_name": "m",
    },
    "flight_delay_training": {"input_uri": "gs://bucket/rows"},
    "promote_or_rollback": {"action": "rollback", "model_name": "m"},
    "batch_scoring": {"input_uri": "gs://bucket/rows", "key_columns": ["id"], "model_name": "m", "schema_file": "gs://b/s"},
    "monitoring": {"logs": "gs://bucket/log", "model_name": "m"},
}


def test_there_are_files():
    assert {path.stem for path in PIPELINES} == {*GIVEN}
    assert {path.stem for path in COMPONENTS} == {path.parent.name for path in (ROOT / "components").glob("*/component.py")}


def test_recompiling_changes_nothing():
    assert generate(ROOT, check=True) == []


def test_bytes_do_not_depend_on_the_process():
    """Compiles in a process with another hash seed, locale and time zone."""
    variables = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PATH": ""}
    code = "import pathlib, sys; from penstock.compile.generate import generate; sys.exit(len(generate(pathlib.Path('.'), True)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*PIPELINES, *COMPONENTS], ids=lambda path: path.stem)
def test_one_document_that_kfp_loads(path):
    assert len(list(yaml.safe_load_all(path.read_text()))) == 1
    loaded = components.load_component_from_file(str(path))
    assert loaded.pipeline_spec.pipeline_info.name == path.stem.replace("_", "-")


@pytest.mark.parametrize("path", [*PIPELINES, *COMPONENTS], ids=lambda path: path.stem)
def test_kfp_client_takes_it(path):
    assert _extract_pipeline_yaml(str(path)).pipeline_spec.deployment_spec["executors"]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_vertex_ai_takes_it(path):
    destination = {} if path.stem == "batch_scoring" else {"destination": "vertex://project/europe-west4/endpoint"}
    given = destination | GIVEN[path.stem]
    job = aiplatform.PipelineJob(
        display_name="job",
        template_path=str(path),
        pipeline_root="gs://bucket/root",
        parameter_values=given,
        project="project",
        location="europe-west4",
        credentials=AnonymousCredentials(),
    )
    values = job.to_dict()["runtimeConfig"]["parameterValues"]
    assert {name: values[name] for name in given} == given


def test_the_example_travels_whole():
    document = yaml.safe_load((ROOT / "compiled" / "flight_delay_training.yaml").read_text())
    parameters = document["root"]["inputDefinitions"]["parameters"]
    for name, value in flight_delay.parameters().items():
        assert parameters[name]["defaultValue"] == value
    packed = parameters["preprocessing_module"]["defaultValue"]
    assert packed.startswith(PREFIX)
    assert "def preprocessing_fn(" in read_text(packed, "preprocessing_module")


def test_no_setting_that_only_one_backend_knows():
    text = (ROOT / "compiled" / "training.yaml").read_text()
    assert "platforms:" not in text
    placeholders = set(re.findall(r"\{\{\$.*?\}\}", text))
    assert {placeholder for placeholder in placeholders if "accelerator" not in placeholder} == {"{{$}}"}
