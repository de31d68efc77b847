"""What an endpoint itself says of its releases, so that the rollback point is found when all else is lost.

Labels    penstock_serving, penstock_previous, penstock_candidate: the starts of fingerprints, for readers and filters
          penstock_lease_holder, penstock_lease_seconds, penstock_lease_until: who changes the endpoint, and for how long
Description   what the user wrote there, and a last line of JSON: the record
"""

import hashlib
from dataclasses import dataclass, field, replace

from google.cloud.aiplatform_v1.types import Endpoint

from penstock.components.data import stored
from penstock.components.data.stored import Stored

HISTORY = 10
_MARK = "penstock: "
_LABELS = "penstock_{}"
_LABEL_LENGTH = 63
_DEPLOYED_IDS = 9 * 10**9


@dataclass(frozen=True)
class VertexVersion(Stored):
    """A version that is or was deployed.

    Attributes:
        fingerprint: The SHA-256 of the model's bytes; empty: another client has deployed it.
        model_version: Its version in the registry.
        model: The resource name of the Model's version, which ends with `@VERSION`.
        uri: Where its SavedModel was when it was uploaded.
        record_uri: Where its release's record is.
        deployed_id: The ID of its DeployedModel on this endpoint.
    """

    fingerprint: str
    model_version: str = ""
    model: str = ""
    uri: str = ""
    record_uri: str = ""
    deployed_id: str = ""


@dataclass(frozen=True)
class Record(Stored):
    """What serves, what waits, and what has served.

    Attributes:
        serving: What answers the traffic that is not the candidate's; None if nothing does.
        candidate: What is staged.
        history: What served before, the latest first.
        split: The traffic split when the candidate was staged: the rollback point.
    """

    serving: VertexVersion | None = None
    candidate: VertexVersion | None = None
    history: tuple[VertexVersion, ...] = ()
    split: dict[str, int] = field(default_factory=dict)

    @property
    def served(self) -> list[VertexVersion]:
        """What serves, and what served before."""
        return [version for version in (self.serving, *self.history) if version]

    @property
    def previous(self) -> VertexVersion | None:
        """What served before what serves now."""
        return next(iter(self.history), None)

    def staged(self, candidate: VertexVersion, split: dict[str, int]) -> "Record":
        """Returns the record once a candidate is staged; the split is kept if it was staged already."""
        known = (version for version in (self.candidate, *self.served) if version)
        named = stored.growing(candidate, next((version for version in known if version.fingerprint == candidate.fingerprint), None))
        if self.candidate and self.candidate.fingerprint == candidate.fingerprint:
            return replace(self, candidate=named)
        return replace(self, candidate=named, split=split)

    def promoted(self) -> "Record":
        """Returns the record once the candidate serves."""
        history = [version for version in self.served if self.candidate and version.fingerprint != self.candidate.fingerprint]
        return replace(self, serving=self.candidate, candidate=None, history=tuple(history[:HISTORY]))

    def back_to(self, version: VertexVersion | None) -> "Record":
        """Returns the record after a return to this version, or to none. Later versions are no longer rollback points."""
        served = [other.fingerprint for other in self.served]
        older = self.served[served.index(version.fingerprint) + 1 :] if version else ()
        return replace(self, serving=version, candidate=None, history=tuple(older), split={})


def deployed_id(endpoint: str, model: str) -> str:
    """Returns the ID under which a Model's version is deployed on an endpoint: the same whenever it is, so that it is deployed once.

    Args:
        endpoint: The endpoint's resource name. Only its last part counts: the API has the project's number where callers have its ID.
        model: The Model's, with `@VERSION`. Likewise.
    """
    text = f"{endpoint.rpartition('/')[2]} {model.rpartition('/')[2]}"
    return str(10**9 + int(hashlib.sha256(text.encode()).hexdigest(), 16) % _DEPLOYED_IDS)


def read_record(endpoint: Endpoint) -> Record:
    """Reads an endpoint's record, or returns an empty one.

    Raises:
        TaskError: The record is malformed, or a newer version of Penstock has written it.
    """
    line = endpoint.description.rpartition("\n")[2]
    if not line.startswith(_MARK):
        return Record()
    what = f"the record in the last line of the description of {endpoint.name}"
    return stored.load_as(Record, line.removeprefix(_MARK), what, "restore the line, or take it away")


def write_record(endpoint: Endpoint, record: Record) -> None:
    """Puts a record into an endpoint's description and labels."""
    text = endpoint.description
    if text.rpartition("\n")[2].startswith(_MARK):
        text = text.rpartition("\n")[0]
    endpoint.description = f"{text}\n{_MARK}{stored.dump(record, separators=(',', ':'))}"
    for name in ("serving", "previous", "candidate"):
        version = getattr(record, name)
        endpoint.labels[_LABELS.format(name)] = version.fingerprint[:_LABEL_LENGTH] if version else ""
