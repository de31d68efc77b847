"""The function and the command: what they take, how they say it, with which exit code."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.lint import UnreadableError, lint
from penstock.lint.reference import section
from penstock.lint.registry import all_rules

from .traps import TRAPS, running, saying, with_parameter

ROOT = Path(__file__).resolve().parents[3]
FLIGHTS = ROOT / "compiled" / "flight_delay_training.yaml"


@pytest.fixture
def file(tmp_path):
    """Writes a text into a file."""

    def write(text: str | bytes) -> str:
        path = tmp_path / "pipeline.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_errors_come_first():
    severities = [finding.severity for finding in lint(FLIGHTS.read_text().replace("2.1.0", "2.0.0"))]
    assert severities == sorted(severities)
    assert {*severities} == {"error", "warning"}


def test_a_finding_names_the_backends_that_were_asked_about():
    text = TRAPS["floating-image"][0]()
    assert {finding.backends for finding in lint(text)} == {("kubeflow", "vertex", "local")}
    assert {finding.backends for finding in lint(text, {"vertex"})} == {("vertex",)}


def test_a_pipeline_job_is_read_as_well():
    """Vertex AI's client takes a PipelineJob, with the pipeline inside, and so do its exports."""
    job = json.dumps({"displayName": "x", "pipelineSpec": yaml.safe_load(TRAPS["concat-placeholder"][0]())})
    assert [finding.rule for finding in lint(job, ["kubeflow"])] == ["concat-placeholder"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("", "not a compiled pipeline"),
        ("a: 1", "not a compiled pipeline"),
        ("- 1", "not a compiled pipeline"),
        ("root: {dag: {tasks: 3}}", "not a compiled pipeline"),
        ("root: {}\ndeploymentSpec: {executors: 3}", "not a compiled pipeline"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow", "kfp 2"),
    ],
    ids=["no yaml", "empty", "other", "list", "tasks", "executors", "argo"],
)
def test_no_compiled_pipeline(text, words):
    with pytest.raises(UnreadableError, match=words):
        lint(text)


def test_no_rule_stumbles_over_what_is_missing():
    """Takes out or empties each part of a file in turn, as a person may who cuts it by hand."""
    whole = list(yaml.safe_load_all(TRAPS["platform-settings"][0]())) + list(yaml.safe_load_all(running("{{$}}")))
    for documents in ([whole[0], whole[1]], [whole[2]]):
        for path in list(_paths(documents)):
            for value in (None, {}):
                try:
                    lint(yaml.safe_dump_all(_without(documents, path, value)))
                except UnreadableError:
                    continue


def test_a_pipeline_within_itself():
    """No backend takes it; a rule that follows parameters up through the DAGs must come to an end."""
    text = with_parameter(str, "4G", lambda task, value: task.set_memory_limit(value))
    document = next(yaml.safe_load_all(text))
    document["components"]["comp-loop"] = {"dag": copy.deepcopy(document["root"]["dag"]), **document["root"]}
    again = {"componentRef": {"name": "comp-loop"}, "inputs": {"parameters": {"value": {"componentInputParameter": "value"}}}}
    document["components"]["comp-loop"]["dag"]["tasks"]["again"] = again
    assert "machine-parameter" in {finding.rule for finding in lint(yaml.safe_dump(document))}


def test_exit_codes(penstock, file):
    assert penstock("lint", file(saying())).returncode == 0
    assert penstock("lint", str(FLIGHTS)).returncode == 0, "warnings are allowed"
    assert penstock("lint", file(TRAPS["concat-placeholder"][0]())).returncode == 1
    assert penstock("lint", "--target", "vertex", file(TRAPS["concat-placeholder"][0]())).returncode == 0
    assert penstock("lint").returncode == 2
    assert penstock("lint", "--target", "airflow", file(saying())).returncode == 2


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: [", b"a: 1"], ids=["binary", "no yaml", "other"])
def test_unreadable(penstock, file, text):
    done = penstock("lint", file(text))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "pipeline.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_absent(penstock, tmp_path):
    done = penstock("lint", str(tmp_path / "absent.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file" in done.stderr


def test_text(penstock, file):
    done = penstock("lint", file(TRAPS["concat-placeholder"][0]()))
    assert "error    concat-placeholder  kubeflow\n         Kubeflow does not resolve ConcatPlaceholder" in done.stdout
    assert "         at deploymentSpec.executors.exec-component.container.args[0]\n" in done.stdout
    assert done.stdout.endswith("\n1 error, 0 warnings; `penstock lint --explain RULE` explains a rule\n")


def test_json(penstock, file):
    path = file(TRAPS["two-documents"][0]())
    done = penstock("lint", "--target", "vertex", "--format", "json", path)
    content = json.loads(done.stdout)
    (finding,) = content.pop("findings")
    assert content == {"file": path, "errors": 1, "warnings": 0}
    assert {**finding, "message": ""} == {
        "rule": "two-documents",
        "severity": "error",
        "backends": ["vertex"],
        "place": "platforms",
        "message": "",
    }


def test_explain(penstock):
    done = penstock("lint", "--explain", "concat-placeholder")
    assert done.returncode == 0
    assert "https://github.com/kubeflow/pipelines/issues/9486" in done.stdout
    wrong = penstock("lint", "--explain", "concat-placholder")
    assert wrong.returncode == 2
    assert "did you mean concat-placeholder?" in wrong.stderr


def test_page_has_every_rule():
    page = (ROOT / "docs" / "lint.md").read_text()
    for rule in all_rules():
        assert section(rule) in page


def _paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _without(documents: list[Any], path: tuple, value: Any) -> list[Any]:
    documents = copy.deepcopy(documents)
    place: Any = documents
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return documents
