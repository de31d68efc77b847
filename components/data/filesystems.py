"""Files and folders on any file system of fsspec."""

import importlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.atomic import atomically
from penstock.components.protocol.disk_space import is_disk_full
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

# gcsfs asks for each bucket's layout through gRPC, which takes a permission of its own, and waits a minute if nothing answers.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
# It logs a traceback for every error that it raises as well.
logging.getLogger("gcsfs").addHandler(logging.NullHandler())

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
# Schemes whose files have versions, each with a module of its own.
_VERSIONED = ("lakefs", "dvc")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")  # in the messages of Delta's library
_S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Returns the fsspec filesystem that holds a path or URI, and the path on it; where a backend has mounted it, the mount's.

    Raises:
        ImportError: The filesystem's package is not installed.
        TaskError: The URI is a `minio://` one, and the address of MinIO is unknown.
        ValueError: The URI's scheme is unknown.
    """
    mounted = local_path(uri)
    return open_store(mounted if Path(mounted).exists() else uri)


def open_store(uri: str) -> tuple[Any, str]:
    """Returns the fsspec filesystem that holds a path or URI, mounted or not, and the path on it. No request waits for ever.

    `minio://` is `s3://` at the endpoint that `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` names, and `lakefs://` is at the server that
    `LAKECTL_SERVER_ENDPOINT_URL` names. `dvc://` is a Git repository at a commit.

    Raises:
        ImportError: The filesystem's package is not installed.
        TaskError: The URI is a `minio://` or `lakefs://` one, and the variables that it needs are not set, or a `dvc://` one, and DVC is
            not installed.
        ValueError: The URI's scheme is unknown.
    """
    import fsspec

    uri = minio_as_s3(uri)
    scheme, mark, _ = uri.partition("://")
    if scheme in _VERSIONED:
        files: tuple[Any, str] = importlib.import_module(f".{scheme}", __package__).open_files(uri)
        return files
    return fsspec.core.url_to_fs(uri, **_options(scheme if mark else "file"))


def minio_as_s3(uri: str) -> str:
    """Returns a `minio://` URI as the `s3://` one that it is at `s3_endpoint`; any other URI or path as it is.

    Raises:
        TaskError: The URI is a `minio://` one, and the endpoint is not set.
    """
    scheme, _, rest = uri.partition("://")
    if scheme != "minio":
        return uri
    if not s3_endpoint():
        raise TaskError(f"{uri}: the address of MinIO is unknown; set {_S3_ENDPOINTS[0]} to its URL")
    return f"s3://{rest}"


def s3_endpoint() -> str:
    """Returns the URL of the S3 server that the environment names; empty for Amazon's."""
    return next(filter(None, map(os.environ.get, _S3_ENDPOINTS)), "")


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("gs", "gcs"):
        return _gcs_options()
    if scheme in ("s3", "s3a"):
        return s3_options()
    return {"auto_mkdir": True} if scheme == "file" else {}


def _gcs_options() -> dict[str, Any]:
    # As Google's own client does: an emulator has no accounts, and looking for credentials takes seconds.
    emulated = {"token": "anon"} if os.environ.get("STORAGE_EMULATOR_HOST") else {}
    return {"requests_timeout": ANSWER_SECONDS, "use_listings_cache": False} | emulated


def s3_options() -> dict[str, Any]:
    """Returns what s3fs is opened with, whichever server it asks."""
    # s3fs tries five times on top of botocore's attempts.
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS / 4,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    }
    return {"config_kwargs": limits, "use_listings_cache": False}


def absolute(place: str) -> str:
    """Returns a path of this machine from the root, with the home directory that its `~` names, if there is such a user; a URI as it is."""
    if "://" in place:
        return place
    path = Path(place)
    with suppress(RuntimeError):
        path = path.expanduser()
    return str(path.absolute())


@contextmanager
def explaining(problem: str, remedy: str, *passing: type[Exception]) -> Iterator[None]:
    """Makes whatever a filesystem raises one line: `PROBLEM (REASON); REMEDY`.

    Args:
        problem: What could not be done, such as `the log gs://logs/flights cannot be listed`.
        remedy: What to do.
        passing: Errors that pass unchanged, as a TaskError does, and a full disk, which the executor explains.

    Raises:
        TaskError: What the block raised.
    """
    try:
        yield
    except TaskError:
        raise
    except Exception as error:  # every filesystem has exceptions of its own
        if isinstance(error, passing) or is_disk_full(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {_COLOR.sub('', str(error))}".split())
        raise TaskError(f"{problem} ({redact(reason)[:300]}); {remedy}") from error


def is_local(files: Any) -> bool:
    """Tells whether a filesystem is this machine's."""
    return "file" in files.protocol


def write_whole(files: Any, path: str, content: bytes) -> None:
    """Writes a file that appears whole or not at all: an object in a bucket does, and on this machine a rename makes it so."""
    if not is_local(files):
        files.pipe_file(path, content)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomically(Path(path)) as scratch:
        scratch.write_bytes(content)


def move_whole(file: Path, files: Any, path: str) -> None:
    """Moves a file of this machine to where it appears whole or not at all; on this machine, from the same disk."""
    if is_local(files):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file.replace(path)
    else:
        files.put_file(str(file), path)
        file.unlink()


def fetch_folder(uri: str, folder: Path) -> None:
    """Copies the contents of a folder at a path or URI.

    Args:
        uri: Where from.
        folder: Where to; made if need be.

    Raises:
        Exception: Nothing is there, or it cannot be read; every filesystem has exceptions of its own.
    """
    files, root = open_filesystem(uri)
    files.get(f"{root.rstrip('/')}/", f"{folder}/", recursive=True)
