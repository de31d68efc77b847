"""Waits as the process of a task to come, with what that task imports already imported; runs this one task, and ends.

`python -m penstock.components.protocol.spare PACKAGE` imports the task of a component's package. Its stdin is a Unix socket: one byte with
two files says that the task begins. The first is the rest of its command as a JSON list (a module and its arguments), the second takes stdout and
stderr from then on, after what the imports have printed. If the socket is closed before that, the process ends.

Where the imports fail, the process replaces itself with a fresh one, so that the task itself reports what is wrong.
"""

import contextlib
import json
import os
import runpy
import socket
import sys

from .executor import import_ahead

_FILES = 2


def _wait() -> tuple[list[str], int]:
    """Returns the command and the log, once there are any; stdin is then that of any task."""
    socket_of_ours = socket.socket(fileno=0)
    _, files, _, _ = socket.recv_fds(socket_of_ours, 1, _FILES)
    if not files:
        return [], -1
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, socket_of_ours.detach())
    os.close(null)
    with os.fdopen(files[0], encoding="utf-8") as order:
        return json.load(order), files[1]


def _print_to(log: int) -> None:
    """Gives a log what was printed so far, and all that follows."""
    os.lseek(1, 0, os.SEEK_SET)
    with contextlib.suppress(OSError):  # a full disk may truncate it, as any log
        while printed := os.read(1, 1 << 16):
            os.write(log, printed)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)


if __name__ == "__main__":
    variables = dict(os.environ)
    is_imported = import_ahead(sys.argv[1])
    command, log = _wait()
    if not command:
        sys.exit()
    if not is_imported:
        os.ftruncate(1, 0)  # the fresh process prints it again
    _print_to(log)
    if not is_imported:
        os.execve(sys.executable, [*sys.orig_argv[:2], *command], variables)  # noqa: S606 - no shell is meant
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
