"""Where the output goes: a folder or a bucket, in which a file appears whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from penstock.components.data import stored
from penstock.components.data.filesystems import explaining, is_local, move_whole, open_store
from penstock.components.protocol import file_sha256, redact
from penstock.components.protocol.atomic import remove

from .lease import FOLDER, Lease, taken

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
        self._is_local = is_local(self._files)
        self.hashes: dict[str, str] = {}
        self._lease: Lease | None = None

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
        """Removes what a killed run was making here, and in the end what a killed worker was. A folder belongs to one run at a time.

        Raises:
            TaskError: Another run is at work here.
        """
        if not self._is_local:
            self._lease = self._reach(lambda: Lease(self._files, self._root, self._uri))
            with self._lease.held():
                yield
            return
        scratch = Path(self._root) / _SCRATCH
        with self._alone():
            self._reach(lambda: remove(scratch))
            try:
                yield
            finally:
                self._reach(lambda: remove(scratch))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks the folder; the lock ends with the process, however that ends."""
        self._reach(lambda: Path(self._root).mkdir(parents=True, exist_ok=True))
        folder = os.open(self._root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise taken(self._uri) from error
            yield
        finally:
            os.close(folder)

    def put(self, file: Path, name: str, sha256: str = "") -> None:
        """Moves a file to its name here; its SHA-256 is that if it is known.

        Raises:
            TaskError: It cannot be stored, or another run has taken over, because it did not see this one at work.
        """
        if self._lease:
            self._lease.require()
        self.hashes[name] = sha256 or file_sha256(file)
        self._reach(lambda: move_whole(file, self._files, f"{self._root}/{name}"))

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
        """Whether nothing is here, but for what a killed run was making, and its lease."""
        try:
            found = self._reach(lambda: self._files.ls(self._root, detail=False))
        except FileNotFoundError:
            return True
        return all(str(name).rstrip("/").endswith((f"/{_SCRATCH}", f"/{FOLDER}")) for name in found)

    def _reach(self, act: Callable[[], _Answer]) -> _Answer:
        with explaining(f"the output cannot be stored at {self._uri}", "correct output_uri, or give access", FileNotFoundError):
            return act()
