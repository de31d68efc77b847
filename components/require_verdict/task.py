"""The work of require_verdict."""

from typing import NamedTuple

from penstock.components.evidence.verdict import read_verdict
from penstock.components.protocol import Input, TaskError, figure


class Outputs(NamedTuple):
    """The output parameters of require_verdict."""

    verdict: str


def require_verdict(evidence: Input, on_failure: str = "fail") -> Outputs:
    """Reads a gate's verdict; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The gate has not passed and `on_failure` is `fail`, there is no verdict, or a parameter is wrong.
    """
    if on_failure not in ("fail", "warn"):
        raise TaskError(f"on_failure is {on_failure!r}; give fail or warn")
    verdict = read_verdict(evidence.path)
    if not verdict.passed and on_failure == "fail":
        raise TaskError(verdict.reason)
    figure(verdict.word if verdict.passed else f"{verdict.word}: {verdict.reason}")
    return Outputs(verdict.word)
