"""Copying and measuring folders."""

import shutil
from pathlib import Path


def copy_folder(source: Path, destination: Path) -> None:
    """Copies the files below a folder.

    `shutil.copytree` goes on after an error and then raises one that no longer says whether the disk is full.

    Raises:
        OSError: The first error, as it was raised.
    """
    destination.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        target = destination / path.relative_to(source)
        if path.is_dir():
            target.mkdir()
        else:
            shutil.copyfile(path, target)


def folder_bytes(folder: Path) -> int:
    """Returns the size of the files below a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
