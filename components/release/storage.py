"""Where a model lies so that a destination's own machines can load it: in a bucket, or on a volume."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.data.filesystems import is_local, open_store, write_whole
from penstock.components.protocol.artifacts import Input
from penstock.components.protocol.disk_space import is_disk_full
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import fingerprint, fingerprint_of, stream_sha256
from penstock.components.protocol.folders import files_of
from penstock.components.protocol.redacting import redact

from .release import Release

_PVC = "pvc://"
_BUCKETS = ("gs://", "s3://", "minio://")
_READERS = 8
_BLOCK_BYTES = 16 << 20


class Unreadable(TaskError):
    """What lies in a store cannot be read from here."""


class RecordMissing(TaskError):
    """A model was placed somewhere, and what is known of it is gone from there."""


@dataclass(frozen=True)
class Placed:
    """Where a model lies.

    Attributes:
        uri: The URI of the SavedModel's folder.
        record_uri: The URI of its Release, as JSON.
    """

    uri: str
    record_uri: str


def place(model: Input, release: Release, storage: str, model_name: str) -> Placed:
    """Makes sure that a model lies whole where a destination can read it, and what is known of it beside it.

    Every byte is read back. The record is written last: a model without one is not finished. Calling it again finishes what was
    interrupted; what is there already is not copied again.

    Args:
        model: The model.
        release: What is known of it.
        storage: Where models are kept: `gs://BUCKET/FOLDER`, `s3://...`, `minio://...` (S3 at the endpoint that
            `AWS_ENDPOINT_URL_S3` names) or `pvc://CLAIM/FOLDER` (written through its mount `/pvc/CLAIM`, or `$PENSTOCK_PVC_ROOT/CLAIM`).
            Empty: the artifact's own bucket, in place.
        model_name: The model's name, a folder of the storage.

    Raises:
        TaskError: The storage is invalid or unusable, the artifact is not in a bucket, or its bytes there differ.
    """
    if not storage:
        return _in_place(model, release)
    if not storage.startswith((_PVC, *_BUCKETS)):
        raise TaskError(f"storage {storage!r} is invalid; give gs://, s3://, minio:// or pvc://, such as gs://bucket/models")
    folder = f"{storage.rstrip('/')}/{model_name}/{release.model_version}-{release.fingerprint[:12]}".replace("/-", "/")
    placed = Placed(f"{folder}/model", f"{folder}/{_record_name(release)}")
    with _one_line("the model cannot be written to", folder):
        files, root = _open(placed.uri)
        if _fingerprint(files, root) != release.fingerprint:
            _copy(model.path, files, root)
            _require(release.fingerprint, files, root, placed.uri)
        _write_record(placed, release)
    return placed


def read_record(record_uri: str) -> Release:
    """Reads what is known of a model that was placed.

    Raises:
        RecordMissing: It is gone.
        TaskError: It cannot be read, or is malformed.
    """
    with _one_line("the record of a model cannot be read at", record_uri):
        files, path = _open(record_uri)
        try:
            return stored.load_as(Release, files.cat_file(path), f"the record {record_uri}", "push the model again")
        except FileNotFoundError as error:
            raise RecordMissing(f"the record {record_uri} is missing; push the model again") from error


def require(uri: str, record_uri: str, fingerprint: str) -> None:
    """Makes sure that what lies at a URI is still the model that was placed there.

    Args:
        uri: Where it lies, perhaps in KServe's words.
        record_uri: Where its record does.
        fingerprint: The model's.

    Raises:
        Unreadable: The files cannot be read.
        TaskError: It is another one, or gone.
    """
    own = f"minio://{uri.removeprefix('s3://')}" if record_uri.startswith("minio://") else uri
    with _one_line("cannot verify the released model at", own, Unreadable):
        _require(fingerprint, *_open(own), own)


def kserve_uri(uri: str) -> str:
    """Returns a URI in the words of KServe, which knows MinIO as S3 (its endpoint is in the service account's secret).

    From S3 its storage initializer fetches every object whose key begins so: without a slash at the end those beside the folder as well, such
    as the record of `model`, `model.release-....json` (_download_s3 in kserve_storage.py).
    """
    own = f"s3://{uri.removeprefix('minio://')}" if uri.startswith("minio://") else uri
    return f"{own.rstrip('/')}/" if own.startswith("s3://") else own


def _in_place(model: Input, release: Release) -> Placed:
    uri = model.uri.rstrip("/")
    if not uri.startswith(_BUCKETS):
        raise TaskError(
            f"the model {uri} is not in a bucket that the destination can read; add storage=gs://BUCKET/FOLDER to the destination"
        )
    placed = Placed(uri, f"{uri}.{_record_name(release)}")
    with _one_line("the model cannot be used at", uri):
        _require(release.fingerprint, *_open(uri), uri)
        _write_record(placed, release)
    return placed


def _open(uri: str) -> tuple[Any, str]:
    """Returns the filesystem of a URI, and the path on it."""
    if not uri.startswith(_PVC):
        return open_store(uri)
    claim, _, path = uri.removeprefix(_PVC).partition("/")
    mount = Path(os.environ.get("PENSTOCK_PVC_ROOT", "/pvc")) / claim
    if not claim or not mount.is_dir():
        raise TaskError(f"the claim {claim!r} of {uri} is not mounted in this task; mount it at {mount}")
    return open_store(f"file://{mount / path}")


def _copy(model: Path, files: Any, root: str) -> None:
    """Copies a model's files, as many at a time as the filesystem likes, and removes other files."""
    sources = {f"{root}/{path.relative_to(model).as_posix()}": path for path in files_of(model)}
    if unexpected := [name for name in _names(files, root) if name not in sources]:
        files.rm(unexpected)
    files.put([str(path) for path in sources.values()], list(sources))


def _require(wanted: str, files: Any, root: str, uri: str) -> None:
    if (found := _fingerprint(files, root)) != wanted:
        raise TaskError(f"the bytes at {uri} ({found[:12]}) are not the bytes of the model ({wanted[:12]}); push it again")


def _record_name(release: Release) -> str:
    """Names a record after what it says: a push that is rejected must not change by what an earlier one of the same bytes is judged."""
    content = stored.dump(release, sort_keys=True).encode()
    return f"release-{hashlib.sha256(content).hexdigest()[:12]}.json"


def _write_record(placed: Placed, release: Release) -> None:
    """Writes what is known of a model, and keeps what a newer version of Penstock has written there."""
    files, path = _open(placed.record_uri)
    there = files.cat_file(path) if files.exists(path) else b""
    try:
        before = stored.load_as(Release, there, f"the record {placed.record_uri}", "push the model again")
    except stored.Malformed:
        before = None
    record = stored.dump(stored.growing(release, before), indent=1, sort_keys=True).encode()
    if there != record:
        write_whole(files, path, record)


def _fingerprint(files: Any, root: str) -> str:
    """Reads every file below a folder, several at a time, and returns `protocol.fingerprint` of it."""

    def sha256(name: str) -> str:
        with files.open(name, "rb", block_size=_BLOCK_BYTES) as stream:
            return stream_sha256(stream)

    if is_local(files) and Path(root).exists():  # a volume: fsspec would follow links
        return fingerprint(root)
    names = _names(files, root)
    with ThreadPoolExecutor(_READERS) as pool:
        return fingerprint_of({name[len(root) + 1 :]: hash_ for name, hash_ in zip(names, pool.map(sha256, names), strict=True)})


def _names(files: Any, root: str) -> list[str]:
    """Lists the files below a folder; some tools keep an empty object with a slash for each folder."""
    try:
        return [name for name in files.find(root) if not name.endswith("/")]
    except FileNotFoundError:  # no bucket; writing to it reports that
        return []


@contextmanager
def _one_line(what: str, uri: str, kind: type[TaskError] = TaskError) -> Iterator[None]:
    """Makes whatever a store raises one line that says what to do."""
    try:
        yield
    except TaskError:
        raise
    except Exception as error:  # every store has errors of its own
        reason = " ".join(redact(str(error)).split()) or type(error).__name__
        raise kind(f"{what} {uri} ({reason:.200}); {_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    if is_disk_full(error):
        return "make room there"
    if isinstance(error, FileNotFoundError):
        return "make the bucket, or name another one"
    if "Credentials" in type(error).__name__:
        return "give this task's account credentials for the store"
    # gcsfs says so in words, and by a code that it may hold as text
    if isinstance(error, PermissionError) or "Forbidden" in str(error) or str(getattr(error, "code", "")) in ("401", "403"):
        return "permit this task's account to list, read and write objects there"
    return "check that the store can be reached, and its address"
