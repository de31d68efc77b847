"""Caches: when a task runs again."""

from collections.abc import Iterator

from ...spec.document import DagTask, Document, artifacts_of, known_value, parameters_of, place_of
from ..registry import error, warning
from .links import ISSUE, PULL, SOURCE


@error("stale-answer", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def stale_answer(document: Document) -> Iterator[tuple[str, str]]:
    """What serves, and what a registry holds, is never taken from a cache; nor is a gate's verdict, whatever was judged.

    push_model, control_release, register_model and resolve_baseline change the world or say what is so in it: taken from a cache, a second rollback says
    `rolled back` and does nothing. Their tasks are compiled uncached, unless `set_caching_options(True)` says otherwise, an older Penstock compiled them, or
    they were loaded by `load_component_from_file`, which leaves caching on: say `set_caching_options(False)` there. `penstock run` never caches them. Do not
    give `enable_caching=True` to kfp's client or to Vertex AI's `PipelineJob` either: it turns caching on for every task. A cache key of one's own takes the
    place of the inputs, so that a model gets the verdict of another.
    """
    from ...spec.containers import components_in, never_cached

    for task, command in _cached_commands(document):
        if name := never_cached(command):
            yield (
                f"{task.place}.cachingOptions",
                f"the outputs of {name} are true once; say set_caching_options(False), or compile it again",
            )
        elif task.spec["cachingOptions"].get("cacheKey") and (names := components_in(command)):
            yield f"{task.place}.cachingOptions", f"the outputs of {', '.join(sorted(names))} belong to its inputs; leave the cache key out"


@warning("uri-in-cache", "kubeflow", "vertex", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def uri(document: Document) -> Iterator[tuple[str, str]]:
    """The backends' caches know a URI, not what lies there.

    Put new rows under the same URI and run again: the rows of the first run are taken. Give each version of the data a URI of its own, say
    `set_caching_options(False)`, or submit with `--no-cache`. `penstock run` looks: it runs a task of Penstock's again whose parameters name what is not on
    this machine.
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
                    "the cache does not look at what lies at the URI; if that changes, use --no-cache",
                )


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


@warning("default-in-cache", "kubeflow", link=f"{SOURCE}backend/src/v2/cacheutils/cache.go")
def default(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow's cache does not look at a component's defaults.

    Change the default of a container component's parameter, and the outputs of the old one are taken. Give the parameter a value where the task is made;
    `penstock compile`, `submit` and `upload` write the defaults of all tasks into the file.
    """
    from ...spec.containers import is_lightweight

    for task, command in _cached_commands(document):
        if not command or is_lightweight(command):  # its defaults stand in its code
            continue
        known = {name for name, spec in parameters_of(task.component).items() if "defaultValue" in spec}
        if missing := sorted(known - task.parameters.keys()):
            yield (
                task.place,
                f"Kubeflow's cache does not look at the defaults of {', '.join(missing)}; give them, or use `penstock submit`",
            )


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


def _cached_commands(document: Document) -> Iterator[tuple[DagTask, list[str]]]:
    """Yields each cached task with its container's command line."""
    return ((task, document.command_of(task)) for task in _cached(document))


def _cached(document: Document) -> Iterator[DagTask]:
    return (task for task in document.tasks() if not task.is_group and task.spec.get("cachingOptions", {}).get("enableCache"))


def _caches(document: Document, group: DagTask) -> bool:
    return any(task.parent == group.component_name for task in _cached(document))
