"""Rejects pipelines that need something that this machine cannot provide, before anything starts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfp import dsl

from ..errors import UserError
from ..lint.registry import all_rules
from ..lint.rules.platform import kubernetes_value, missing_values
from ..spec.document import Document
from ..spec.pipeline_file import PipelineFile

# The other errors are about what `penstock run` does otherwise: what it never caches, and what it encodes for tasks of Penstock's.
_RULES = {
    "channel-in-collection",
    "executor-kind",
    "final-status-complete",
    "final-status-missing",
    "importer-local",
    "kubernetes-task",
    "kubernetes-value",
    "vertex-placeholder",
}


def refuse(pipeline: PipelineFile, arguments: dict[str, Any]) -> None:
    """Refuses a pipeline that would fail here, or do something else than it says.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments, checked.

    Raises:
        UserError: It is such a pipeline.
    """
    values = {name: value for name, value in arguments.items() if not isinstance(value, dsl.Artifact)}
    document = Document([one for one in (pipeline.document, pipeline.platform) if one is not None], values)
    for rule, place, message in _faults(document):
        raise UserError(f"{pipeline.path.name} cannot run here: {message} (at {place}; `penstock lint --explain {rule}`)")


def _faults(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yields the rule, the place and what is to be done."""
    for rule in all_rules():
        if rule.id not in _RULES:
            continue
        found = list(rule.check(document))
        if rule.check is kubernetes_value:
            there = [_is_here(name) for _, name in missing_values(document)]
            found = [fault for fault, is_here in zip(found, there, strict=True) if not is_here]
        yield from ((rule.id, place, message) for place, message in found)


def _is_here(name: str) -> bool:
    """Tells whether this machine has the variable, or the folder, that Kubernetes would give."""
    return Path(name).exists() if name.startswith("/") else name in os.environ
