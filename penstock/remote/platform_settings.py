"""The platform settings file: the Kubernetes settings of a run, in YAML.

`terraform output -raw platform_settings` writes a first one. docs/kubeflow.md says what each key means.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from penstock.components.release.quantity import is_quantity

from ..errors import UserError
from ..spec.yaml_text import load_document
from .shapes import EITHER, FULL, NOT_GIVEN, SHORT, Record, check, form

_Path = Annotated[str, form(lambda text: text.startswith("/"), "a path from the root, such as /mnt/data")]
_Quantity = Annotated[str, form(is_quantity, "a quantity such as 10Gi")]
_Duration = Annotated[str, form(lambda text: bool(re.fullmatch(r"[1-9]\d*[smhd]", text)), "a number and its unit, such as 90m, 12h or 2d")]
_Variables = dict[str, Annotated[Annotated[list[str], SHORT] | Annotated[dict[str, str], FULL], EITHER]]


class _Toleration(Record):
    key: str = NOT_GIVEN
    operator: Literal["Exists", "Equal"] = NOT_GIVEN
    value: str = NOT_GIVEN
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = NOT_GIVEN
    toleration_seconds: int = NOT_GIVEN


class _Match(Record):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] = NOT_GIVEN


class _Affinity(Record):
    match_expressions: list[_Match]
    weight: int = NOT_GIVEN


class _Claim(Record):
    mount_path: _Path
    sub_path: str = NOT_GIVEN


class _EmptyDir(Record):
    mount_path: _Path
    medium: Literal["Memory"] = NOT_GIVEN
    size_limit: _Quantity = NOT_GIVEN


class _Volume(Record):
    mount_path: _Path
    size: _Quantity
    access_modes: list[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]] = NOT_GIVEN
    storage_class: str = NOT_GIVEN


class _SecurityContext(Record):
    run_as_user: int = NOT_GIVEN
    run_as_group: int = NOT_GIVEN
    run_as_non_root: bool = NOT_GIVEN


class _Nodes(Record):
    node_selectors: dict[str, str] = NOT_GIVEN
    tolerations: list[_Toleration] = NOT_GIVEN


class TaskShape(_Nodes):
    """The settings of a task."""

    node_affinity: list[_Affinity] = NOT_GIVEN
    environment_secrets: _Variables = NOT_GIVEN
    environment_config_maps: _Variables = NOT_GIVEN
    environment_fields: dict[str, str] = NOT_GIVEN
    secret_volumes: dict[str, _Path] = NOT_GIVEN
    config_map_volumes: dict[str, _Path] = NOT_GIVEN
    volume_claims: dict[str, Annotated[Annotated[_Path, SHORT] | Annotated[_Claim, FULL], EITHER]] = NOT_GIVEN
    empty_dirs: dict[str, Annotated[Annotated[_Path, SHORT] | Annotated[_EmptyDir, FULL], EITHER]] = NOT_GIVEN
    ephemeral_volumes: dict[str, _Volume] = NOT_GIVEN
    image_pull_secrets: list[str] = NOT_GIVEN
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = NOT_GIVEN
    timeout: _Duration = NOT_GIVEN
    labels: dict[str, str] = NOT_GIVEN
    annotations: dict[str, str] = NOT_GIVEN
    security_context: _SecurityContext = NOT_GIVEN


class _Accelerator(_Nodes):
    resource: str
    service_account: str = NOT_GIVEN


class _Serving(Record):
    namespace: str = NOT_GIVEN
    service_account: str = NOT_GIVEN


class _File(_Serving):
    serving: _Serving = NOT_GIVEN
    environment_secrets: _Variables = NOT_GIVEN
    accelerators: dict[str, _Accelerator] = NOT_GIVEN
    defaults: TaskShape = NOT_GIVEN
    tasks: dict[str, TaskShape] = NOT_GIVEN


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
        check(content, _File)
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
