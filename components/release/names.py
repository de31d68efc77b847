"""The names of models and of InferenceServices: they become part of URLs, of paths and of metrics."""

import re

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

# The longest display name that Vertex AI takes, and short enough for any file system.
LONGEST = 128
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST - 1}}}")

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# What KServe makes of names must fit into 63 characters: in mode standard the label isvc.NAME-xxxxxxxx-predictor, and the host
# NAME-xxxxxxxx-predictor-NAMESPACE; in mode Knative the host latest-NAME-predictor.
_LONGEST_STANDARD, _LONGEST_STANDARD_WITH_NAMESPACE, _LONGEST_KNATIVE = 39, 43, 46


def is_model_name(name: str) -> bool:
    """Tells whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


def check_model_name(name: str) -> None:
    """Refuses what no model may be called.

    Raises:
        TaskError: It is not a name.
    """
    if not is_model_name(name):
        raise TaskError(
            f"model_name {redact(name)[:80]!r} cannot be part of a URL: use letters, digits, '-', '_' and '.', a letter or digit first, {LONGEST} at most"
        )


def check_kserve_name(what: str, name: str, longest: int = 63) -> None:
    """Refuses a name that KServe refuses.

    Raises:
        TaskError: It is not a DNS label as RFC 1123 has it, or starts with a digit, or is too long.
    """
    if not _DNS_LABEL.fullmatch(name) or len(name) > longest:
        raise TaskError(
            f"{what} {name!r} is not a DNS-1123 label that starts with a letter; use at most {longest} lower-case letters, digits and '-'"
        )


def longest_kserve_name(namespace: str, mode: str) -> int:
    """Returns how many characters the name of an InferenceService may have: KServe takes a longer one, and never gets it ready.

    Args:
        namespace: Where it is.
        mode: `standard`, in any case; another is `knative`, or one that is not known yet, which may be that.

    Raises:
        TaskError: The namespace leaves no room for a name.
    """
    if mode.lower() != "standard":
        return _LONGEST_KNATIVE
    longest = min(_LONGEST_STANDARD, _LONGEST_STANDARD_WITH_NAMESPACE - len(namespace))
    if longest < 1:
        raise TaskError(
            f"namespace {namespace!r} leaves no characters for an InferenceService in mode standard: both together may have at most "
            f"{_LONGEST_STANDARD_WITH_NAMESPACE}; choose a shorter namespace"
        )
    return longest
