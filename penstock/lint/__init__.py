"""Portability of compiled KFP pipelines: what Kubeflow, Vertex AI or a laptop would refuse, or silently do otherwise."""

from collections.abc import Collection, Mapping
from typing import Any

from ..spec.document import Document, UnreadableError, read_documents
from .registry import BACKENDS, Finding, Rule, all_rules

__all__ = ["BACKENDS", "Finding", "Rule", "UnreadableError", "all_rules", "lint"]


def lint(text: str, backends: Collection[str] = BACKENDS, parameters: Mapping[str, Any] | None = None) -> list[Finding]:
    """Checks a compiled pipeline or component.

    Args:
        text: The YAML (or JSON), by whatever compiler.
        backends: Where it shall run: `kubeflow`, `vertex`, `local`.
        parameters: The values of the pipeline's parameters, as far as they are known; they count where else the defaults do.

    Returns:
        What the rules found: errors first, rule by rule, each in the document's order.

    Raises:
        UnreadableError: The text is not a compiled pipeline.
    """
    document = Document(read_documents(text), parameters or {})
    findings = [finding for rule in all_rules() for finding in _findings(rule, document, backends)]
    return sorted(findings, key=lambda finding: finding.severity != "error")


def _findings(rule: Rule, document: Document, backends: Collection[str]) -> list[Finding]:
    asked = tuple(backend for backend in rule.backends if backend in backends)
    if not asked:
        return []
    return [Finding(rule.id, rule.severity, asked, place, " ".join(message.split())) for place, message in rule.check(document)]
