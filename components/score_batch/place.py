"""Where the output goes: a folder or a bucket, in which a file appears whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fsspec.implementations.local import LocalFileSystem

from penstock.components.data import stored
from penstock.components.data.filesystems import open_store
from penstock.components.protocol import TaskError, file_sha256, redact
from penstock.components.protocol.atomic import remove
from penstock.components.protocol.disk_space import is_disk_full

_Answer = TypeVar("_Answer")
_SCRATCH = ".scratch"


class Place:
    """A folder or a bucket.

    Args:
        uri: Its path or URI.

    Attributes:
        uri: Its path or URI.
        hashes: The SHA-256 of each file that was put here.
    """

    def __init__(self, uri: str) -> None:
        self.uri, self._uri = uri, redact(uri)
        self._files, self._root = self._reach(lambda: open_store(uri.rstrip("/")))
        self._is_local = isinstance(self._files, LocalFileSystem)
        self.hashes: dict[str, str] = {}

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Gives a folder to make files in, from which `put` moves them."""
        if not self._is_local:
            with tempfile.TemporaryDirectory(prefix="penstock-score-") as folder:
                yield Path(folder)
            return
        beside = Path(self._root) / _SCRATCH / os.urandom(6).hex()
        self._reach(lambda: beside.mkdir(parents=True))
        try:
            yield beside
        finally:
            remove(beside)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Removes what a killed run was making here, and in the end what a killed worker was."""
        scratch = Path(self._root) / _SCRATCH
        if not self._is_local:
            yield
            return
        self._reach(lambda: remove(scratch))
        try:
            yield
        finally:
            self._reach(lambda: remove(scratch))

    def put(self, file: Path, name: str, sha256: str = "") -> None:
        """Moves a file to its name here; its SHA-256 is that if it is known."""
        self.hashes[name] = sha256 or file_sha256(file)
        target = f"{self._root}/{name}"
        if self._is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            self._reach(lambda: os.replace(file, target))  # noqa: PTH105
        else:
            self._reach(lambda: self._files.put_file(str(file), target))
            file.unlink()

    def write(self, scratch: Path, name: str, content: dict[str, Any]) -> None:
        """Writes a JSON object."""
        file = scratch / "object.json"
        file.write_text(stored.dump(content, indent=1, allow_nan=False), encoding="utf-8")
        self.put(file, name)

    def read(self, name: str) -> dict[str, Any] | None:
        """Reads a JSON object; None where there is none.

        Raises:
            TaskError: It cannot be read.
        """
        try:
            text = self._reach(lambda: self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        return stored.load(text, f"{name} in {self._uri}", "give an empty folder as output_uri")

    def size(self, name: str) -> int | None:
        """Returns a file's size; None where it is not there."""
        try:
            return int(self._reach(lambda: self._files.info(f"{self._root}/{name}"))["size"])
        except FileNotFoundError:
            return None

    def is_empty(self) -> bool:
        """Whether nothing is here, but for what a killed run was making."""
        try:
            found = self._reach(lambda: self._files.ls(self._root, detail=False))
        except FileNotFoundError:
            return True
        return all(str(name).rstrip("/").endswith(f"/{_SCRATCH}") for name in found)

    def _reach(self, act: Callable[[], _Answer]) -> _Answer:
        try:
            return act()
        except (TaskError, FileNotFoundError):
            raise
        except Exception as error:  # every filesystem has exceptions of its own
            if is_disk_full(error):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise TaskError(f"the output cannot be stored at {self._uri} ({reason}); correct output_uri, or give access") from error
