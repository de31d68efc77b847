"""Files and folders wherever fsspec reaches."""

from pathlib import Path
from typing import Any

from .artifacts import local_path


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Returns the fsspec filesystem that holds a path or URI, and the path on it; where a backend has mounted it, the mount's.

    Raises:
        ImportError: The filesystem's package is not installed.
        ValueError: Nobody knows the URI's scheme.
    """
    import fsspec

    mounted = local_path(uri)
    return fsspec.core.url_to_fs(mounted if Path(mounted).exists() else uri)


def fetch_folder(uri: str, folder: Path) -> None:
    """Copies the contents of a folder at a path or URI.

    Args:
        uri: Where from.
        folder: Where to; made if need be.

    Raises:
        Exception: It cannot be read; every filesystem has exceptions of its own.
    """
    files, root = open_filesystem(uri)
    files.get(f"{root.rstrip('/')}/", f"{folder}/", recursive=True)
