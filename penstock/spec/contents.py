"""The content of a task's arguments: the bytes of artifacts and of the files that parameters name."""

import functools
import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kfp import dsl

from penstock.components.data.user_module import split_name, with_imports
from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.fingerprint import file_marks, fingerprint

_PATTERN_FIELD = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(:\d+)?\}")
_URI = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.:-]*://.+", re.DOTALL)  # a query in it may have several lines
# Where a task writes to, not what it reads.
_WRITTEN = {"tracking_uri", "registry_uri"}
_LONGEST_PATH = 1024


def content(value: Any) -> Any:
    """Returns what stands for a value in a key.

    Raises:
        TaskError: An artifact has links, so that its bytes are not all its own.
        OSError: An artifact, or a file that a parameter names, cannot be read.
    """
    if isinstance(value, dsl.Artifact):
        return {"type": value.schema_title, "bytes": bytes_of(value), "metadata": _metadata(value)}
    if isinstance(value, dict):
        return {name: content(item) for name, item in value.items()}
    if isinstance(value, list):
        return [content(item) for item in value]
    return [value, _files_behind(value)] if isinstance(value, str) else value


def names_elsewhere(arguments: dict[str, Any]) -> bool:
    """Tells whether an argument names what lies on no disk of this machine, such as `gs://bucket/rows`.

    Its content may change, so it must be read each time.
    """
    return any(_is_elsewhere(value) for name, value in arguments.items() if name not in _WRITTEN)


def bytes_of(artifact: dsl.Artifact) -> str:
    """Hashes an artifact's bytes; empty for one that has none here.

    Raises:
        TaskError: It has links.
        OSError: It cannot be read.
    """
    path = artifact.path
    return _fingerprint(path, tuple(file_marks(path).items())) if path and os.path.lexists(path) else ""


@functools.cache
def _fingerprint(path: str, _marks: tuple[Any, ...]) -> str:
    """Hashes a file that several tasks read once per run, unless it changes."""
    return fingerprint(path)


def _metadata(artifact: dsl.Artifact) -> list[Any]:
    # A summary is for people, and may hold times.
    known = {name: value for name, value in artifact.metadata.items() if name != "summary"}
    return [artifact.uri if "://" in artifact.uri else "", known]


def _is_elsewhere(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return any(map(_is_elsewhere, value.values() if isinstance(value, dict) else value))
    if isinstance(value, dsl.Artifact):
        return _is_elsewhere(value.uri) and not bytes_of(value)
    return (
        isinstance(value, str)
        and not value.startswith("file://")
        and bool(_URI.fullmatch(split_name(value)[1]))
        and not _files_behind(value)
    )


def _files_behind(text: str) -> list[tuple[str | int, ...]]:
    """Returns the path and the state of every local file that a parameter names: a file, folder, glob or pattern.

    A program can set a file's size and mtime back; its ctime it cannot.
    """
    if not text or len(text) > _LONGEST_PATH or "\n" in text or "\0" in text:
        return []
    path = Path.cwd() / os.path.expanduser(local_path(split_name(text)[1]))  # noqa: PTH111 - as fsspec does
    found = [path] if os.path.exists(path) else map(Path, glob.glob(_PATTERN_FIELD.sub("*", str(path)), recursive=True))  # noqa: PTH110, PTH207 - take any text
    files = [file for item in found for file in _files_of(item)]
    return sorted(_state(file) for file in files if file.is_file())


def _files_of(item: Path) -> Iterable[Path]:
    """Returns the files that something names: those of a folder, and of a module also what it imports of its folder."""
    if item.is_dir():
        return item.rglob("*")
    return [item.parent / name for name in with_imports(item.parent, item.name)] if item.suffix == ".py" and item.is_file() else [item]


def _state(file: Path) -> tuple[str | int, ...]:
    stat = file.stat()
    return str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
