"""Artifacts as a task sees them: their path and their metadata."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from .errors import TaskError
from .fingerprint import file_marks, fingerprint, fingerprint_of
from .values import decode_metadata

_Read = TypeVar("_Read")
_Marks = dict[str, tuple[int, int, int]]
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
        return cls(spec.get("name", ""), uri, Path(spec.get("customPath") or local_path(uri)), decode_metadata(spec.get("metadata") or {}))


class Input(Artifact):
    """An artifact that a task reads. Who needs its identity asks `fingerprint`, never the metadata."""

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the bytes at the path, computed when it is first asked for: before the task starts.

        Nothing and an empty folder are the same, for object stores keep no empty folders.

        Raises:
            TaskError: The metadata has the fingerprint of other bytes, or the files are not an artifact or cannot be read.
        """
        self._marks = self._look()
        found = self._read(fingerprint, fingerprint_of({}))
        recorded = self.metadata.get("fingerprint", found)
        if recorded == found:
            return found
        if not self.path.exists():
            raise TaskError(f"the artifact at {self.path} no longer exists; run its task again")
        raise TaskError(
            f"the artifact at {self.path} does not match its metadata: the fingerprint of its bytes is {found[:12]}, not "
            f"{str(recorded)[:12]!r}; make it again"
        )

    def require_written(self) -> None:
        """Makes sure that something is there: a task may leave an output unwritten, and on Kubeflow a consumer then finds no folder above it either.

        Raises:
            TaskError: Nothing is.
        """
        if not self.path.exists():
            raise TaskError(
                f"the artifact at {self.path} does not exist, because its task did not write it; see the log of that task, and run it again"
            )

    def require_unchanged(self) -> None:
        """Checks that the files have not changed since their fingerprint was computed.

        An artifact that was written to meanwhile is rejected, even if it has the same bytes again, because the bytes read in between are
        unknown. Where only a file's
        rights or links may have changed, it is read again.

        Raises:
            TaskError: It is not.
        """
        read, now = self.fingerprint, self._look()
        if now != self._marks and (_written(now) != _written(self._marks) or self._read(fingerprint, fingerprint_of({})) != read):
            raise self._changed()

    def _changed(self) -> TaskError:
        return TaskError(f"the artifact at {self.path} changed while the task read it; run the task again, and let nothing write there")

    def _look(self) -> _Marks:
        return self._read(file_marks, _Marks())

    def _read(self, read: Callable[[Path], _Read], nothing: _Read) -> _Read:
        try:
            return read(self.path)
        except FileNotFoundError:
            if self.path.exists():  # a file below it that is removed meanwhile
                raise self._changed() from None
            return nothing
        except OSError as error:
            raise TaskError(f"the artifact at {self.path} cannot be read ({error.filename}: {error.strerror}); make it readable") from error


@dataclass
class Output(Artifact):
    """An artifact that a task writes. Its path lies in a scratch folder until the task has ended well.

    Attributes:
        hashes: The SHA-256 of files that others have written at its URI for the task, by their relative POSIX paths.
    """

    hashes: dict[str, str] = field(default_factory=dict)


def _written(marks: _Marks) -> dict[str, tuple[int, int]]:
    return {name: (size, modified) for name, (size, modified, _) in marks.items()}


def is_in_bucket(uri: str) -> bool:
    """Returns whether an artifact's URI names an object in a bucket."""
    return uri.startswith(tuple(_MOUNTS))


def local_path(uri: str) -> str:
    """Returns the path under which a container sees an artifact's URI."""
    for scheme, mount in _MOUNTS.items():
        if uri.startswith(scheme):
            return mount + uri[len(scheme) :]
    return uri.removeprefix("file://")
