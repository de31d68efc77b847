"""What a rule and a finding are, and the list of all rules."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..spec.document import Document

Severity = Literal["error", "warning"]
Check = Callable[[Document], Iterator[tuple[str, str]]]

BACKENDS = ("kubeflow", "vertex", "local")


@dataclass(frozen=True)
class Rule:
    """A trap that a compiled file can show.

    Attributes:
        id: Its name.
        backends: Where it matters.
        severity: `error`: the backend refuses the file, fails a task or does something else than what it says. `warning`: it works, but not
            as one may think, or not everywhere.
        reason: Why, as Markdown; the first paragraph says it in one sentence.
        link: The upstream issue, source or documentation that tells of it.
        check: Yields each place in the document that shows it, and what to do there.
    """

    id: str
    backends: tuple[str, ...]
    severity: Severity
    reason: str
    link: str
    check: Check

    @property
    def summary(self) -> str:
        """The reason in one sentence."""
        return " ".join(self.reason.partition("\n\n")[0].split())


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule's name.
        severity: `error` or `warning`.
        backends: The backends, of those that were asked about, where it matters.
        place: The path into the document, such as `deploymentSpec.executors.exec-train-model.container`.
        message: What is there and what to do.
    """

    rule: str
    severity: Severity
    backends: tuple[str, ...]
    place: str
    message: str


_RULES: dict[str, Rule] = {}


def all_rules() -> list[Rule]:
    """Returns all rules, in the order in which they are documented."""
    importlib.import_module(f"{__package__}.rules")  # its modules register their rules
    return list(_RULES.values())


def error(name: str, *backends: str, link: str) -> Callable[[Check], Check]:
    """Registers a check, whose docstring is the reason, as a rule for errors."""
    return _registering(name, backends, "error", link)


def warning(name: str, *backends: str, link: str) -> Callable[[Check], Check]:
    """Registers a check, whose docstring is the reason, as a rule for warnings."""
    return _registering(name, backends, "warning", link)


def _registering(name: str, backends: tuple[str, ...], severity: Severity, link: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _RULES[name] = Rule(name, backends or BACKENDS, severity, inspect.getdoc(check) or "", link, check)
        return check

    return register
