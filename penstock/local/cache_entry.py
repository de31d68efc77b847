"""A finished task's outputs as they are kept: what is not, byte for byte, what was written is not an entry."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kfp import dsl

from penstock.components.protocol import TaskError
from penstock.components.protocol.atomic import atomically

from ..kfp_adapter.dsl import create_artifact_instance
from ..kfp_adapter.orchestrator import serialize_outputs
from ..spec.contents import bytes_of

# The form of the entries: one of another form is ignored.
SCHEMA = 1
_ARTIFACT = "__kfp_artifact__"
_ARTIFACTS = "__kfp_artifact_list__"


@dataclass(frozen=True)
class Entry:
    """A finished task's outputs.

    Attributes:
        key: What they are the answer to.
        component: The Penstock component that gave them; empty for any other.
        outputs: Output parameters and artifacts, as kfp.local writes them.
        fingerprints: Those of the artifacts, in the order of the outputs' names; empty for one without bytes.
    """

    key: str
    component: str
    outputs: dict[str, Any]
    fingerprints: list[str]

    @classmethod
    def of(cls, key: str, component: str, outputs: dict[str, Any]) -> "Entry":
        """Hashes the outputs of a task that has just finished.

        Raises:
            TaskError: An artifact has links.
            OSError: An artifact cannot be read.
        """
        return cls(key, component, serialize_outputs(outputs), _fingerprints(outputs))

    @classmethod
    def read(cls, place: Path, key: str) -> "Entry | None":
        """Reads an entry; None if none is there that is whole, of this form and for this key."""
        try:
            document = json.loads(place.read_bytes())
            kept = document["kept"]
            if document["schema"] != SCHEMA or document["sha256"] != _sha256(kept) or kept["key"] != key:
                return None
            return cls(**{field.name: kept[field.name] for field in fields(cls)})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, place: Path) -> None:
        """Writes the entry, whole or not at all."""
        kept = json.loads(json.dumps(asdict(self)))
        with atomically(place, concurrent=True) as scratch:
            scratch.write_text(json.dumps({"schema": SCHEMA, "sha256": _sha256(kept), "kept": kept}), encoding="utf-8")

    def restore(self) -> dict[str, Any] | None:
        """Returns the outputs; None if an artifact is not what it was."""
        outputs = {name: _restored(value) for name, value in self.outputs.items()}
        try:
            return outputs if _fingerprints(outputs) == self.fingerprints else None
        except (OSError, TaskError):
            return None


def _sha256(kept: Any) -> str:
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _fingerprints(outputs: dict[str, Any]) -> list[str]:
    values = (value for _, output in sorted(outputs.items()) for value in (output if isinstance(output, list) else [output]))
    return [bytes_of(value) for value in values if isinstance(value, dsl.Artifact)]


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and value.get(_ARTIFACT):
        return create_artifact_instance(
            {"name": value["name"], "uri": value["uri"], "metadata": value["metadata"], "type": {"schemaTitle": value["schema_title"]}}
        )
    if isinstance(value, dict) and value.get(_ARTIFACTS):
        return [_restored(item) for item in value["artifacts"]]
    return value
