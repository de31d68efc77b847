"""Pushes a blessed and checked model to its destination."""

import json
from typing import Any, NamedTuple

from penstock.components.data import stored
from penstock.components.evidence.blessing import field, read_probe, require_blessing, require_check
from penstock.components.protocol import Input, Output, TaskError, figure
from penstock.components.protocol.folders import folder_bytes
from penstock.components.release.destinations import Destination, parse
from penstock.components.release.registry import Registry, open_registry
from penstock.components.release.release import Release
from penstock.components.release.rollout import ALREADY_SERVING, PUSHED, ROLLED_BACK, SHADOWING, Plan, Rollout, roll_out


class Outputs(NamedTuple):
    """The output parameters of push_model."""

    outcome: str
    url: str


def push_model(
    model: Input,
    evaluation: Input,
    serving_check: Input,
    pushed_model: Output,
    destination: str,
    model_name: str,
    model_version: str = "",
    strategy: str = "replace",
    traffic_steps: list = [5, 25, 50, 100],  # noqa: B006 - as in the interface; nothing changes it
    bake_seconds: int = 60,
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    max_model_mb: int = 0,
    allow_stale_baseline: bool = False,
    serving_options: dict = {},  # noqa: B006
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Rolls the model out, has the champion's alias point to what serves then, and writes the receipt; see the interface for the parameters.

    Raises:
        TaskError: These bytes are not blessed, checked and registered, the destination refuses, or a rollback failed.
    """
    blessing = require_blessing(model, evaluation.path)
    release = Release(blessing["model"]["fingerprint"], model_version, read_probe(serving_check.path), model_name)
    require_check(serving_check.path, release.fingerprint)
    _require_size(model, max_model_mb)
    plan = Plan(strategy, tuple(traffic_steps), bake_seconds, keep_warm_seconds, max_latency_ms)
    target = parse(destination, model_name, serving_options)
    registry = _registry(model_name, tracking_uri, registry_uri, release) if model_version else None
    with target:
        serving = target.current().serving
        if not allow_stale_baseline:
            _require_fresh_baseline(blessing, serving)
        if registry:
            registry.tag(model_version, "rollback_point", _describe(serving))
        rollout = roll_out(target, model, release, plan)
        if registry and rollout.outcome != SHADOWING and rollout.serving and _is_registered(rollout.serving, model_name):
            registry.promote(rollout.serving.model_version, champion_alias, previous_alias)
    receipt = _receipt(rollout, target, model_name, release)
    pushed_model.path.mkdir(parents=True, exist_ok=True)
    (pushed_model.path / "receipt.json").write_text(stored.dump(receipt, indent=1), encoding="utf-8")
    pushed_model.metadata |= {key: receipt[key] for key in ("outcome", "url", "curl", "stop", "model_version", "rollback_point")}
    figure(_summary(rollout, release, target.url))
    return Outputs(rollout.outcome, receipt["url"])


def _is_registered(release: Release, model_name: str) -> bool:
    """Tells whether a version is one of this registered model: what served before may be another's."""
    return bool(release.model_version) and release.model_name in ("", model_name)


def _require_size(model: Input, max_model_mb: int) -> None:
    size = folder_bytes(model.path) / 2**20
    if 0 < max_model_mb < size:
        raise TaskError(
            f"the model at {model.path} has {size:.0f} MiB, more than max_model_mb={max_model_mb}; raise the limit or reduce the model"
        )


def _require_fresh_baseline(blessing: dict[str, Any], serving: Release | None) -> None:
    """Refuses a model that was compared with another one than it would replace."""
    compared = field(blessing, "baseline", "fingerprint")
    if serving and serving.fingerprint not in (compared, blessing["model"]["fingerprint"]):
        version = field(blessing, "baseline", "version")
        known = f"v{version}" if version else str(compared)[:12] if compared else "no model"
        raise TaskError(
            f"{serving.label} serves now, but this model was compared with {known}: the Baseline is stale; run the pipeline again, or set allow_stale_baseline"
        )


def _registry(model_name: str, tracking_uri: str, registry_uri: str, release: Release) -> Registry:
    """Opens the registry, and refuses a version of other bytes before anything is changed."""
    registry = open_registry(model_name, tracking_uri, registry_uri)
    registered = registry.version(release.model_version)
    if registered is None or registered.fingerprint != release.fingerprint:
        raise TaskError(
            f"version {release.model_version} of {model_name} in the registry is not this model; register it with register_model"
        )
    return registry


def _receipt(rollout: Rollout, target: Destination, model_name: str, release: Release) -> dict[str, Any]:
    url = target.url if rollout.serving else ""
    body = json.dumps({"instances": (rollout.serving or release).probe.get("instances", [])[:1]})
    return {
        "outcome": rollout.outcome,
        "reason": rollout.reason,
        "url": url,
        "curl": target.command(body) if url else "",
        "stop": target.stop_command,
        "model_name": model_name,
        "model_version": release.model_version,
        "fingerprint": release.fingerprint,
        "serving": rollout.serving.label if rollout.serving else "",
        "rollback_point": rollout.rollback_point.label if rollout.rollback_point else "",
        "rollback_fingerprint": rollout.rollback_point.fingerprint if rollout.rollback_point else "",
        "steps": rollout.steps,
    }


def _describe(release: Release | None) -> str:
    return f"{release.label} {release.fingerprint}".strip() if release else "nothing"


def _summary(rollout: Rollout, release: Release, url: str) -> str:
    if rollout.outcome == ROLLED_BACK:
        left = f"{rollout.serving.label} serves" if rollout.serving else "nothing serves"
        return f"{release.label} rolled back, {left}: {rollout.reason}"
    verb = {PUSHED: "serves", ALREADY_SERVING: "already serves", SHADOWING: "gets a copy of the traffic"}[rollout.outcome]
    return f"{release.label} {verb} at {url}"
