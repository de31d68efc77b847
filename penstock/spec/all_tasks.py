"""The tasks of a PipelineSpec in JSON form, whichever DAG they are in."""

from collections.abc import Iterator
from typing import Any


def tasks_of(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the key and the specification of every task of every DAG."""
    for component in (spec["root"], *spec.get("components", {}).values()):
        yield from component.get("dag", {}).get("tasks", {}).items()
