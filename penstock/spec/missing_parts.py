"""Parts that a compiled file refers to and does not contain."""

from collections.abc import Iterator

from .document import Document, place_of


def missing_parts(document: Document) -> Iterator[tuple[str, str]]:
    """Yields each place that names what is not in the file, and what is to be done."""
    for task in document.tasks():
        if task.component_name not in document.components:
            yield task.place, f"there is no component {task.component_name or '(the task names none)'}; compile the pipeline again"
        before = task.producers.union(task.spec.get("dependentTasks", []))
        for name in sorted(before - document.components[task.parent]["dag"]["tasks"].keys()):
            yield task.place, f"there is no task {name} in the same pipeline; compile the pipeline again"
    executors = document.spec.get("deploymentSpec", {}).get("executors", {})
    for name, component in document.components.items():
        if (label := component.get("executorLabel", "")) not in executors and "dag" not in component:
            yield place_of(name), f"there is no executor {label or '(the task names none)'}; compile the pipeline again"
    for label in (label for label, executor in executors.items() if not executor):
        yield f"deploymentSpec.executors.{label}", "there is nothing to run; compile the pipeline again"
    for place, _, container in document.executors("container"):
        if not container.get("image"):
            yield place, "there is no image; compile the pipeline again"
