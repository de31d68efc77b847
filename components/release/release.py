"""What is known of a version that was released: it goes wherever the model's bytes go."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.components.data.stored import Stored
from penstock.components.evidence.probe import is_probe
from penstock.components.protocol.errors import TaskError


@dataclass(frozen=True)
class Release(Stored):
    """A version of a model, blessed and checked.

    Attributes:
        fingerprint: The SHA-256 of the model's bytes, as `protocol.fingerprint` gives it. Empty: another client has put it there.
        model_version: Its version in the registry; empty if it was not registered.
        probe: Requests with known answers: `instances`, `predictions`, `tolerance`. Empty if unknown.
        model_name: The name under which it is registered; empty if unknown.
    """

    fingerprint: str
    model_version: str = ""
    probe: dict[str, Any] = field(default_factory=dict)
    model_name: str = ""

    def __post_init__(self) -> None:
        """Refuses a probe by which no answer could be checked.

        Raises:
            ValueError: It is invalid.
        """
        if self.probe and not is_probe(self.probe):
            raise ValueError("its probe does not contain requests with known answers and a tolerance")

    @property
    def label(self) -> str:
        """What people call it: `v2`, or the start of its fingerprint."""
        if self.model_version:
            return f"v{self.model_version}"
        return self.fingerprint[:12] or "a model that Penstock did not push"


def find_release(served: Iterable[Release], to: str) -> Release:
    """Finds the version that the user means.

    Args:
        served: The versions that serve or have served at a destination.
        to: A fingerprint, or its start.

    Raises:
        TaskError: No version has this fingerprint, or several.
    """
    known = {release.fingerprint: release for release in served}
    found = [release for fingerprint, release in known.items() if fingerprint.startswith(to)]
    if len(found) != 1:
        which = ", ".join(" ".join(dict.fromkeys((release.label, fingerprint[:12]))) for fingerprint, release in known.items()) or "none"
        problem = "no version that served there has" if not found else f"{len(found)} versions that served there have"
        raise TaskError(f"{problem} a fingerprint that starts with {to!r}; the versions that have served: {which}")
    return found[0]
