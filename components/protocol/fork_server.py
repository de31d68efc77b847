"""Runs modules in forks of a process that has already imported the slow libraries.

`python -m penstock.components.protocol.fork_server MODULE...` imports the modules and serves the Unix socket that is its stdin, until that is
closed. Each request is one byte, the file that takes stdout and stderr, and a socket of its own for one process:

1. the process tells its ID, which is its group's as well;
2. it reads, as JSON and to the end of the stream, its `command` (a module and its arguments) and its `variables`; if the end comes first,
it ends;
3. after it ends, the server reports its exit code, or the negative number of the signal that ended it.

A process ends with the server, which has it killed: nobody would learn how it ends.
"""

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path

from .executor import import_ahead
from .parent import end_with_parent

_FILES = 2


def serve(requests: socket.socket, imported: dict[str, str]) -> list[str]:
    """Forks a process for each request until the last client has disconnected.

    Args:
        requests: The clients' socket.
        imported: The environment variables that imports have set.

    Returns:
        In each such process, its command: what calls this goes on there. Nothing in the server itself, when it is done.
    """
    lines: dict[int, socket.socket] = {}
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing wakes
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(1 << 16)
            _report(lines)
            continue
        asked, files, _, _ = socket.recv_fds(requests, 1, _FILES)
        if not asked:
            return []
        line = socket.socket(fileno=files[1])
        try:
            child = os.fork()
        except OSError:  # no memory or no more processes: the client starts a process of its own, or says why it cannot
            line.close()
            os.close(files[0])
            continue
        if child == 0:
            for end in (woken, wake, *lines.values()):
                end.close()
            with Path(os.devnull).open("rb") as nothing:
                os.dup2(nothing.fileno(), requests.detach())
            return _receive_order(files[0], line, imported)
        os.close(files[0])
        lines[child] = line


def _report(lines: dict[int, socket.socket]) -> None:
    """Tells the clients how the processes ended that have ended; awaited, what they took counts as the server's children's."""
    for child in list(lines):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with lines.pop(child) as line, contextlib.suppress(OSError):  # its client may have gone
                line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _receive_order(log: int, line: socket.socket, imported: dict[str, str]) -> list[str]:
    """Runs the command that the client sends, with its variables and those that imports have set."""
    signal.set_wakeup_fd(-1)
    for changed in (signal.SIGCHLD, signal.SIGTERM):  # here, and by `import_ahead`
        signal.signal(changed, signal.SIG_DFL)
    end_with_parent()
    os.setsid()
    line.sendall(b"%d\n" % os.getpid())
    received = b"".join(iter(lambda: line.recv(1 << 16), b""))
    line.close()
    if not received:
        return []
    order = json.loads(received)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["variables"] | imported)
    if numpy_random := sys.modules.get("numpy.random"):  # Python gives a fork a state of its own for `random`, NumPy does not
        numpy_random.seed()
    return order["command"]


if __name__ == "__main__":
    before = dict(os.environ)
    import_ahead(sys.argv[1:])
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    if command := serve(socket.socket(fileno=0), imported):
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
