"""Which bytes features come from."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from penstock.components.data.filesystems import absolute, explaining, is_local, open_filesystem
from penstock.components.protocol import TaskError, file_sha256, redact
from penstock.components.protocol.fingerprint import fingerprint_of


@contextmanager
def unchanged(tables: Iterable[str]) -> Iterator[dict[str, str]]:
    """Makes sure that no table changes while the block reads it.

    Args:
        tables: Paths or URIs of Parquet files, or of folders or globs of them.

    Yields:
        What tells one version of a table from another, by its path or URI: `sha256:` or, in a bucket, `etag:` and a hash.

    Raises:
        TaskError: A table does not exist, cannot be read, or has changed.
    """
    before = {table: _states(table) for table in tables}
    yield {redact(table): _version(table, list(states)) for table, states in before.items()}
    for table, states in before.items():
        if _states(table) != states:
            raise TaskError(f"the table {redact(table)} changed while it was read; run the task again, and let nothing write there")


def _states(table: str) -> dict[str, Any]:
    """Returns, for each file of a table, what changes when it is written again."""
    with _explaining(table):
        files, root = open_filesystem(absolute(table))
        names = sorted(files.find(root) if files.isdir(root) else files.glob(root))
        if not names:
            raise TaskError(f"the table {redact(table)} does not exist; correct its path in feature_repository")
        return {name: files.checksum(name) for name in names}


def _version(table: str, names: list[str]) -> str:
    with _explaining(table):
        files, root = open_filesystem(absolute(table))
        kind = "sha256" if is_local(files) else "etag"
        marks = {name.removeprefix(root): file_sha256(name) if is_local(files) else _etag(files, name) for name in names}
        return f"{kind}:{next(iter(marks.values())) if len(marks) == 1 else fingerprint_of(marks)}"


def _explaining(table: str) -> AbstractContextManager[None]:
    return explaining(f"the table {redact(table)} cannot be read", "correct its path in feature_repository")


def _etag(files: Any, name: str) -> str:
    info = files.info(name)
    return str(info.get("ETag") or info.get("etag") or files.ukey(name)).strip('"')
