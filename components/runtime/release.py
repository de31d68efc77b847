"""What is known of a version that was released: it goes wherever the model's bytes go."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Release:
    """A version of a model, blessed and checked.

    Attributes:
        fingerprint: The SHA-256 of the model's bytes, as `runtime.fingerprint` gives it. Empty: somebody else has put it there.
        model_version: Its version in the registry; empty if it was not registered.
        probe: Requests with known answers: `instances`, `predictions`, `tolerance`. Empty where nobody knows any.
    """

    fingerprint: str
    model_version: str = ""
    probe: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people call it: `v2`, or the start of its fingerprint."""
        if self.model_version:
            return f"v{self.model_version}"
        return self.fingerprint[:12] or "a model that Penstock has not pushed"
