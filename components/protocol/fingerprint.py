"""The identity of an artifact's bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import BinaryIO

from .folders import files_of


def fingerprint(path: str | Path, known: Mapping[str, str] = MappingProxyType({})) -> str:
    """Hashes a file, or every file below a folder.

    Args:
        path: A file or a folder. Empty folders do not count.
        known: The SHA-256 of files by their relative POSIX paths, which are not read, and need not be here.

    Returns:
        The hexadecimal SHA-256 over the sorted relative POSIX paths and the SHA-256 of each file's contents. A single file
        has the relative path `""`, so that renaming it changes nothing.

    Raises:
        FileNotFoundError: Nothing is at `path`, and nothing is known.
        TaskError: What is there, or something below it, is neither a file nor a folder: links are not followed.
    """
    here = {_name(file, path): file for file in files_of(Path(path))} if not known or Path(path).exists() else {}
    return fingerprint_of({name: file_sha256(file) for name, file in here.items() if name not in known} | dict(known))


def file_marks(path: str | Path) -> dict[str, tuple[int, int, int]]:
    """Returns what changes when a file is written: its size and its times, by its relative POSIX path. Reads no file.

    Raises:
        OSError, TaskError: As `fingerprint` does.
    """
    stats = {_name(file, path): file.lstat() for file in files_of(Path(path))}
    return {name: (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in stats.items()}


def fingerprint_of(hashes: Mapping[str, str]) -> str:
    """Returns the fingerprint of a folder, wherever it lies, from the hexadecimal SHA-256 of each file by its relative POSIX path."""
    digest = hashlib.sha256()
    for name in sorted(hashes, key=PurePosixPath):
        digest.update(name.encode() + b"\0" + hashes[name].encode() + b"\n")
    return digest.hexdigest()


def file_sha256(path: str | Path) -> str:
    """Returns the hexadecimal SHA-256 of one file's contents."""
    with Path(path).open("rb") as stream:
        return stream_sha256(stream)


def stream_sha256(stream: BinaryIO) -> str:
    """Returns the hexadecimal SHA-256 of what is left in a stream, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _name(file: Path, root: str | Path) -> str:
    return "" if file == Path(root) else file.relative_to(root).as_posix()
