"""What only Kubernetes knows."""

from collections.abc import Iterator

from ..document import Document, place_of
from ..registry import warning
from .links import LOCAL_GUIDE, SOURCE

# kfp.local makes a folder for it.
_LOCAL_SETTINGS = {"workspace"}


@warning("platform-settings", "local", link=LOCAL_GUIDE)
def platform_settings(document: Document) -> Iterator[tuple[str, str]]:
    """Platform settings have no effect on a laptop.

    Secrets, volumes, timeouts, tolerations and node selectors of kfp-kubernetes, and the time to live of a `dsl.PipelineConfig`, are Kubernetes' business.
    (Vertex AI refuses the file: see `two-documents`.) A task that reads a secret's environment variable finds none.
    """
    for platform, spec in document.platform.get("platforms", {}).items():
        for label, settings in spec.get("deploymentSpec", {}).get("executors", {}).items():
            place = f"platforms.{platform}.deploymentSpec.executors.{label}"
            yield place, f"{', '.join(sorted(settings))}: no effect locally; give the task what it needs in the environment"
        if settings := sorted({*spec.get("pipelineConfig", {})} - _LOCAL_SETTINGS):
            yield f"platforms.{platform}.pipelineConfig", f"{', '.join(settings)}: no effect locally; do not rely on it"


@warning("task-config", "vertex", link=f"{SOURCE}sdk/python/kfp/dsl/task_config.py")
def task_config(document: Document) -> Iterator[tuple[str, str]]:
    """A task's Kubernetes settings are handed to the component on Kubeflow only.

    `dsl.TaskConfig` and `task_config_passthroughs` pass tolerations, volumes and the like on to what a component itself creates. Vertex AI documents nothing of
    the kind. Pass what the component needs as parameters.
    """
    for name, component in document.components.items():
        if component.get("taskConfigPassthroughs"):
            yield f"{place_of(name)}.taskConfigPassthroughs", "handed over by Kubeflow only; pass what the component needs as parameters"
