"""The files of this machine that are mounted into a task's container, each at its own path."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.protocol.artifacts import local_path
from penstock.components.release.destinations.uri import split

from ..errors import UserError

_WILDCARD = re.compile(r"[*?\[{]")
_LONGEST_PATH = 1024
_SQLITE = "sqlite:///"
# What a container has of its own.
_TAKEN = {Path("/"), Path("/tmp")}  # noqa: S108


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine.

    Attributes:
        path: Its absolute path, here and in the container.
        writable: Whether the container may change it.
    """

    path: Path
    writable: bool

    @property
    def options(self) -> list[str]:
        """The container engine's options for it."""
        return ["--mount", f"type=bind,source={self.path},target={self.path}{'' if self.writable else ',readonly'}"]


def working_directory() -> Path:
    """Returns the working directory, which relative paths begin at.

    Raises:
        UserError: A container has one of its own at that path.
    """
    if (folder := Path.cwd()) in _TAKEN:
        raise UserError(f"{folder} cannot be mounted into a container, which has its own; run this in another folder")
    return folder


def mounts(root: Path, executor_input: dict[str, Any], variables: dict[str, str]) -> list[Mount]:
    """Finds what a task reads and writes: the run's root; to read, the working directory and what parameters and variables name.

    Args:
        root: The folder for runs, cached outputs and the tracking database.
        executor_input: The task's parameters and artifacts.
        variables: The container's environment variables.
    """
    inputs = executor_input.get("inputs") or {}
    artifacts = [artifact for entry in (inputs.get("artifacts") or {}).values() for artifact in entry.get("artifacts") or []]
    texts = [*_texts(inputs.get("parameterValues")), *(artifact.get("uri", "") for artifact in artifacts), *variables.values()]
    read = {working_directory(), *(path for text in texts for path in _named(text))}
    written = {root, *(folder for text in texts if (folder := _written(text)))}
    return _outermost([Mount(path, path in written) for path in sorted(read | written)])


def served_folder(destination: str) -> Path | None:
    """Returns the folder of a `local://` destination; None for any other text."""
    try:
        scheme, path, _ = split(destination)
    except (TaskError, ValueError):
        return None
    return Path(path).absolute() if scheme == "local" and path else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _named(text: str) -> set[Path]:
    """Returns the file or folder that a path, glob or pattern begins with, and what it is a link to."""
    if not text or len(text) > _LONGEST_PATH or "\n" in text or "\0" in text:
        return set()
    start = Path.cwd() / local_path(text)
    while _WILDCARD.search(str(start)):
        start = start.parent
    if not os.path.exists(start):  # noqa: PTH110 - take any text
        return set()
    return {start, start.resolve()} - _TAKEN


def _written(text: str) -> Path | None:
    """Returns the folder that a task writes to: a local destination's or a tracking database's; makes it if need be."""
    folder = Path(text.removeprefix(_SQLITE)).absolute().parent if text.startswith(_SQLITE) else served_folder(text)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _outermost(found: list[Mount]) -> list[Mount]:
    """Leaves out what lies in another mount that allows as much; the outer ones come first."""
    kept: list[Mount] = []
    for mount in found:
        around = next((other for other in reversed(kept) if mount.path.is_relative_to(other.path)), None)
        if around is None or (mount.writable and not around.writable):
            kept.append(mount)
    return kept
