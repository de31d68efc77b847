"""The rights of whoever releases, as Terraform gives them."""

import json
from pathlib import Path
from typing import Any

_RULES = Path(__file__).parents[2] / "infra/terraform/modules/kubeflow/release_rules.json"
# What docs/releasing.md asks for besides, for whoever pushes from outside the cluster.
FROM_OUTSIDE = [{"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get", "create"]}]

Rule = dict[str, Any]


def rules(models: tuple[str, ...]) -> list[Rule]:
    """Returns the rules of the Role `penstock-release` for some models."""
    return [_rule(one, models) for one in json.loads(_RULES.read_text(encoding="utf-8"))]


def _rule(one: dict[str, Any], models: tuple[str, ...]) -> Rule:
    rule = {"apiGroups": [one["group"]], "resources": [one["resource"]], "verbs": one["verbs"]}
    return rule | ({"resourceNames": [one["name"] % model for model in models]} if "name" in one else {})
