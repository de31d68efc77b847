"""Labels on the pods of tasks, by which what they cost can be added up: the name of a pod does not say whose it is."""

import re
from typing import Any

from ...spec.containers import component_of
from ..platform_settings import merge

PIPELINE, COMPONENT = "penstock.dev/pipeline", "penstock.dev/component"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LONGEST = 63
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]+")


def with_labels(platform: dict[str, Any] | None, spec: dict[str, Any], pipeline: str) -> dict[str, Any] | None:
    """Adds the labels to a platform document; those that it has of the same name stay.

    Args:
        platform: A PlatformSpec in JSON form; None for none.
        spec: The PipelineSpec in JSON form.
        pipeline: The pipeline's name.

    Returns:
        The document; None where nothing runs in a pod of its own.
    """
    containers = {
        label: each["container"] for label, each in spec.get("deploymentSpec", {}).get("executors", {}).items() if "container" in each
    }
    executors = {
        label: {"podMetadata": {"labels": {PIPELINE: _value(pipeline), COMPONENT: _value(_component(label, container))}}}
        for label, container in containers.items()
    }
    labels = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    return merge(labels, platform or {}) if executors else platform


def _component(label: str, container: dict[str, Any]) -> str:
    return component_of(container.get("command", [])) or label.removeprefix("exec-")


def _value(text: str) -> str:
    return _FORBIDDEN.sub("-", text)[:_LONGEST].strip("-._")
