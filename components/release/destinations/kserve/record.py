"""What an InferenceService says of the versions that it serves: an annotation of each predictor.

It is the predictor's annotation and not the InferenceService's, because KServe copies both into the pods: a change there would restart every
pod, while a predictor's record lives and dies with its pods. So it is also written in one request with the change that it describes.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from penstock.components.data import stored
from penstock.components.data.stored import Stored

from .spec import SCALING, storage_uri

RECORD = "penstock.dev/record"
HISTORY = 10
# Kubernetes takes 256 KiB of annotations; the pods have others as well.
_RECORD_BYTES = 192 << 10
# The traffic share of a predictor in Knative mode; Standard mode ignores it. Present: the predictor has not been promoted.
SHARE = "canaryTrafficPercent"


@dataclass(frozen=True)
class KServeVersion(Stored):
    """A version that an InferenceService serves, has served, or is about to.

    Attributes:
        predictor: Its predictor, without this record: enough to serve it again.
        fingerprint: The model's fingerprint; empty if Penstock has not put it there.
        model_version: Its version in the registry.
        uri: Where the model lies, as KServe reads it.
        record_uri: Where its release's record lies.
        digest: Tells its predictor from others of the same model; KServe adds defaults to a predictor, so that it cannot be compared.
        scaling: The predictor's replicas and autoscaling, which it must not have as a canary in Standard mode.
        revision: The Knative revision that it was when another version was staged beside it.
        after: The latest Knative revision when it was staged; its own comes after that.
        model_name: The name under which it is registered; empty if unknown.
        history: What had served before it, the latest first, each without a history.
        beside: What serves for as long as this one is staged, if that is not the latest of the history.
    """

    predictor: dict[str, Any]
    fingerprint: str = ""
    model_version: str = ""
    uri: str = ""
    record_uri: str = ""
    digest: str = ""
    scaling: dict[str, int | str] = field(default_factory=dict)
    revision: str = ""
    after: str = ""
    model_name: str = ""
    history: "tuple[KServeVersion, ...]" = ()
    beside: "KServeVersion | None" = None

    @property
    def previous(self) -> "KServeVersion | None":
        """What served before it, with what had served before that."""
        return replace(self.history[0], history=self.history[1:]) if self.history else None

    @property
    def name(self) -> str:
        """The predictor's name: unique for each version in Standard mode, empty in Knative mode."""
        return self.predictor.get("name", "")

    def is_same(self, other: "KServeVersion | None") -> bool:
        """Tells whether both are the same model at the same place, served in the same way."""
        return other is not None and (self.fingerprint, self.uri, self.digest) == (other.fingerprint, other.uri, other.digest)

    def entry(self, revision: str = "") -> "KServeVersion":
        """Returns what others remember of this version."""
        return replace(self, revision=revision, after="", history=(), beside=None)

    def staged_beside(self, serving: "KServeVersion | None", revision: str = "") -> "KServeVersion":
        """Returns this version with what serves as its rollback point."""
        if serving is None:
            return self
        return replace(self, history=(serving.entry(revision), *serving.history)[:HISTORY])


def read_version(predictor: dict[str, Any]) -> KServeVersion:
    """Reads the version that a predictor serves.

    A record of another model than the predictor's is a copy and is ignored.

    Raises:
        TaskError: The record is malformed, or a newer version of Penstock has written it.
    """
    plain = {key: value for key, value in predictor.items() if key != SHARE}
    what, remedy = f"the predictor's annotation {RECORD}", "restore it, or take it away (kubectl)"
    record = stored.load((predictor.get("annotations") or {}).get(RECORD, "{}"), what, remedy)
    if record.get("uri") != storage_uri(predictor):
        return KServeVersion(plain, uri=storage_uri(predictor), scaling=scaling(plain))
    plain["annotations"] = {key: value for key, value in plain["annotations"].items() if key != RECORD}
    if not plain["annotations"]:
        del plain["annotations"]
    return stored.from_object(KServeVersion, record | {"predictor": plain}, what, remedy)


def scaling(predictor: dict[str, Any]) -> dict[str, int | str]:
    """Returns the fields of a predictor that say how many replicas it has."""
    return {key: predictor[key] for key in SCALING if key in predictor}


def write_version(version: KServeVersion) -> dict[str, Any]:
    """Returns the predictor of a version, with its record: as much of the history as an annotation has room for."""
    record = _brief(version) | {"history": [_brief(entry, with_predictor=True) for entry in version.history]}
    if version.beside:
        record["beside"] = _brief(version.beside, with_predictor=True)
    text = _text(record)
    while len(text) > _RECORD_BYTES and record["history"]:
        record["history"].pop()
        text = _text(record)
    return version.predictor | {"annotations": (version.predictor.get("annotations") or {}) | {RECORD: text}}


def _brief(version: KServeVersion, *, with_predictor: bool = False) -> dict[str, Any]:
    """Returns the fields of a version that say something, without the versions that it knows."""
    left_out = {"history", "beside"} if with_predictor else {"history", "beside", "predictor"}
    fields = stored.to_object(replace(version, history=(), beside=None))
    return {key: value for key, value in fields.items() if key not in left_out and (value or key == "uri" or key in version.unknown)}


def _text(record: dict[str, Any]) -> str:
    return stored.dump(record, separators=(",", ":"), sort_keys=True)
