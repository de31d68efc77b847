"""Distinguishes a full disk from other failures of any library."""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# TensorFlow and SQLite raise classes of their own, and so does code that wraps an OSError.
_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


def is_disk_full(error: BaseException) -> bool:
    """Tells whether an error, or one of its causes, means that a disk is full."""
    return any(getattr(each, "errno", None) in _ERRNOS or any(word in str(each) for word in _WORDS) for each in _chain(error))


def file_without_space(error: BaseException, places: Iterable[Path]) -> str:
    """Returns the file that could not be written; if the error does not name it, the one of these places with the least free space."""
    named = [each.filename for each in _chain(error) if isinstance(each, OSError) and each.filename]
    return str(named[0] if named else min([*places, Path(tempfile.gettempdir())], key=_free_bytes))


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _free_bytes(path: Path) -> int:
    there = next((place for place in (path, *path.parents) if place.exists()), Path("/"))
    free = os.statvfs(there)
    return free.f_bavail * free.f_frsize
