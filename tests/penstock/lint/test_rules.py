"""Every rule, on a file that falls into its trap and on one that does not."""

import functools
import re
from pathlib import Path

import pytest
import yaml
from kfp import dsl

from penstock.lint import BACKENDS, all_rules, lint

from .traps import DAMAGES, EXECUTOR_INPUT, IMAGE, TRAPS, compiled, cut, running, say, saying, with_parameter

ROOT = Path(__file__).resolve().parents[3]
RULES = {rule.id: rule for rule in all_rules()}
COMPILED = sorted((ROOT / "compiled").rglob("*.yaml"))
# What the committed files say, and why that is so: digests are written at release; accelerators are parameters, which `penstock submit` resolves;
# the gates are conditions on named outputs; shares of splits and of traffic may be floats; a component alone takes artifacts; validate_examples alone fails by itself;
# evaluate_model does without a Baseline; train_model's retry is for a node that is lost, which every installation retries; and there is always a shard to tune.
EXPECTED = {
    "image-without-digest",
    "machine-parameter",
    "resources-local",
    "if-on-task-output",
    "number-in-collection",
    "artifact-input",
    "lost-evidence",
    "optional-artifact",
    "retry",
    "empty-loop",
}


@functools.cache
def _text(rule: str, good: bool) -> str:
    return TRAPS[rule][good]()


def test_every_rule_has_a_file_that_fails_and_one_that_passes():
    assert {*TRAPS} == {*RULES}


@pytest.mark.parametrize("rule", TRAPS)
def test_trap(rule):
    findings = lint(_text(rule, good=False), RULES[rule].backends)
    assert {finding.rule for finding in findings} == {rule}
    assert {finding.severity for finding in findings} == {RULES[rule].severity}
    documents = list(yaml.safe_load_all(_text(rule, good=False)))
    for finding in findings:
        assert finding.backends == RULES[rule].backends
        assert any(_leads_somewhere(finding.place, document) for document in documents), finding.place
        assert "\n" not in finding.message


@pytest.mark.parametrize("rule", TRAPS)
def test_no_trap(rule):
    assert lint(_text(rule, good=True), RULES[rule].backends) == []


@pytest.mark.parametrize("rule", TRAPS)
def test_trap_matters_only_where_it_is(rule):
    others = [backend for backend in BACKENDS if backend not in RULES[rule].backends]
    assert rule not in {finding.rule for finding in lint(_text(rule, good=False), others)}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_reason_and_link(rule):
    assert rule.link.startswith("https://")
    assert rule.summary.endswith(".")
    assert "\n" not in rule.summary
    assert {*rule.backends} <= {*BACKENDS}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_committed_files_have_no_errors(path):
    findings = lint(path.read_text())
    assert {finding.rule for finding in findings if finding.severity == "error"} == set()
    assert {finding.rule for finding in findings} <= EXPECTED


def test_expected_warnings_are_there():
    """Else the list above would grow old."""
    assert {finding.rule for path in COMPILED for finding in lint(path.read_text())} == EXPECTED


def test_parameters_of_a_task_count_together():
    text = saying("x" * 70_000, {"more": "y" * 70_000})
    (finding,) = (finding for finding in lint(text) if finding.rule == "argument-size")
    assert finding.place == "root.dag.tasks.say.inputs.parameters"
    assert "136 KiB" in finding.message


@pytest.mark.parametrize("text", ['"' * 30_000, "<b>" * 10_000, "\n" * 40_000], ids=["quotes", "tags", "lines"])
def test_what_argo_escapes_counts_as_it_is_then(text: str):
    """Argo writes the template of a pod, with the executor input in it, as JSON within JSON into one variable."""
    assert "executor-input-size" in {finding.rule for finding in lint(saying(text), ["kubeflow"])}
    given = with_parameter(str, "", lambda task, value: task)
    assert "run-parameters-size" in {finding.rule for finding in lint(given, ["kubeflow"], {"value": text * 2})}


