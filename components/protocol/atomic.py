"""Files and folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# On these mounts a rename is a copy: what is made there is made in place.
_IN_PLACE = ("/gcs/",)
_SUFFIX = ".partial"


@contextmanager
def atomically(path: Path, *, concurrent: bool = False) -> Iterator[Path]:
    """Gives a path to make a file or folder at. It is moved to `path` when the block ends, and removed when the block raises.

    A file that was at `path` is replaced; an empty folder too, but no other.

    Args:
        path: Where the file or folder will be.
        concurrent: Whether others may make it at the same time. Only what is not `concurrent` takes away what a killed process left.

    Raises:
        OSError: The file or folder cannot be moved.
    """
    scratch = scratch_beside(path, f".{os.urandom(8).hex()}" if concurrent else "")
    try:
        yield scratch
        if scratch != path:
            scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            remove(scratch)
        raise


def scratch_beside(path: Path, mark: str = "") -> Path:
    """Returns an absent path to make a file or folder at, from where a rename moves it to `path`: `path` itself where a rename is a copy.

    Raises:
        OSError: Its folder cannot be made, or what an earlier attempt left there cannot be removed.
    """
    in_place = str(path).startswith(_IN_PLACE)
    scratch = path if in_place else path.with_name(f".{path.name}{mark}{_SUFFIX}")
    scratch.parent.mkdir(parents=True, exist_ok=True)
    remove(scratch)
    return scratch


def remove_scratch(folder: Path) -> None:
    """Removes what a killed process was making in a folder."""
    for path in folder.glob(f".*{_SUFFIX}"):
        remove(path)


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder and what is in it; nothing where there is none.

    Raises:
        OSError: It cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
