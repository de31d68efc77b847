"""Caches: when a task runs again."""

from collections.abc import Iterator

from ...spec.document import DagTask, Document, artifacts_of, known_value, parameters_of, place_of
from ..registry import error, warning
from .links import ISSUE, PULL, SOURCE


@error("stale-answer", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def stale_answer(document: Document) -> Iterator[tuple[str, str]]:
    """Penstock's tasks about serving models and registries, and verdicts of gates, must not come from a cache.

    push_model, control_release, register_model and resolve_baseline change the outside world or report its state. If a second rollback came
    from a cache, it would report `rolled back` and do nothing. Penstock compiles their tasks without caching. Caching is on if you call
    `set_caching_options(True)`, if an older version of Penstock compiled the file, or if you use `load_component_from_file`: call
    `set_caching_options(False)`. `penstock run` never caches them. Do not pass `enable_caching=True` to kfp's client or to Vertex AI's
    `PipelineJob`, because it turns caching on for every task. A custom cache key replaces the inputs, so one model could get the verdict of
    another.
    """
    from ...spec.containers import components_in, never_cached

    for task, command in _cached_commands(document):
        if name := never_cached(command):
            yield (
                f"{task.place}.cachingOptions",
                f"the outputs of {name} must not come from a cache; call set_caching_options(False), or compile it again",
            )
        elif task.spec["cachingOptions"].get("cacheKey") and (names := components_in(command)):
            yield f"{task.place}.cachingOptions", f"the outputs of {', '.join(sorted(names))} depend on its inputs; remove the cache key"


@warning("uri-in-cache", "kubeflow", "vertex", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def uri(document: Document) -> Iterator[tuple[str, str]]:
    """The backends' caches compare a URI, not the content behind it.

    If you put new rows under the same URI and run again, the cache returns the results of the old rows. Use a new URI for each version of
    the data, call `set_caching_options(False)`, or submit with `--no-cache`. `penstock run` is safe: it reruns a Penstock task if its
    parameters name files that are not on this machine.
    """
    from ...spec.containers import components_in
    from ...spec.contents import names_elsewhere

    for task, command in _cached_commands(document):
        if not components_in(command):
            continue
        for name in task.parameters:
            values = [known_value(origin) for _, origin in document.origins(task.component_name, name)]
            if any(names_elsewhere({name: value}) for value in values):
                yield (
                    f"{task.place}.inputs.parameters.{name}",
                    "the cache ignores the content at the URI; if it changes, use --no-cache",
                )


@warning("optional-artifact", "vertex", link=f"{ISSUE}11410")
def optional_artifact(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI does not cache a component with an optional input artifact.

    Its tasks run every time. Make the artifact required, or use a STRING parameter with a URI and an empty default.
    """
    for name, component in {task.component_name: task.component for task in _cached(document)}.items():
        if optional := sorted(artifact for artifact, spec in artifacts_of(component).items() if spec.get("isOptional")):
            yield (
                f"{place_of(name)}.inputDefinitions.artifacts",
                f"optional: {', '.join(optional)}; Vertex AI does not cache its tasks; make it required",
            )


@warning("environment-in-cache", "kubeflow", link=f"{ISSUE}14339")
def environment(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow's cache ignores environment variables.

    If you change only `set_env_variable(...)`, the cache returns the old result. Vertex AI, and KFP after 2.17, run the task again. If a
    value affects the result, pass it as a parameter.
    """
    labels = {task.component.get("executorLabel") for task in _cached(document)}
    for place, label, container in document.executors("container"):
        if label in labels and container.get("env"):
            names = ", ".join(variable["name"] for variable in container["env"])
            yield f"{place}.env", f"Kubeflow's cache ignores {names}; if it affects the result, pass it as a parameter"


@warning("default-in-cache", "kubeflow", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def default(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow's cache ignores the defaults of a component.

    If you change the default of a container component's parameter, the cache returns the outputs of the old default. Pass the value
    explicitly when you create the task. `penstock compile`, `submit` and `upload` write the defaults of all tasks into the file.
    """
    from ...spec.containers import is_lightweight

    for task, command in _cached_commands(document):
        if not command or is_lightweight(command):  # its defaults stand in its code
            continue
        known = {name for name, spec in parameters_of(task.component).items() if "defaultValue" in spec}
        if missing := sorted(known - task.parameters.keys()):
            yield (
                task.place,
                f"Kubeflow's cache ignores the defaults of {', '.join(missing)}; pass the values, or use `penstock submit`",
            )


@warning("cache-key", "vertex", link=f"{PULL}11466")
def cache_key(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI does not document custom cache keys.

    KFP's backend and kfp.local use `set_caching_options(True, cache_key=...)`. Vertex AI computes its key from the inputs, the definitions
    of the outputs and the specification of the component.
    """
    for task in document.tasks():
        if key := task.spec.get("cachingOptions", {}).get("cacheKey"):
            yield f"{task.place}.cachingOptions", f"Vertex AI may ignore the cache key {key}; do not rely on it"


@warning("caching-of-a-group", "kubeflow", "local", link=f"{SOURCE}backend/src/v2/driver/dag.go")
def caching_of_a_group(document: Document) -> Iterator[tuple[str, str]]:
    """`set_caching_options(False)` on a nested pipeline does not affect its tasks.

    Each inner task has its own caching options, and only containers are cached, so the tasks still come from the cache. Set the option on
    the inner tasks, or turn caching off for the whole run.
    """
    for task in document.tasks():
        options = task.spec.get("cachingOptions")
        if task.is_group and options is not None and not options.get("enableCache") and _caches(document, task):
            yield f"{task.place}.cachingOptions", "caching is off for a nested pipeline, but on for its tasks; set it on the tasks"


def _cached_commands(document: Document) -> Iterator[tuple[DagTask, list[str]]]:
    """Yields each cached task with its container's command line."""
    return ((task, document.command_of(task)) for task in _cached(document))


def _cached(document: Document) -> Iterator[DagTask]:
    return (task for task in document.tasks() if not task.is_group and task.spec.get("cachingOptions", {}).get("enableCache"))


def _caches(document: Document, group: DagTask) -> bool:
    return any(task.parent == group.component_name for task in _cached(document))
