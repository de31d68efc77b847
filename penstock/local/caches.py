"""Where Penstock keeps what it can make again, and folders that are made there once."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import platformdirs


def cache_root() -> Path:
    """Returns `$PENSTOCK_CACHE`, or the place for caches on this system."""
    return Path(os.environ.get("PENSTOCK_CACHE") or platformdirs.user_cache_path("penstock")).absolute()


def is_kept(folder: Path) -> bool:
    """Tells whether a folder was made to the end."""
    return (folder / ".complete").exists()


def keep(folder: Path, make: Callable[[Path], None]) -> Path:
    """Returns a folder, which is made unless it is there; one process makes it, others wait. What was left unfinished is made again.

    Args:
        folder: The folder; its name tells what it is made from.
        make: Fills it.
    """
    if is_kept(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not is_kept(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / ".complete").touch()
    return folder
