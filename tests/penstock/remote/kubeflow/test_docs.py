"""The commands of docs/kubeflow.md, typed in its order, with a small pipeline in the place of the example."""

import re
from pathlib import Path

import pytest
from kfp import dsl

from penstock.remote.kubeflow import KubeflowTarget
from penstock.remote.settings import KubeflowSettings

from ....doubles.kubeflow.double import USER, KubeflowDouble
from ...pipelines import compiled
from ..pages import EXAMPLE, ROOT, Page, dry_run_of_the_example, train_model

# The commands for images ask an engine and a registry.
PAGE = Page("kubeflow.md", "images", "compile")
NAMESPACE = "forecasting"


@dsl.component(base_image="python:3.11")
def push_model(model: str, destination: str, tracking_uri: str):
    print(f"pushes to {destination}")


@dsl.pipeline(name="flight-delay-training")
def flights(input_uri: str, destination: str, tracking_uri: str):
    train = train_model(input_uri=input_uri)
    push_model(model=train.output, destination=destination, tracking_uri=tracking_uri)


@pytest.fixture
def folder(multi_user_kubeflow: KubeflowDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder, as the page says; the person's namespace is the page's."""
    multi_user_kubeflow.access.namespaces = {NAMESPACE: {USER}}
    monkeypatch.setenv("PENSTOCK_KUBEFLOW_TOKEN", "valid")
    PAGE.write_files(tmp_path, {"https://kubeflow.example.com": multi_user_kubeflow.url})
    components = tmp_path / "compiled" / "components"
    components.mkdir(parents=True)
    compiled(flights, tmp_path).rename(tmp_path / EXAMPLE)
    (components / "validate_examples.yaml").write_bytes((ROOT / "compiled" / "components" / "validate_examples.yaml").read_bytes())
    return tmp_path


@pytest.fixture
def target(multi_user_kubeflow: KubeflowDouble) -> KubeflowTarget:
    return KubeflowTarget(KubeflowSettings(host=multi_user_kubeflow.url, namespace=NAMESPACE))


def test_every_command_of_the_page_does_what_it_says(multi_user_kubeflow: KubeflowDouble, target: KubeflowTarget, folder: Path) -> None:
    output = PAGE.type_all(folder, target)
    submit = f"submit {EXAMPLE} --target kubeflow --params kubeflow.yaml"
    assert "sha256-" in output[f"{submit} --dry-run"]
    assert "MLFLOW_TRACKING_PASSWORD" in output[f"{submit} --platform platform.yaml --dry-run"]
    waited = output[f"{submit} --experiment flights --wait"]
    [run] = target.runs()
    assert f"{multi_user_kubeflow.url}/_/pipeline/?ns={NAMESPACE}#/runs/details/{run.id}" in waited
    assert re.search(r"^push-model +done", waited, re.MULTILINE)
    assert "trains on s3://my-rows/flights/*.parquet" in output["runs logs RUN train-model --target kubeflow"]
    assert output[f"upload {EXAMPLE} --target kubeflow"].startswith("is there")
    assert output["upload compiled/components/validate_examples.yaml --target kubeflow"].startswith("uploaded")
    assert list(target.schedules()) == []


def test_the_example_suits_kubeflow_as_it_was_compiled(folder: Path) -> None:
    options = ["--target", "kubeflow", "--params", "kubeflow.yaml", "--platform", "platform.yaml", "--param", "accelerator_type=l4"]
    assert "nvidia-l4" in dry_run_of_the_example(folder, *options)