def test_default_of_the_pipeline_counts_for_the_task():
    text = with_parameter(str, "x" * 140_000, lambda task, value: say(text=value))
    assert "root.dag.tasks.say-2.inputs.parameters" in {finding.place for finding in lint(text, ["vertex"])}


def test_what_a_parameter_is_given_counts_in_the_place_of_its_default():
    text = with_parameter(str, "x" * 140_000, lambda task, value: say(text=value))
    assert "argument-size" not in {finding.rule for finding in lint(text, ["vertex"], {"value": "x"})}
    assert [finding.rule for finding in lint(saying("x"), ["vertex"], {"unknown": "x" * 140_000})] == []
    importing = TRAPS["importer-storage"][0]()
    assert lint(importing, ["vertex"], {"uri": "gs://bucket/rows"}) == []
    assert {finding.rule for finding in lint(importing, ["kubeflow"], {"uri": "https://example.com/rows"})} == {"importer-scheme"}


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "penstock.components.control_release.__main__"],
        ["python3", "-u", "-m", "penstock.components.resolve_baseline"],
        ["sh", "-c", "exec python -m penstock.components.register_model $0 $1"],
        ["python", "/app/penstock/components/push_model/__main__.py"],
    ],
)
def test_however_a_command_names_what_is_never_cached(command):
    findings = lint(running(*EXECUTOR_INPUT, command=command, image=IMAGE))
    assert "stale-answer" in {finding.rule for finding in findings if finding.severity == "error"}


def test_a_cache_key_of_its_own_is_no_identity_of_a_gate():
    text = running(*EXECUTOR_INPUT, change=lambda task: task.set_caching_options(True, "mine"))
    (finding,) = (finding for finding in lint(text) if finding.rule == "stale-answer")
    assert "remove the cache key" in finding.message
    assert "stale-answer" not in {finding.rule for finding in lint(saying(change=lambda task: task.set_caching_options(True, "mine")))}


def test_uri_that_a_submission_gives():
    text = (ROOT / "compiled" / "training.yaml").read_text()
    findings = [finding for finding in lint(text, ["kubeflow"], {"input_uri": "s3://bucket/rows"}) if finding.rule == "uri-in-cache"]
    assert [finding.place for finding in findings] == ["root.dag.tasks.ingest-examples.inputs.parameters.input_uri"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_container_without_an_image_runs_nowhere(backend):
    (finding,) = lint(cut(saying(), *DAMAGES["no image"]), [backend])
    assert (finding.rule, finding.place) == ("missing-part", "deploymentSpec.executors.exec-say.container")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_runs_nowhere(backend, damage):
    rules = {finding.rule for finding in lint(cut(saying(), *damage), [backend]) if finding.severity == "error"}
    assert rules == {"missing-part"}


def test_settings_of_the_whole_pipeline_have_no_effect_locally():
    @dsl.pipeline(name="config", pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
    def pipeline():
        say(text=dsl.WORKSPACE_PATH_PLACEHOLDER)

    text = compiled(pipeline)
    assert lint(text, ["local"]) == [], "kfp.local has a workspace"
    (finding,) = lint(text.replace("pipelineConfig:", "pipelineConfig:\n      resourceTtlOnCompletion: 60"), ["local"])
    assert (finding.rule, finding.place) == ("platform-settings", "platforms.kubernetes.pipelineConfig")
    assert finding.message.startswith("resourceTtlOnCompletion:")


def test_one_argument_of_two_traps():
    found = {finding.rule for finding in lint(running("{{$.outputs.output_file}} {{$.pipeline_job_name}}"), ["kubeflow"])}
    assert found == {"output-file-placeholder", "job-placeholder-in-arguments"}


def _leads_somewhere(place: str, document: object) -> bool:
    for key in re.findall(r"[^.\[\]]+", place):
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return True
