"""A Python that has imported already what takes seconds: a process is a fork of one that has. Standard library only, for Linux.

    with WarmPython(python, "penstock.server", ["tensorflow"], variables) as warm:
        subprocess.run([warm.python, "-m", "penstock.server", ...])
        subprocess.run([warm.python, "script.py", ...])

Whatever else it is asked to run, the real interpreter runs; the module too with another `PYTHONPATH`.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, of linux/prctl.h; a fork does not inherit it
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class WarmPython:
    """A context in which there is such a Python.

    Attributes:
        python: The program that stands for the interpreter.
    """

    def __init__(self, python: Path, module: str, imports: list[str], variables: dict[str, str]) -> None:
        """Starts to import, and does not wait: the first command does.

        Args:
            python: The real interpreter.
            module: What it may run with `-m`: this module, or one in this package.
            imports: What it has imported by then: modules, and functions without arguments that import, as `module:function`.
            variables: The environment of the imports; each process has its own.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-warm-")
        folder = Path(self._folder.name)
        self.python = folder / "python"
        asks = [str(python), "-I", "-S", __file__, "ask", str(folder / "socket"), variables.get("PYTHONPATH", ""), str(python)]
        _write(self.python, [*asks, module])
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "socket"))
            listener.listen(64)
            serves = [str(python), __file__, "serve", str(os.getpid()), *imports]
            self._process = subprocess.Popen(
                serves, env=variables, stdin=listener.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
            )

    def __enter__(self) -> "WarmPython":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends it, and each process that it has become: what a failed test has left would outlive the run.

        Raises:
            RuntimeError: It has ended already, and the real interpreter has run everything.
        """
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()
        if ended is not None:
            raise RuntimeError(f"{shlex.join(map(str, self._process.args))} ended with {ended}")  # type: ignore[arg-type]

    def command(self, script: str) -> str:
        """Returns a program that stands for a script of the interpreter's."""
        program = self.python.with_name(Path(script).name)
        _write(program, [str(self.python), script])
        return str(program)


def _write(program: Path, command: list[str]) -> None:
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)


def _end_with(parent: int) -> None:
    """Has this process be killed when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(0)


def _serve(parent: str, *imports: str) -> None:
    """Imports, and forks for each connection to the socket that is stdin."""
    _end_with(int(parent))
    listener = socket.socket(fileno=0)
    del sys.path[0]  # the folder of this file
    gc.disable()
    before = dict(os.environ)
    for one in imports:
        name, _, function = one.partition(":")
        module = importlib.import_module(name)
        if function:
            getattr(module, function)()
    gc.freeze()
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process waits for these children
    server = os.getpid()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            _end_with(server)
            return _tend(connection, imported)
        connection.close()


def _tend(connection: socket.socket, imported: dict[str, str]) -> None:
    """Forks the process that is asked for, and tells its ID and how it ended; ends it if who asked has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as asked:
        order = json.loads(asked.readline())
    tender = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with(tender)
        connection.close()
        return _become(files, imported, **order)
    for file in (0, 1, 2, *files):
        os.close(file)
    ended = os.pidfd_open(child)
    connection.sendall(b"%d\n" % child)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    else:
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def _become(files: list[int], imported: dict[str, str], arguments: list[str], folder: str, variables: dict[str, str]) -> None:
    """Runs what the interpreter was asked to run, with what importing adds to the environment."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may ignore it, as a shell's background job does
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(imported | variables)
    gc.enable()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, folder)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")


def _ask(path: str, code: str, python: str, module: str, *arguments: str) -> None:
    """Does as the interpreter does with these arguments."""
    named = f"{arguments[1]}." if arguments[:1] == ("-m",) else ""
    is_module = named.startswith(f"{module}.") and os.environ.get("PYTHONPATH", "") == code
    if not is_module and (not arguments or arguments[0].startswith("-")):
        os.execv(python, [python, *arguments])
    order = {"arguments": arguments, "folder": str(Path.cwd()), "variables": dict(os.environ)}
    connection = socket.socket(socket.AF_UNIX)
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # until there is a process to pass them on to
    try:
        connection.connect(path)
        socket.send_fds(connection, [b"."], [0, 1, 2])
        connection.sendall(json.dumps(order).encode() + b"\n")
        replies = connection.makefile("rb")
        child = int(replies.readline())
    except (OSError, ValueError):  # it could not import; a fresh interpreter reports why
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.execv(python, [python, *arguments])
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    result = int(replies.readline() or -signal.SIGKILL)
    if result < 0:
        if -result in _PASSED_ON:
            signal.signal(-result, signal.SIG_DFL)
        os.kill(os.getpid(), -result)
    sys.exit(result)


if __name__ == "__main__":
    {"serve": _serve, "ask": _ask}[sys.argv[1]](*sys.argv[2:])
