"""Runs modules in forks of a process that has already imported the slow libraries.

`python -m penstock.components.protocol.fork_server MODULE...` imports the modules and serves the Unix socket that is its stdin, until that is
closed. Each request is one byte, the file that takes stdout and stderr, and a socket of its own for one process:

1. the process tells its ID, which is its group's as well;
2. it reads, as JSON and to the end of the stream, its `command` (a module and its arguments) and its `variables`; if the end comes first,
it ends;
3. after it ends, it reports its exit code, or the negative number of the signal that ended it.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys

_FILES = 2


def serve(requests: socket.socket) -> list[str]:
    """Forks a process for each request until the last client has disconnected.

    Returns:
        In each such process, its command: what calls this goes on there. Nothing in the server itself, when it is done.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the tending processes are never awaited
    while True:
        asked, files, _, _ = socket.recv_fds(requests, 1, _FILES)
        if not asked:
            return []
        if os.fork() == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), requests.detach())
            return _fork_and_wait(files[0], socket.socket(fileno=files[1]))
        for file in files:
            os.close(file)


def _fork_and_wait(log: int, line: socket.socket) -> list[str]:
    """Returns in the process that is asked for; its parent waits, and tells how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        return _receive_order(log, line)
    line.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def _receive_order(log: int, line: socket.socket) -> list[str]:
    """Runs the command that the client sends."""
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
    os.environ.update(order["variables"])
    return order["command"]


if __name__ == "__main__":
    gc.disable()  # modules live as long as the process
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.freeze()
    if command := serve(socket.socket(fileno=0)):
        gc.enable()
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
