"""The alerts: what Prometheus makes of them, when they fire, and who is notified."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import MONITORING

HERE = Path(__file__).parent
TESTS = [HERE / "rules_minutes.yaml", HERE / "rules_hours.yaml"]
RUNBOOK = "https://github.com/penstock/penstock/blob/main/docs/runbook.md#"
ALERTS = [rule for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


def test_prometheus_accepts_the_rules_and_the_configuration(say):
    assert f"{len(ALERTS)} rules found" in say("promtool", "check", "rules", MONITORING / "rules.yaml")
    say("promtool", "check", "config", MONITORING / "prometheus.yaml")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_when_alerts_fire(say, file):
    assert "SUCCESS" in say("promtool", "test", "rules", file)


def test_each_alert_fires_in_a_test_and_not_in_another():
    asked = [each for file in TESTS for test in yaml.safe_load(file.read_text())["tests"] for each in test["promql_expr_test"]]
    tried = {(re.search(r'alertname="(\w+)"', each["expr"])[1], bool(each["exp_samples"])) for each in asked}
    assert tried == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    assert rule["annotations"]["runbook_url"] == RUNBOOK + rule["alert"].lower()
    runbook = (MONITORING.parents[1] / "docs" / "runbook.md").read_text()
    section = re.search(rf"^### {rule['alert']}$(.*?)(?=^##|\Z)", runbook, re.MULTILINE | re.DOTALL)
    assert section, "the runbook has a section of this name"
    assert "```console" in section[1], "it says what to type"


@pytest.mark.parametrize(("severity", "receivers"), [("critical", "on-call,team"), ("warning", "team"), ("info", "mail")])
def test_receivers(say, severity, receivers):
    say("amtool", "check-config", MONITORING / "alertmanager.yaml")
    routed = say("amtool", "config", "routes", "test", "--config.file", MONITORING / "alertmanager.yaml", f"severity={severity}")
    assert routed.strip() == receivers


def test_the_examples_have_no_secret():
    text = (MONITORING / "alertmanager.yaml").read_text()
    assert not re.findall(r"^\s*(?:\S*password|\S*_key|\S*api_url|\S*token):", text, re.MULTILINE)
