"""A gate that closes elsewhere: its evidence is kept, although a backend keeps nothing of a task that fails but its log."""

import re
from pathlib import Path

import pytest
from kfp import dsl

from penstock.components import require_verdict

from ..pipelines import say
from .backends import Backend
from .person import Person, ends_of_tasks

REASON = "1 Anomaly: carrier in Split eval: ZZ is no carrier"


@dsl.component(base_image="python:3.11")
def judge_rows(reason: str, fails: bool, anomalies: dsl.Output[dsl.Artifact], report: dsl.Output[dsl.HTML]):
    """Ends as a gate of Penstock's does, and says in its log what it gives back."""
    import json
    from pathlib import Path

    Path(anomalies.path).mkdir(parents=True)
    findings = [{"severity": "ERROR"}] if reason else []
    verdict = {"verdict": "failed" if reason else "passed", "reason": reason, "anomaly_count": len(findings), "findings": findings}
    (Path(anomalies.path) / "verdict.json").write_text(json.dumps(verdict))
    Path(report.path).write_text(f"<p>{reason}</p>")
    if fails:
        print(f"[penstock-error] {reason}")
        raise SystemExit(1)
    page = {"name": "report", "uri": report.uri, "type": {"schemaTitle": "system.HTML"}, "metadata": {}}
    print("[penstock-outputs] " + json.dumps({"artifacts": {"report": {"artifacts": [page]}}}))


@dsl.pipeline(name="gated")
def gated(folder: str, reason: str = "", on_anomalies: str = "fail"):
    gate = judge_rows(reason=reason, fails=False)
    required = require_verdict(evidence=gate.outputs["anomalies"], on_failure=on_anomalies)
    say(text="on", folder=folder).after(required)


@dsl.pipeline(name="failing-gate")
def failing_gate(folder: str, reason: str):
    say(text="on", folder=folder).after(judge_rows(reason=reason, fails=True))


def states(output: str) -> dict[str, str]:
    return {key: state for key, (state, _) in ends_of_tasks(output).items()}


def check(output: str, folder: Path) -> None:
    """Checks what a run says whose gate has closed, and that the evidence is there; `gs://` is a folder here."""
    assert states(output) == {"judge-rows": "done", "require-verdict": "failed", "say": "not run"}, output
    assert re.search(f"^require-verdict: {REASON}; log: ", output, re.MULTILINE), output
    [uri] = re.findall(r"^report +(\S+)$", output, re.MULTILINE)
    page = folder / uri.removeprefix("file://").removeprefix("gs://")
    assert REASON in page.read_text(encoding="utf-8")
    [evidence] = [path for path in folder.rglob("anomalies/verdict.json") if "require-verdict" not in path.parts]
    assert REASON in evidence.read_text(encoding="utf-8")
    assert not (folder / "output").exists()


def test_of_a_closed_gate_everything_is_kept(backend: Backend, person: Person, tmp_path: Path) -> None:
    done = person.submits(gated, "--target", backend.name, "--wait", reason=REASON)
    assert done.returncode == 1
    check(done.stdout, tmp_path)


def test_here_it_is_the_same(person: Person, tmp_path: Path) -> None:
    done = person.runs(gated, reason=REASON)
    assert done.returncode == 1
    check(done.stdout, tmp_path)


@pytest.mark.slow
def test_an_open_gate_and_a_task_that_goes_on(backend: Backend, person: Person, tmp_path: Path) -> None:
    for given in ({}, {"reason": REASON, "on_anomalies": "warn"}):
        done = person.submits(gated, "--target", backend.name, "--no-cache", "--wait", **given)
        assert (done.returncode, set(states(done.stdout).values())) == (0, {"done"}), done.stdout
    assert f"failed: {REASON}" in done.stdout
    assert (tmp_path / "said").read_text() == "on\non\n"


@pytest.mark.slow
def test_of_a_task_that_fails_the_log_and_the_reason_are_kept(backend: Backend, person: Person, tmp_path: Path) -> None:
    """On Vertex AI, where the bucket is a file system, what has been written stays too, although no message names the place."""
    done = person.submits(failing_gate, "--target", backend.name, "--wait", reason=REASON)
    assert states(done.stdout) == {"judge-rows": "failed", "say": "not run"}
    assert f"judge-rows: {REASON}; log: " in done.stdout
    assert "report " not in done.stdout
    assert [path.parent.name for path in tmp_path.rglob("verdict.json")] == ["anomalies"] * (backend.name == "vertex")
