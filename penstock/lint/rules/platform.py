"""What only Kubernetes knows."""

from collections.abc import Iterator

from ...spec.document import Document, Spec, place_of
from ..registry import error, warning
from .links import LOCAL_GUIDE, SOURCE

# kfp.local makes a folder for it.
_LOCAL_SETTINGS = {"workspace"}


# What a task reads, and where: the environment variables, or the folder.
_VARIABLES = {"secretAsEnv", "configMapAsEnv", "fieldPathAsEnv"}
_FOLDERS = {"secretAsVolume", "configMapAsVolume", "pvcMount", "emptyDirMounts", "genericEphemeralVolume"}


@error("kubernetes-value", "local", link=LOCAL_GUIDE)
def kubernetes_value(document: Document) -> Iterator[tuple[str, str]]:
    """Locally, a task cannot read secrets, ConfigMaps, volumes and pod fields.

    An environment variable or folder that Kubernetes would provide does not exist there. `penstock run` does not start such a pipeline
    unless the variable is in its own environment or the folder exists. Values with `optional` may be missing on every backend.
    """
    for place, name in missing_values(document):
        yield (
            place,
            f"only Kubernetes provides {name}; use a parameter, or set it up before `penstock run`",
        )


def missing_values(document: Document) -> Iterator[tuple[str, str]]:
    """Yields what tasks need of Kubernetes: the place, and the environment variable or the absolute path of the folder."""
    for platform, label, settings in _executors(document):
        for kind in sorted(settings.keys() & (_VARIABLES | _FOLDERS)):
            for number, source in enumerate(settings[kind]):
                place = f"platforms.{platform}.deploymentSpec.executors.{label}.{kind}[{number}]"
                if not source.get("optional"):
                    yield from ((place, name) for name in _names(source))


def _names(source: Spec) -> Iterator[str]:
    """Yields the variables, or the folder, that one setting gives."""
    yield from (key["envVar"] for key in source.get("keyToEnv", []) if "envVar" in key)
    yield from (source[key] for key in ("mountPath", "name") if key in source and not (key == "name" and "mountPath" in source))


def _executors(document: Document) -> Iterator[tuple[str, str, Spec]]:
    """Yields the platform, the label and the settings of each executor."""
    for platform, spec in document.platform.get("platforms", {}).items():
        for label, settings in spec.get("deploymentSpec", {}).get("executors", {}).items():
            yield platform, label, settings


@warning("platform-settings", "local", link=LOCAL_GUIDE)
def platform_settings(document: Document) -> Iterator[tuple[str, str]]:
    """Platform settings have no effect on a laptop.

    Optional secrets, timeouts, tolerations and node selectors of kfp-kubernetes, and the time to live of a `dsl.PipelineConfig`, affect
    only Kubernetes. (Vertex AI rejects the file: see `two-documents`.) A setting that the task requires is an error: see
    `kubernetes-value`.
    """
    needed = {place.rpartition("[")[0] for place, _ in missing_values(document)}
    for platform, label, settings in _executors(document):
        place = f"platforms.{platform}.deploymentSpec.executors.{label}"
        if others := sorted(name for name in settings if f"{place}.{name}" not in needed):
            yield place, f"{', '.join(others)}: no effect locally; provide what the task needs in the environment"
    for platform, spec in document.platform.get("platforms", {}).items():
        if of_pipeline := sorted({*spec.get("pipelineConfig", {})} - _LOCAL_SETTINGS):
            yield f"platforms.{platform}.pipelineConfig", f"{', '.join(of_pipeline)}: no effect locally; do not rely on it"


@warning("task-config", "vertex", link=f"{SOURCE}sdk/python/kfp/dsl/task_config.py")
def task_config(document: Document) -> Iterator[tuple[str, str]]:
    """Only Kubeflow passes a task's Kubernetes settings to the component.

    `dsl.TaskConfig` and `task_config_passthroughs` pass tolerations, volumes and similar settings to the resources that a component
    creates. Vertex AI documents nothing of this kind. Pass what the component needs as parameters.
    """
    for name, component in document.components.items():
        if component.get("taskConfigPassthroughs"):
            yield (
                f"{place_of(name)}.taskConfigPassthroughs",
                "only Kubeflow passes these settings; pass what the component needs as parameters",
            )
