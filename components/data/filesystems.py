"""Files and folders on any file system of fsspec."""

import logging
import os
from pathlib import Path
from typing import Any

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.errors import TaskError

# gcsfs asks for each bucket's layout through gRPC, which takes a permission of its own, and waits a minute if nothing answers.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
# It logs a traceback for every error that it raises as well.
logging.getLogger("gcsfs").addHandler(logging.NullHandler())

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
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

    `minio://` is `s3://` at the endpoint that `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` names.

    Raises:
        ImportError: The filesystem's package is not installed.
        TaskError: The URI is a `minio://` one, and neither variable is set.
        ValueError: The URI's scheme is unknown.
    """
    import fsspec

    scheme, _, rest = uri.partition("://")
    if scheme == "minio":
        if not any(os.environ.get(name) for name in _S3_ENDPOINTS):
            raise TaskError(f"{uri}: the address of MinIO is unknown; set {_S3_ENDPOINTS[0]} to its URL")
        scheme, uri = "s3", f"s3://{rest}"
    return fsspec.core.url_to_fs(uri, **_options(scheme))


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("gs", "gcs"):
        return _gcs_options()
    if scheme in ("s3", "s3a"):
        return _s3_options()
    return {"auto_mkdir": True} if scheme == "file" else {}


def _gcs_options() -> dict[str, Any]:
    # As Google's own client does: an emulator has no accounts, and looking for credentials takes seconds.
    emulated = {"token": "anon"} if os.environ.get("STORAGE_EMULATOR_HOST") else {}
    return {"requests_timeout": ANSWER_SECONDS, "use_listings_cache": False} | emulated


def _s3_options() -> dict[str, Any]:
    # s3fs tries five times on top of botocore's attempts.
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS / 4,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    }
    return {"config_kwargs": limits, "use_listings_cache": False}


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
