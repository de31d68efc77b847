"""What a task sees of an artifact: where its bytes lie and what is known about them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Where each backend shows an object store's contents to a container (KFP launcher, Vertex AI).
_MOUNTS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/"}


@dataclass
class Artifact:
    """An artifact that goes into a task or comes out of it.

    Attributes:
        name: The artifact's resource name, as the backend gave it.
        uri: The artifact's URI, as the backend gave it.
        path: The local path that stands for the URI. A task writes a file or a folder here, or nothing.
        metadata: What a consumer needs to know without opening the artifact; JSON values.
    """

    name: str
    uri: str
    path: Path
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_runtime_artifact(cls, spec: dict[str, Any]) -> "Artifact":
        """Reads one KFP `RuntimeArtifact` (JSON form)."""
        uri = spec.get("uri", "")
        return cls(spec.get("name", ""), uri, Path(spec.get("customPath") or local_path(uri)), whole_numbers(spec.get("metadata") or {}))


class Input(Artifact):
    """An artifact that a task reads."""


class Output(Artifact):
    """An artifact that a task writes. Its path lies in a scratch folder until the task has ended well."""


def local_path(uri: str) -> str:
    """Returns the path under which a container sees an artifact's URI."""
    for scheme, mount in _MOUNTS.items():
        if uri.startswith(scheme):
            return mount + uri[len(scheme) :]
    return uri.removeprefix("file://")


def whole_numbers(value: Any) -> Any:
    """Gives back to dicts and lists the ints that travelled as floats (protobuf's Struct has no ints)."""
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
