"""Which run writes to a folder of a bucket, where no lock ends with the process that holds it."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from penstock.components.protocol import TaskError, figure

FOLDER = ".lease"
RENEWAL_SECONDS = 10.0
# So long nothing changes before another run takes over; only what this process sees counts, not the clock of another machine.
ABANDONED_SECONDS = 45.0
_logger = logging.getLogger(__name__)


class Lease:
    """A numbered object that its owner replaces by the next one as long as it works.

    A bucket can create an object only if there is none of that name (`If-None-Match`, `ifGenerationMatch=0`). So of two runs that see the
    same number, one alone gets the next.

    Args:
        files: The file system.
        root: The folder in it.
        where: What messages call it.

    Raises:
        TaskError: Another run is at work.
    """

    def __init__(self, files: Any, root: str, where: str) -> None:
        self._files, self._folder, self._where = files, f"{root}/{FOLDER}", where
        self._ended, self._lost = threading.Event(), False
        self._number = self._abandoned() + 1
        if not self._create(self._number):
            raise taken(self._where)
        if self._create(self._number):
            _logger.warning("the store of %s cannot tell two runs apart that write to one folder; start one at a time", where)

    def require(self) -> None:
        """Checks that no other run has taken over.

        Raises:
            TaskError: One has, because it did not see this one work.
        """
        if self._lost:
            raise taken(self._where)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Renews the lease until the block ends, and then gives it back."""
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._ended.set()
            renewing.join()
            if not self._lost:
                with contextlib.suppress(Exception):  # an abandoned lease costs the next run a wait
                    self._files.rm(self._folder, recursive=True)

    def _renew(self) -> None:
        while not self._lost and not self._ended.wait(RENEWAL_SECONDS):
            with contextlib.suppress(Exception):  # it is tried again; whether that was too late, the next number tells
                if self._create(self._number + 1):
                    self._number += 1
                    self._files.rm_file(self._name(self._number - 1))
                else:
                    self._lost = True

    def _abandoned(self) -> int:
        """Returns the number that a killed run has left; 0 where none has.

        Raises:
            TaskError: A run is at work: its number grows.
        """
        found, since = self._highest(), time.monotonic()
        if found:
            figure(f"waiting whether another run is at work in {self._where}")
        while found and time.monotonic() < since + ABANDONED_SECONDS:
            time.sleep(RENEWAL_SECONDS / 10)
            now = self._highest()
            if now > found:
                raise taken(self._where)
            found = now  # 0 if that run has ended
        return found

    def _highest(self) -> int:
        try:
            return max((int(str(name).rpartition("/")[2]) for name in self._files.ls(self._folder, detail=False)), default=0)
        except FileNotFoundError:
            return 0

    def _create(self, number: int) -> bool:
        """Creates a number; False if another run has."""
        try:
            self._files.pipe_file(self._name(number), b"", mode="create")
        except FileExistsError:
            return False
        return True

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:09d}"


def taken(where: str) -> TaskError:
    """Returns the error of a run that finds another one at work."""
    return TaskError(f"another run is writing to output_uri {where}; wait until it has ended, or give another output_uri")
