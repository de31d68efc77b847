"""Pushes a blessed model to where it serves."""

import json
import shlex
from typing import Any, NamedTuple

from penstock.components.runtime import Input, Output, TaskError, figure
from penstock.components.runtime.blessing import read_probe, require_blessing
from penstock.components.runtime.serving import Release

from .destination import Destination, parse
from .rollout import ALREADY_SERVING, PUSHED, ROLLED_BACK, Rollout, roll_out


class Outputs(NamedTuple):
    """The output parameters of push_model."""

    outcome: str
    url: str


def push_model(
    model: Input,
    evaluation: Input,
    pushed_model: Output,
    destination: str,
    model_name: str,
    model_version: str = "",
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
) -> Outputs:
    """Rolls the model out, moves the champion's alias to it if it serves then, and writes the receipt.

    Args:
        model: The model to push.
        evaluation: Its Evaluation.
        pushed_model: The receipt.
        destination: Where to, as a URI.
        model_name: The name under which the model is served and registered.
        model_version: Its version in the registry; empty: the registry is left alone.
        champion_alias: The alias that moves to this version once it serves.
        previous_alias: The alias that the former champion keeps.
        tracking_uri: MLflow's tracking server.

    Raises:
        TaskError: The Evaluation does not bless these bytes, the registry or the destination refuses, or a rollback failed.
    """
    blessing = require_blessing(model.path, evaluation.path)
    release = Release(blessing["model"]["fingerprint"], model_version, read_probe(evaluation.path))
    target = parse(destination, model_name)
    registry = _registry(model_name, tracking_uri, release) if model_version else None
    with target:
        rollout = roll_out(target, model.path, release)
        if registry and rollout.outcome != ROLLED_BACK:
            registry.promote(model_version, champion_alias, previous_alias)
    receipt = _receipt(rollout, target, model_name, release)
    pushed_model.path.mkdir(parents=True, exist_ok=True)
    (pushed_model.path / "receipt.json").write_text(json.dumps(receipt, indent=1), encoding="utf-8")
    pushed_model.metadata |= {key: receipt[key] for key in ("outcome", "url", "curl", "stop", "model_version", "rollback_point")}
    figure(_summary(rollout, release, target.url))
    return Outputs(rollout.outcome, receipt["url"])


def _registry(model_name: str, tracking_uri: str, release: Release) -> Any:
    """Opens the registry, and refuses a version of other bytes before anything is changed."""
    from penstock.components.runtime.registry import Registry

    registry = Registry(model_name, tracking_uri)
    registered = registry.version(release.model_version)
    if registered is None or registered.tags.get("fingerprint") != release.fingerprint:
        raise TaskError(
            f"version {release.model_version} of {model_name} in the registry is not this model; register it with register_model"
        )
    return registry


def _receipt(rollout: Rollout, target: Destination, model_name: str, release: Release) -> dict[str, Any]:
    url = target.url if rollout.serving else ""
    body = json.dumps({"instances": (rollout.serving or release).probe["instances"][:1]})
    return {
        "outcome": rollout.outcome,
        "reason": rollout.reason,
        "url": url,
        "curl": f"curl -s {url} -H 'Content-Type: application/json' -d {shlex.quote(body)}" if url else "",
        "stop": target.stop_command,
        "model_name": model_name,
        "model_version": release.model_version,
        "fingerprint": release.fingerprint,
        "serving": rollout.serving.label if rollout.serving else "",
        "rollback_point": rollout.rollback_point.label if rollout.rollback_point else "",
        "steps": rollout.steps,
    }


def _summary(rollout: Rollout, release: Release, url: str) -> str:
    if rollout.outcome == ROLLED_BACK:
        left = f"{rollout.serving.label} serves" if rollout.serving else "nothing serves"
        return f"{release.label} rolled back, {left}: {rollout.reason}"
    verb = {PUSHED: "serves", ALREADY_SERVING: "already serves"}[rollout.outcome]
    return f"{release.label} {verb} at {url}"
