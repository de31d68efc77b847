"""Processes whose log is read, and that end when the run is interrupted."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
# A line without an end must not fill this process's memory.
_PIECE = 1 << 20
LONGEST_LINE = 1 << 22


class Process(Protocol):
    """A process that leads its own group, in `subprocess.Popen`'s words."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Returns the exit code, or the negative number of the signal that ended it; None while it runs."""

    def wait(self, timeout: float) -> int:
        """Waits for its end, and raises `subprocess.TimeoutExpired` if that takes longer."""


def start_process(command: list[str], variables: dict[str, str], sink: IO[bytes]) -> Process:
    """Starts a command.

    Args:
        command: The command.
        variables: Its whole environment.
        sink: The file that takes its stdout and stderr.
    """
    return subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)


Start = Callable[[list[str], dict[str, str], IO[bytes]], Process]


class Processes:
    """The processes of a run, each the leader of its own group."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._kill_at: float | None = None

    def run(
        self, command: list[str], variables: dict[str, str], log: Path, on_line: Callable[[str], None], start: Start = start_process
    ) -> int:
        """Runs a command to its end.

        A file, not a pipe, takes what it prints, so that a server that it leaves running does not block the reader.

        Args:
            command: The command.
            variables: Its whole environment.
            log: The file that its stdout and stderr are appended to.
            on_line: Called with each line that it prints.
            start: What starts it.

        Returns:
            Its exit code; the negative signal's number if one ended it.
        """
        if self._kill_at is not None:
            return -signal.SIGTERM
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink, log.open("rb") as source:
            source.seek(0, os.SEEK_END)
            process = start(command, variables, sink)
            self._groups.add(process.pid)
            try:
                if self._kill_at is not None:  # meanwhile
                    self._signal(signal.SIGTERM)
                return self._follow(process, source, on_line)
            finally:
                if process.poll() is None:  # this thread was interrupted
                    self.interrupt()
                    self._follow(process, source, on_line)
                self._groups.discard(process.pid)

    @property
    def interrupted(self) -> bool:
        """Whether the run is ending."""
        return self._kill_at is not None

    def interrupt(self) -> None:
        """Asks every running process group to end, kills what is left after ten seconds, and starts nothing more."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + _GRACE_SECONDS
            self._signal(signal.SIGTERM)

    def _follow(self, process: Process, source, on_line: Callable[[str], None]) -> int:
        rest = b""
        while True:
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if self._kill_at is not None and time.monotonic() > self._kill_at:
                    self._signal(signal.SIGKILL)
            while piece := source.read(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                rest = rest[:LONGEST_LINE]
                for line in lines:
                    on_line(line.decode(errors="replace"))
            if process.returncode is not None:
                return process.returncode

    def _signal(self, number: int) -> None:
        for group in list(self._groups):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                self._groups.discard(group)
