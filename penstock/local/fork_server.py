"""Tasks as forks of one process that has imported already what they import."""

import json
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO

from .processes import Process, start_process
from .task_code import module_command

_MODULE = "penstock.components.protocol.fork_server"


class ForkServer:
    """A process that imports modules, and then becomes whatever tasks it is asked for.

    Where it does not answer, because the modules cannot be imported or the server has ended, a task is a process of its own, as any other
    is, and says itself what is wrong.
    """

    def __init__(self, python: Path, imports: list[str], variables: dict[str, str]) -> None:
        """Starts it, and waits for nothing.

        Args:
            python: The interpreter.
            imports: The modules.
            variables: Its whole environment: what is read when a module is imported must be the same for every task.
        """
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                module_command(python, _MODULE, *imports),
                env=variables,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The ID of the process that serves."""
        return self._process.pid

    def start(self, command: list[str], variables: dict[str, str], sink: IO[bytes]) -> Process:
        """Starts a task, of which `command` is `python CODE MODULE ARGUMENTS...`; see `start_process`."""
        line, theirs = socket.socketpair()
        reader = line.makefile("rb")
        try:
            with theirs:
                socket.send_fds(self._socket, [b"."], [sink.fileno(), theirs.fileno()])
            if pid := reader.readline():
                line.sendall(json.dumps({"command": command[2:], "variables": variables}).encode())
                line.shutdown(socket.SHUT_WR)
                return _Fork(int(pid), line, reader)
        except OSError:  # it has ended
            pass
        except BaseException:  # this thread was interrupted, so the fork gets no command and ends
            _close(line, reader)
            raise
        _close(line, reader)
        return start_process(command, variables, sink)

    def close(self) -> None:
        """Ends it, and tasks that it has become."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


class _Fork(Process):
    """A task whose parent is another process."""

    def __init__(self, pid: int, line: socket.socket, reader: IO[bytes]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._reader = reader

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None and not select.select([self._line], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self._read()

    def _read(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._reader.readline() or -signal.SIGKILL)
            _close(self._line, self._reader)
        return self.returncode


def _close(line: socket.socket, reader: IO[bytes]) -> None:
    """Closes a connection, which stays open as long as either of the two is."""
    line.close()
    reader.close()
