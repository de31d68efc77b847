"""Writes the platform document with kfp-kubernetes from the settings file, for the tasks of one pipeline."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kfp import kubernetes

from ..errors import UserError
from ..kfp_adapter.kubernetes import mount_pvc, set_security_context
from ..spec.pipeline_file import did_you_mean
from .accelerator_names import ACCELERATORS
from .accelerators import Accelerator
from .platform_settings import PlatformSettings, merge, read_platform
from .values import Use, uses_of

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Task:
    """What kfp-kubernetes' functions change of a task: its platform configuration."""

    def __init__(self) -> None:
        self.platform_config: dict[str, Any] = {}


def platform_spec(settings: Path, spec: dict[str, Any], accelerators: dict[str, Accelerator]) -> dict[str, Any] | None:
    """Returns the platform document of a pipeline.

    Args:
        settings: The platform settings file.
        spec: The PipelineSpec in JSON form.
        accelerators: What its tasks ask for, by the label of their executor.

    Returns:
        A PlatformSpec in JSON form; None where there is nothing to say.

    Raises:
        UserError: The file cannot be read, or has something that means nothing, such as a task that the pipeline does not have.
    """
    read = read_platform(settings)
    uses = {label: each for label, each in uses_of(spec, {}).items() if "container" in spec["deploymentSpec"]["executors"][label]}
    of_tasks = _by_executor(read, uses, settings)
    executors = {}
    for label in uses:
        of_accelerator = _of_accelerator(read, accelerators.get(label))
        config = _config(merge(merge(read.defaults, of_accelerator), of_tasks.get(label, {})), f"{settings}, {uses[label][0].task}")
        if config:
            executors[label] = config
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}} if executors else None


def _by_executor(settings: PlatformSettings, uses: dict[str, list[Use]], file: Path) -> dict[str, dict[str, Any]]:
    """Returns the settings of tasks by the label of their executor, which a task may be named by too."""
    tasks = {label: sorted({use.task for use in each}) for label, each in uses.items()}
    known = {name for names in tasks.values() for name in names} | {label.removeprefix("exec-") for label in tasks}
    found: dict[str, dict[str, Any]] = {}
    for name, given in settings.tasks.items():
        if name not in known:
            raise UserError(f"{file} has settings for the task {name}, which the pipeline does not have{did_you_mean(name, sorted(known))}")
        found |= dict.fromkeys([label for label, names in tasks.items() if name in names] or [f"exec-{name}"], given)
    for label, names in tasks.items():
        if any(name in settings.tasks and settings.tasks.get(other) != settings.tasks[name] for name in names for other in names):
            raise UserError(f"{file}: the tasks {', '.join(names)} run the same container, {label}: give them the same settings")
    return found


def _of_accelerator(settings: PlatformSettings, accelerator: Accelerator | None) -> dict[str, Any]:
    """Returns what a task needs to run on the accelerator's nodes; for any accelerator of a resource: to any of their nodes."""
    if accelerator is None:
        return {}
    if accelerator.name in settings.accelerators:
        return _nodes(settings.accelerators[accelerator.name], "node_selectors", "tolerations")
    resource = ACCELERATORS.get(accelerator.name, {}).get("kubeflow", accelerator.name)
    found: dict[str, Any] = {}
    for each in settings.accelerators.values():
        if each["resource"] == resource:
            found = merge(found, _nodes(each, "tolerations"))
    return found


def _nodes(accelerator: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: accelerator[key] for key in keys if key in accelerator}


def _config(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Returns the configuration of an executor, a KubernetesExecutorConfig in JSON form."""
    _check_mounts(settings, where)
    task = _Task()
    for key, value in settings.items():
        try:
            _APPLY[key](task, value)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: {key}: {error}") from error
    return task.platform_config.get("kubernetes", {})


def _check_mounts(settings: dict[str, Any], where: str) -> None:
    seen: dict[str, str] = {}
    for name, path in _mounts(settings):
        if path in seen:
            raise UserError(f"{where}: {seen[path]} and {name} are both mounted at {path}: mount one elsewhere")
        seen[path] = name


def _mounts(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("secret_volumes", "config_map_volumes", "volume_claims", "empty_dirs", "ephemeral_volumes"):
        for name, volume in settings.get(key, {}).items():
            yield name, (volume if isinstance(volume, str) else volume["mount_path"]).rstrip("/")


def _each(function: Callable[..., Any]) -> Callable[[_Task, dict[str, Any]], None]:
    """Returns what applies a function to each `name: value`, or `name: {keyword: value}`."""

    def apply(task: _Task, values: dict[str, Any]) -> None:
        for name, value in values.items():
            function(task, name, value)

    return apply


def _each_record(function: Callable[..., Any], **defaults: Any) -> Callable[[_Task, dict[str, Any]], None]:
    def apply(task: _Task, values: dict[str, Any]) -> None:
        for name, value in values.items():
            function(task, name, **defaults | value)

    return apply


def _each_item(function: Callable[..., Any]) -> Callable[[_Task, list[Any]], None]:
    def apply(task: _Task, values: list[Any]) -> None:
        for value in values:
            function(task, **value)

    return apply


def _set_timeout(task: _Task, text: str) -> None:
    kubernetes.set_timeout(task, int(text[:-1]) * _SECONDS[text[-1]])


def _add_ephemeral_volume(task: _Task, name: str, mount_path: str, size: str, access_modes: list[str], storage_class: str | None) -> None:
    kubernetes.add_ephemeral_volume(task, name, mount_path, access_modes, size, storage_class)


_APPLY: dict[str, Callable[[_Task, Any], Any]] = {
    "environment_secrets": _each(kubernetes.use_secret_as_env),
    "environment_config_maps": _each(kubernetes.use_config_map_as_env),
    "environment_fields": _each(kubernetes.use_field_path_as_env),
    "secret_volumes": _each(kubernetes.use_secret_as_volume),
    "config_map_volumes": _each(kubernetes.use_config_map_as_volume),
    "volume_claims": _each_record(mount_pvc),
    "empty_dirs": _each_record(kubernetes.empty_dir_mount),
    "ephemeral_volumes": _each_record(_add_ephemeral_volume, access_modes=["ReadWriteOnce"], storage_class=None),
    "node_selectors": _each(kubernetes.add_node_selector),
    "node_affinity": _each_item(kubernetes.add_node_affinity),
    "tolerations": _each_item(kubernetes.add_toleration),
    "image_pull_secrets": kubernetes.set_image_pull_secrets,
    "image_pull_policy": kubernetes.set_image_pull_policy,
    "timeout": _set_timeout,
    "labels": _each(kubernetes.add_pod_label),
    "annotations": _each(kubernetes.add_pod_annotation),
    "security_context": lambda task, given: set_security_context(task, **given),
}
