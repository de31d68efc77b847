"""Caches: when a task runs again."""

from collections.abc import Iterator

from ..document import Document, Task, artifacts_of, place_of
from ..registry import warning
from .links import ISSUE, PULL, SOURCE


@warning("optional-artifact", "vertex", link=f"{ISSUE}11410")
def optional_artifact(document: Document) -> Iterator[tuple[str, str]]:
    """On Vertex AI, a component with an optional artifact is never taken from the cache.

    Its tasks run every time. Make the artifact required, or pass its URI as a STRING parameter with an empty default.
    """
    for name, component in {task.component_name: task.component for task in _cached(document)}.items():
        if optional := sorted(artifact for artifact, spec in artifacts_of(component).items() if spec.get("isOptional")):
            yield (
                f"{place_of(name)}.inputDefinitions.artifacts",
                f"optional: {', '.join(optional)}; Vertex AI caches no task of it: make it required",
            )


@warning("environment-in-cache", "kubeflow", link=f"{ISSUE}14339")
def environment(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow's cache does not look at environment variables.

    Change `set_env_variable(...)` and nothing else, and the old result is taken; Vertex AI, and the KFP that comes after 2.17, run the task again. Pass what changes
    the result as a parameter.
    """
    labels = {task.component.get("executorLabel") for task in _cached(document)}
    for place, label, container in document.executors("container"):
        if label in labels and container.get("env"):
            names = ", ".join(variable["name"] for variable in container["env"])
            yield f"{place}.env", f"Kubeflow's cache does not look at {names}; pass what changes the result as a parameter"


@warning("cache-key", "vertex", link=f"{PULL}11466")
def cache_key(document: Document) -> Iterator[tuple[str, str]]:
    """A cache key of one's own is not among what Vertex AI documents.

    `set_caching_options(True, cache_key=...)` is read by KFP's backend and by kfp.local. Vertex AI makes its key of the inputs, the outputs' definitions and the
    component's specification.
    """
    for task in document.tasks():
        if key := task.spec.get("cachingOptions", {}).get("cacheKey"):
            yield f"{task.place}.cachingOptions", f"Vertex AI may not heed the cache key {key}; do not rely on it"


@warning("caching-of-a-group", "kubeflow", "local", link=f"{SOURCE}backend/src/v2/driver/dag.go")
def caching_of_a_group(document: Document) -> Iterator[tuple[str, str]]:
    """`set_caching_options(False)` on a nested pipeline does not reach its tasks.

    Each task within has caching options of its own, and only containers are cached: they are still taken from the cache. Set the option on the tasks
    inside, or turn caching off for the whole run.
    """
    for task in document.tasks():
        options = task.spec.get("cachingOptions")
        if task.is_group and options is not None and not options.get("enableCache") and _caches(document, task):
            yield f"{task.place}.cachingOptions", "caching is off for a nested pipeline, and on for tasks inside; set it on the tasks"


def _cached(document: Document) -> Iterator[Task]:
    return (task for task in document.tasks() if not task.is_group and task.spec.get("cachingOptions", {}).get("enableCache"))


def _caches(document: Document, group: Task) -> bool:
    return any(task.parent == group.component_name for task in _cached(document))
