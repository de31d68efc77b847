"""The platform settings file: the Kubernetes settings of a run, in YAML.

`terraform output -raw platform_settings` writes a first one. docs/kubeflow.md says what each key means.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penstock.components.release.quantity import is_quantity

from ..errors import UserError
from ..spec.yaml_text import load_document
from .shapes import Choice, Either, Record, Text, check

_PATH = Text(lambda text: text.startswith("/"), "a path from the root, such as /mnt/data")
_QUANTITY = Text(is_quantity, "a quantity such as 10Gi")
_POSITIVE = Text(lambda text: bool(re.fullmatch(r"[1-9]\d*[smhd]", text)), "a number and its unit, such as 90m, 12h or 2d")
_VARIABLES = {str: Either([str], {str: str})}
_MATCHES = [
    Record({"key": str, "operator": Choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))}, {"values": [str]}),
]
_NODES: dict[str, Any] = {
    "node_selectors": {str: str},
    "tolerations": [
        Record(
            optional={
                "key": str,
                "operator": Choice(("Exists", "Equal")),
                "value": str,
                "effect": Choice(("NoSchedule", "PreferNoSchedule", "NoExecute")),
                "toleration_seconds": int,
            }
        )
    ],
}
TASK = Record(
    optional=_NODES
    | {
        "node_affinity": [Record({"match_expressions": _MATCHES}, {"weight": int})],
        "environment_secrets": _VARIABLES,
        "environment_config_maps": _VARIABLES,
        "environment_fields": {str: str},
        "secret_volumes": {str: _PATH},
        "config_map_volumes": {str: _PATH},
        "volume_claims": {str: Either(_PATH, Record({"mount_path": _PATH}, {"sub_path": str}))},
        "empty_dirs": {str: Either(_PATH, Record({"mount_path": _PATH}, {"medium": Choice(("Memory",)), "size_limit": _QUANTITY}))},
        "ephemeral_volumes": {
            str: Record(
                {"mount_path": _PATH, "size": _QUANTITY},
                {
                    "access_modes": [Choice(("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"))],
                    "storage_class": str,
                },
            )
        },
        "image_pull_secrets": [str],
        "image_pull_policy": Choice(("Always", "IfNotPresent", "Never")),
        "timeout": _POSITIVE,
        "labels": {str: str},
        "annotations": {str: str},
        "security_context": Record(optional={"run_as_user": int, "run_as_group": int, "run_as_non_root": bool}),
    }
)
_FILE = Record(
    optional={
        "namespace": str,
        "service_account": str,
        "serving": Record(optional={"namespace": str, "service_account": str}),
        "environment_secrets": _VARIABLES,
        "accelerators": {str: Record({"resource": str}, {"service_account": str} | _NODES)},
        "defaults": TASK,
        "tasks": {str: TASK},
    }
)
_SHORT_FORMS = {"volume_claims": "mount_path", "empty_dirs": "mount_path"}


@dataclass(frozen=True)
class PlatformSettings:
    """What a file says.

    Attributes:
        defaults: The settings of every task.
        accelerators: The pod's resource, and the settings of tasks that ask for it, by the accelerator's name.
        tasks: The settings of one task, by its name.
    """

    defaults: dict[str, Any]
    accelerators: dict[str, dict[str, Any]]
    tasks: dict[str, dict[str, Any]]


def read_platform(file: Path) -> PlatformSettings:
    """Reads a platform settings file.

    Raises:
        UserError: It cannot be read, or has something that means nothing.
    """
    try:
        content = load_document(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the platform settings in {file}: {error}") from error
    content = {} if content is None else content
    if isinstance(content, dict) and "platforms" in content:
        raise UserError(f"{file} is a platform document of kfp, not a file of platform settings: see docs/kubeflow.md")
    try:
        check(content, _FILE)
    except UserError as error:
        raise UserError(f"{file}: {error.message}") from error
    everywhere = {key: content[key] for key in ("environment_secrets",) if key in content}
    return PlatformSettings(
        merge(_full(everywhere), _full(content.get("defaults", {}))),
        content.get("accelerators", {}),
        {name: _full(each) for name, each in content.get("tasks", {}).items()},
    )


def accelerator_resources(file: Path) -> dict[str, str]:
    """Returns the pod's resource of each accelerator that the cluster has; empty where the file does not say.

    Raises:
        UserError: It cannot be read, or has something that means nothing.
    """
    return {name: each["resource"] for name, each in read_platform(file).accelerators.items()}


def merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Returns both: mappings are merged and lists are joined; of anything else, the second's."""
    return first | {key: _merged(first[key], value) if key in first else value for key, value in second.items()}


def _merged(first: Any, second: Any) -> Any:
    if isinstance(first, dict):
        return merge(first, second)
    if isinstance(first, list):
        return first + [each for each in second if each not in first]
    return second


def _full(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns a task's settings with short forms written out."""
    return {
        key: {name: _written_out(key, each) for name, each in value.items()} if isinstance(value, dict) else value
        for key, value in settings.items()
    }


def _written_out(key: str, value: Any) -> Any:
    if key in _SHORT_FORMS and isinstance(value, str):
        return {_SHORT_FORMS[key]: value}
    if key in ("environment_secrets", "environment_config_maps") and isinstance(value, list):
        return {name: name for name in value}
    return value
