"""Lists, copies and measures the content of a folder. An artifact consists only of files and folders."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from .errors import TaskError

_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def files_of(root: Path) -> Iterator[Path]:
    """Yields a file itself, or every file below a folder, in no order.

    A link would let what is read change while what was hashed stays the same, and a pipe is never read to its end.

    Raises:
        TaskError: Something there is neither a file nor a folder, or has a name that no other machine can read.
        OSError: Nothing is there, or it cannot be read.
    """
    kind = root.lstat().st_mode
    if stat.S_ISREG(kind):
        yield root
        return
    if not stat.S_ISDIR(kind):
        raise _refusal(root, kind)
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                _check_name(path)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path
                else:
                    raise _refusal(path, path.lstat().st_mode)


def copy_folder(source: Path, destination: Path) -> None:
    """Copies the files below a folder.

    `shutil.copytree` goes on after an error and then raises one that no longer says whether the disk is full.

    Raises:
        TaskError: Something below the folder is neither a file nor a folder.
        OSError: The first error, as it was raised.
    """
    files = list(files_of(source))
    destination.mkdir(parents=True)
    for file in files:
        target = destination / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target, follow_symlinks=False)


def settle(root: Path) -> None:
    """Leaves of an output what every backend gives on: Kubeflow drops empty folders, and whether a file may be executed.

    Links stay: the hashing of the output refuses them.

    Raises:
        OSError: It cannot be changed.
    """
    if root.is_symlink():
        return
    if root.is_dir():
        for child in list(root.iterdir()):
            settle(child)
        if not any(root.iterdir()):
            root.rmdir()
    elif root.is_file() and (mode := stat.S_IMODE(root.stat().st_mode)) & _EXECUTE:
        root.chmod(mode & ~_EXECUTE)


def folder_bytes(folder: Path) -> int:
    """Returns the size of the files below a folder, in bytes."""
    return sum(file.lstat().st_size for file in files_of(folder))


def _check_name(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise TaskError(f"{shown} has a name that is not UTF-8, which other machines cannot read; rename it") from error


def _refusal(path: Path, kind: int) -> TaskError:
    what = "is a link" if stat.S_ISLNK(kind) else "is neither a file nor a folder"
    return TaskError(f"{path} {what}; an artifact is made of files and folders only: replace it by what it stands for")
