"""The files of a registered version."""

import shutil
from pathlib import Path

from penstock.components.data.filesystems import fetch_folder
from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.disk_space import is_disk_full
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import fingerprint
from penstock.components.protocol.folders import copy_folder

from .registry import RegisteredVersion


class BrokenVersion(Exception):
    """A version whose bytes are not the ones that were registered."""


def fetch_version(version: RegisteredVersion, destination: Path) -> None:
    """Copies a version's files, and checks that they are the ones that were registered.

    Args:
        version: The version.
        destination: The folder to make; what is there is removed.

    Raises:
        BrokenVersion: The files are missing, cannot be read, or have other bytes.
        OSError: There is no room for them.
    """
    shutil.rmtree(destination, ignore_errors=True)
    source = Path(local_path(version.source))
    if source.is_dir():
        try:
            copy_folder(source, destination)
        except (FileNotFoundError, PermissionError) as error:
            raise BrokenVersion(f"the files of version {version.version} cannot be read ({error})") from error
    elif "://" in version.source and not version.source.startswith("file://"):
        _download(version.source, destination)
    else:
        raise BrokenVersion(f"the files of version {version.version} are missing at {version.source}")
    if fingerprint(destination) != version.fingerprint:
        shutil.rmtree(destination)
        raise BrokenVersion(f"the files of version {version.version} at {version.source} differ from the registered bytes")


def _download(uri: str, destination: Path) -> None:
    try:
        fetch_folder(uri, destination)
    except TaskError:
        raise
    except Exception as error:  # every store has its own errors
        if is_disk_full(error):  # this machine's trouble, not the version's
            raise
        raise BrokenVersion(f"the files at {uri} cannot be read ({type(error).__name__}: {error})") from error
