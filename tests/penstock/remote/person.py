"""A person at the command line, in a folder."""

import contextlib
import json
import os
import pty
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from ...command import COMMAND, WARM_COMMAND, variables
from ..pipelines import compiled, to
from .backends import Backend

SECONDS = 90
# The process that runs the tests may ignore Ctrl-C, as a shell's background job does, and so do its children.
_HEARING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
_END = ""
_STATES = "running|cached|done|failed|canceled|skipped|not run|unknown"
_LINE = re.compile(rf"^(\S+) +({_STATES})(?: +((?:\d+ m )?[\d.]+ s))?(?:  +(.*))?$")


class Person:
    """A user who types commands.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def writes_context(self, backend: Backend, **parameters: Any) -> None:
        """Writes `penstock.toml`: where the backend is, and parameters that belong to that place."""
        lines = [f"[contexts.{backend.name}]", f'target = "{backend.name}"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in backend.settings.items()]
        lines += [f"[contexts.{backend.name}.parameters]", *(f"{name} = {json.dumps(value)}" for name, value in parameters.items())]
        (self.folder / "penstock.toml").write_text("\n".join(lines))

    def types(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Types a command."""
        done = subprocess.run(
            [WARM_COMMAND, *map(str, words)],
            cwd=self.folder,
            env=variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def submits(self, pipeline: Any, *options: str, **parameters: Any) -> subprocess.CompletedProcess[str]:
        """Types `penstock submit` for a pipeline; `folder` names this one."""
        return self.types("submit", *self._given(pipeline, parameters), *options)

    def runs(self, pipeline: Any, *options: str, **parameters: Any) -> subprocess.CompletedProcess[str]:
        """Types `penstock run` for a pipeline; `folder` names this one."""
        return self.types("run", *self._given(pipeline, parameters), *options)

    def starts(self, pipeline: Any, *options: str, terminal: bool = False, **parameters: Any) -> "Started":
        """Types `penstock submit` for a pipeline, and does not wait for its end."""
        return Started(["submit", *self._given(pipeline, parameters), *options], self.folder, terminal)

    def _given(self, pipeline: Any, parameters: dict[str, Any]) -> list[str]:
        file = pipeline if isinstance(pipeline, Path) else compiled(pipeline, self.folder)
        given = {"folder": to(self.folder)} | parameters
        return [str(file), *(word for name, value in given.items() if value is not None for word in ("-p", f"{name}={value}"))]


class Started:
    """A command that goes on.

    Args:
        words: The command.
        folder: Where.
        terminal: Whether it is typed at a terminal; otherwise no question can be asked.
    """

    def __init__(self, words: list[str], folder: Path, terminal: bool) -> None:
        self.output = ""
        self._pieces: queue.Queue[str] = queue.Queue()
        self._keyboard, theirs = pty.openpty() if terminal else (-1, subprocess.DEVNULL)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HEARING, COMMAND if terminal else WARM_COMMAND, *words],
            cwd=folder,
            env=variables() | {"TERM": "xterm", "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs if terminal else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if terminal:
            os.close(theirs)
        screen = os.fdopen(os.dup(self._keyboard), "rb", buffering=0) if terminal else self._process.stdout
        threading.Thread(target=self._read, args=(screen,), daemon=True).start()

    def until(self, text: str) -> None:
        """Reads until it has printed a text."""
        end = time.monotonic() + SECONDS
        while text not in self.output:
            try:
                piece = self._pieces.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                piece = _END
            assert piece != _END, f"it has not printed {text!r}:\n{self.output}"
            self.output += piece

    def interrupt(self) -> None:
        """Does what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def interrupt_until_it_ends(self) -> None:
        """Presses Ctrl-C again and again: one that comes just as a question is being asked is not heard."""
        for _ in range(5):
            self.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
                return

    def answers(self, line: str) -> None:
        """Types a line."""
        os.write(self._keyboard, f"{line}\n".encode())

    def ends(self) -> int:
        """Waits for its end; returns the exit code."""
        code = self._process.wait(SECONDS)
        while (piece := self._pieces.get(timeout=SECONDS)) != _END:
            self.output += piece
        if self._keyboard >= 0:
            os.close(self._keyboard)
        assert "Traceback" not in self.output, self.output
        return code

    def _read(self, screen: IO[bytes]) -> None:
        with screen, contextlib.suppress(OSError):  # how a terminal reports that it was closed
            while piece := os.read(screen.fileno(), 4096):
                self._pieces.put(piece.decode(errors="replace"))
        self._pieces.put(_END)


def run_id(output: str) -> str:
    """Returns the run that a command has made."""
    found = re.search(r"^submitted  (\S+)$", output.replace("\r", ""), re.MULTILINE)
    assert found, output
    return found[1]


def ends_of_tasks(output: str) -> dict[str, tuple[str, str]]:
    """Returns how each task ended, and its figure."""
    found = (_LINE.match(line) for line in output.splitlines())
    return {line[1]: (line[2], line[4] or "") for line in found if line and line[2] != "running"}
