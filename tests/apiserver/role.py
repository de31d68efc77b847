"""The rights of a release and of a training, as Terraform grants them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_MODULE = Path(__file__).parents[2] / "infra/terraform/modules/kubeflow"

Rule = dict[str, Any]


def rules(models: Sequence[str]) -> list[Rule]:
    """Returns the rules of the Role `penstock-release` for some models."""
    return _read("release_rules.json", models)


def rules_from_outside() -> list[Rule]:
    """Returns the rules of the Role `penstock-by-hand`, which who releases from outside the cluster needs besides."""
    return _read("by_hand_rules.json", ())


def rules_of_training() -> list[Rule]:
    """Returns the rules of the Role `penstock-train`."""
    return _read("train_rules.json", ())


def _read(file: str, models: Sequence[str]) -> list[Rule]:
    return [_rule(one, models) for one in json.loads((_MODULE / file).read_text(encoding="utf-8"))]


def _rule(one: dict[str, Any], models: Sequence[str]) -> Rule:
    rule = {"apiGroups": [one["group"]], "resources": [one["resource"]], "verbs": one["verbs"]}
    return rule | ({"resourceNames": [one["name"] % model for model in models]} if "name" in one else {})
