"""Which bytes features come from."""

from collections.abc import Iterable
from typing import Any

from penstock.components.data.filesystems import absolute, explaining, is_local, open_filesystem
from penstock.components.protocol import TaskError, file_sha256, redact
from penstock.components.protocol.fingerprint import fingerprint_of


def versions_of(tables: Iterable[str]) -> dict[str, str]:
    """Returns what tells one version of a table from another, by its path or URI: `sha256:` or, in a bucket, `etag:` and a hash.

    Args:
        tables: Paths or URIs of Parquet files, or of folders or globs of them.

    Raises:
        TaskError: A table does not exist, or cannot be read.
    """
    found = {}
    for table in tables:
        with explaining(f"the table {redact(table)} cannot be read", "correct its path in feature_repository"):
            found[redact(table)] = _version(table)
    return found


def _version(table: str) -> str:
    files, root = open_filesystem(absolute(table))
    names = sorted(files.find(root) if files.isdir(root) else files.glob(root))
    if not names:
        raise TaskError(f"the table {redact(table)} does not exist; correct its path in feature_repository")
    kind = "sha256" if is_local(files) else "etag"
    marks = {name.removeprefix(root): file_sha256(name) if is_local(files) else _etag(files, name) for name in names}
    return f"{kind}:{next(iter(marks.values())) if len(marks) == 1 else fingerprint_of(marks)}"


def _etag(files: Any, name: str) -> str:
    info = files.info(name)
    return str(info.get("ETag") or info.get("etag") or files.ukey(name)).strip('"')
