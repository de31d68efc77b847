"""The identity of an artifact's bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO


def fingerprint(path: str | Path) -> str:
    """Hashes a file, or every file below a folder.

    Args:
        path: A file or a folder. Empty folders do not count.

    Returns:
        The hexadecimal SHA-256 over the sorted relative POSIX paths and the SHA-256 of each file's contents. A single file
        has the relative path `""`, so that renaming it changes nothing.

    Raises:
        FileNotFoundError: Nothing is at `path`.
    """
    root = Path(path)
    if root.is_file():
        return fingerprint_of({"": file_sha256(root)})
    files = [file for file in root.rglob("*") if file.is_file()]
    if not files and not root.exists():
        raise FileNotFoundError(root)
    return fingerprint_of({file.relative_to(root).as_posix(): file_sha256(file) for file in files})


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
