"""The identity of an artifact's bytes."""

import hashlib
from pathlib import Path


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
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    if not files and not root.exists():
        raise FileNotFoundError(root)
    digest = hashlib.sha256()
    for file in files:
        name = "" if file == root else file.relative_to(root).as_posix()
        digest.update(name.encode() + b"\0" + file_sha256(file).encode() + b"\n")
    return digest.hexdigest()


def file_sha256(path: str | Path) -> str:
    """Returns the hexadecimal SHA-256 of one file's contents, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
