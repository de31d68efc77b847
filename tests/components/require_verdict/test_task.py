"""require_verdict, run as its container runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EVIDENCE = {
    "verdict.json": {"verdict": "passed", "reason": "", "anomaly_count": 0, "warning_count": 1, "findings": [{"severity": "WARNING"}]},
    "blessing.json": {"verdict": "blessed", "reasons": [], "thresholds": [{"passed": True}]},
    "check.json": {"verdict": "passed", "reasons": []},
}
REASON = "1 Anomaly: carrier in Split eval: Unexpected string values: Examples contain values missing from the schema: ZZ (~1%)"
CLOSED = {
    "verdict.json": ({"verdict": "failed", "reason": REASON, "anomaly_count": 1, "findings": [{"severity": "ERROR"}]}, REASON),
    "blessing.json": (
        {"verdict": "not_blessed", "reasons": ["auc is 0.6 in overall, asked for >= 0.7", "another"]},
        "not blessed: auc is 0.6 in overall, asked for >= 0.7, and 1 more (see the report)",
    ),
    "check.json": ({"verdict": "failed", "reasons": ["p99 is 80 ms"]}, "failed: p99 is 80 ms"),
}

Require = Callable[..., Any]


@pytest.fixture
def require(run_task: Callable[..., Any], tmp_path: Path) -> Require:
    count = 0

    def run(name: str, content: Any, subprocess: bool = False, **parameters: Any) -> Any:
        nonlocal count
        count += 1
        folder = tmp_path / f"evidence-{count}"
        folder.mkdir()
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return run_task("require_verdict", parameters, {"evidence": folder}, subprocess=subprocess)

    return run


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_gate_that_has_passed(require: Require, name: str, capsys: pytest.CaptureFixture[str]):
    result = require(name, EVIDENCE[name])
    assert (result.code, result.error, result.parameters) == (0, "", {"verdict": EVIDENCE[name]["verdict"]})
    assert f"[penstock] {EVIDENCE[name]['verdict']}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", CLOSED)
def test_a_gate_that_has_not(require: Require, name: str, capsys: pytest.CaptureFixture[str]):
    content, reason = CLOSED[name]
    result = require(name, content)
    assert (result.code, result.error) == (1, f"error: {reason}")
    assert not result.executor_output.exists()
    warned = require(name, content, on_failure="warn")
    assert (warned.code, warned.error, warned.parameters) == (0, "", {"verdict": content["verdict"]})
    assert f"[penstock] {content['verdict']}: {reason}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("verdict.json", EVIDENCE["verdict.json"] | {"findings": [{"severity": "ERROR"}]}),
        ("verdict.json", EVIDENCE["verdict.json"] | {"anomaly_count": 1}),
        ("verdict.json", {"verdict": "passed"}),
        ("verdict.json", EVIDENCE["verdict.json"] | {"findings": ["?"]}),
        ("blessing.json", EVIDENCE["blessing.json"] | {"thresholds": [{"passed": True}, {"passed": False}]}),
        ("blessing.json", {"verdict": "blessed"}),
        ("check.json", EVIDENCE["check.json"] | {"reasons": ["p99 is 80 ms"]}),
    ],
)
def test_evidence_that_contradicts_its_verdict(require: Require, name: str, content: dict[str, Any]):
    result = require(name, content)
    assert result.code == 1
    assert "but" in result.error
    assert "run the gate again" in result.error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.json", {}, "contains no verdict of a gate"),
        ("verdict.json", "{", "cannot be read"),
        ("verdict.json", "[]", "verdict.json"),
        ("verdict.json", {}, "the gate's verdict is None, not 'passed'"),
        ("blessing.json", EVIDENCE["check.json"], "the gate's verdict is 'passed', not 'blessed'"),
        ("check.json", {"verdict": ["passed"]}, "not 'passed'"),
        ("verdict.json", {"schema": 99, "verdict": "passed"}, "verdict.json"),
    ],
)
def test_what_is_no_verdict(require: Require, name: str, content: Any, message: str):
    result = require(name, content)
    assert result.code == 1
    assert message in result.error


def test_wrong_parameter(require: Require):
    result = require("verdict.json", EVIDENCE["verdict.json"], on_failure="ignore")
    assert (result.code, result.error) == (1, "error: on_failure is 'ignore'; give fail or warn")


def test_the_container_command(require: Require):
    assert require("verdict.json", EVIDENCE["verdict.json"], subprocess=True).code == 0
    result = require("verdict.json", CLOSED["verdict.json"][0], subprocess=True)
    assert (result.code, result.error) == (1, f"error: {REASON}")
