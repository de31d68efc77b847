"""What is uploaded means to the server what the file says, and the same content has the same name."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.remote.kubeflow import package
from penstock.remote.kubeflow.pod_labels import with_labels
from penstock.remote.target import Submission
from penstock.spec.pipeline_file import PipelineFile

from ...pipelines import compiled, loop

PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-say": {"secretAsEnv": []}}}}}}


def submission(file: Path, **fields: Any) -> Submission:
    pipeline = PipelineFile(file)
    given = {"spec": pipeline.document, "platform": None, "parameters": {}, "name": "run"} | fields
    return Submission(pipeline, **given)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return compiled(loop, tmp_path)


def name(*args: Any, **fields: Any) -> str:
    return package.version_name(package.documents(submission(*args, **fields)))


def test_the_order_of_keys_makes_no_other_version(file: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(dict(reversed(yaml.safe_load(file.read_text()).items())), sort_keys=False))
    assert name(file) == name(again)


@pytest.mark.parametrize("difference", [{"platform": PLATFORM}, {"caching": False}], ids=["platform", "no cache"])
def test_what_makes_runs_differ_is_another_version(file: Path, difference: dict[str, Any]) -> None:
    assert name(file) != name(file, **difference)


def test_names_are_such_as_kubernetes_takes(file: Path) -> None:
    assert name(file).removeprefix("sha256-").isalnum()
    assert name(file).islower()


def test_no_task_is_taken_from_the_cache_be_it_in_a_loop_or_not(file: Path) -> None:
    given = submission(file, caching=False)
    before = copy.deepcopy(given.spec)
    spec = package.documents(given)[0]
    tasks = [task for each in (spec["root"], *spec["components"].values()) for task in each.get("dag", {}).get("tasks", {}).values()]
    assert len(tasks) == 4
    assert all(task["cachingOptions"] == {"enableCache": False} for task in tasks)
    assert given.spec == before


def test_pods_say_whose_they_are_unless_it_is_set(file: Path) -> None:
    theirs = {"podMetadata": {"labels": {"penstock.dev/pipeline": "flights", "team": "air"}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-say": theirs}}}}}
    sent = package.documents(submission(file, platform=platform))[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert sent["exec-say"]["podMetadata"]["labels"] == {"penstock.dev/pipeline": "flights", "penstock.dev/component": "say", "team": "air"}
    others = {label: config["podMetadata"]["labels"] for label, config in sent.items() if label != "exec-say"}
    assert others
    assert others == {label: {"penstock.dev/pipeline": "loop", "penstock.dev/component": label.removeprefix("exec-")} for label in others}


@pytest.mark.parametrize(("pipeline", "value"), [("flights " + "x" * 70, "flights-" + "x" * 55), ("-flüge.", "fl-ge")])
def test_labels_are_such_as_kubernetes_takes(file: Path, pipeline: str, value: str) -> None:
    labeled = with_labels(None, PipelineFile(file).document, pipeline)
    assert labeled
    executors = labeled["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {config["podMetadata"]["labels"]["penstock.dev/pipeline"] for config in executors.values()} == {value}


def test_every_string_stays_one_in_yaml_1_2(file: Path) -> None:
    content = [{"texts": ["1e3", "0o17", "on", "1_000", "~", "a: b\n", "é\U0001f600"], "numbers": [1e-05, 3, 2.0]}]
    text = package.text(content)
    assert list(yaml.safe_load_all(text)) == content
    assert all(f'"{word}"' in text for word in ("1e3", "0o17", "on", "1_000", "~"))
    assert "1.0e-05" in text
