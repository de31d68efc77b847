"""The dashboards: every expression in them gives an answer where the series of a model server and of monitor_model are there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import MONITORING
from .recording import FINGERPRINT, names, series

DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
VARIABLES = {"$__rate_interval": "5m", "$model_name": "flights", "$fingerprint": FINGERPRINT}
_LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the PromQL of each panel and of each variable, and what to call it."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = _LABEL_VALUES.fullmatch(variable["query"]).groups()
            yield f"variable {variable['name']}", f"count by ({label}) ({selector})"
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def filled(expression: str) -> str:
    """Returns an expression with values in the places of Grafana's variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_expression_has_an_answer(say, tmp_path: Path, file: Path):
    asked = [(title, filled(expression)) for title, expression in expressions(json.loads(file.read_text()))]
    tests = [
        {"expr": f"count({expression}) > bool 0", "eval_time": "20m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for _, expression in asked
    ]
    content = {"tests": [{"name": file.stem, "interval": "1m", "input_series": series(), "promql_expr_test": tests}]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content, width=1000))
    assert "SUCCESS" in say("promtool", "test", "rules", tmp_path / "test.yaml")


def test_every_metric_is_recorded():
    """Also in an expression that would have an answer without it."""
    texts = [expression for file in DASHBOARDS for _, expression in expressions(json.loads(file.read_text()))]
    texts += [rule["expr"] for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
    assert {name for text in texts for name in re.findall(r"\bpenstock_\w+", text)} - names() == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_imported_anywhere(file: Path):
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == f"penstock-{file.stem}"
    panels = dashboard["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"], panel["title"]) for panel in panels]
    cells = [
        (x, y)
        for place, _ in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "no panel lies upon another"
    assert max(x for x, _ in cells) < 24
