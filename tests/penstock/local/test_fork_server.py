"""Tasks as forks of one process: each as if it had been started by itself, but for what is imported once."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.components.protocol.fork_server import serve
from penstock.local.fork_server import ForkServer
from penstock.local.processes import Processes
from penstock.local.task_code import module_command, module_variables

from ...waiting import until

# Imported by every task; records how often, and takes long enough to be interrupted.
HEAVY = """
import os, pathlib, time
with pathlib.Path(os.environ["IMPORTED"]).open("a") as file:
    file.write("once ")
time.sleep(float(os.environ.get("SECONDS_TO_IMPORT", 0)))
"""
TASK = """
import atexit, heavy, os, pathlib, signal, subprocess, sys, time
print("argv", sys.argv[1:], "variable", os.environ.get("OF_THIS_TASK"), "stdin", sys.stdin.read(), "group", os.getpgid(0) == os.getpid())
print("and a line on stderr", file=sys.stderr)
if sys.argv[1:] == ["kill yourself"]:
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1:] == ["wait"]:
    subprocess.Popen(["sleep", "60"])
    pathlib.Path(os.environ["STARTED"]).touch()
    time.sleep(60)
if sys.argv[1:] == ["a bug"]:
    raise ZeroDivisionError("a bug")
sys.exit(int(sys.argv[1]) if sys.argv[1:2] else 0)
"""


class Runner:
    """A folder with the modules, and what a run has to start tasks with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "heavy.py").write_text(HEAVY)
        (folder / "task.py").write_text(TASK)
        self.variables = module_variables({"IMPORTED": str(folder / "imported"), "STARTED": str(folder / "started")})
        self.variables["PYTHONPATH"] += f":{folder}"
        self.server: ForkServer | None = None
        self.processes = Processes()

    @property
    def imported(self) -> str:
        path = self.folder / "imported"
        return path.read_text() if path.exists() else ""

    def serve(self, *imports: str, **variables: str) -> ForkServer:
        self.server = ForkServer(Path(sys.executable), list(imports or ["heavy"]), self.variables | variables)
        return self.server

    def run(self, *arguments: str, **variables: str) -> tuple[int, list[str]]:
        lines: list[str] = []
        command = module_command(Path(sys.executable), "task", *arguments)
        log = self.folder / f"{time.monotonic_ns()}.log"
        code = self.processes.run(command, self.variables | variables, log, lines.append, self.server.start)
        assert lines == (log.read_text().splitlines() if log.exists() else [])
        return code, lines


@pytest.fixture
def runner(tmp_path):
    runner = Runner(tmp_path)
    yield runner
    runner.server.close()


def test_what_is_imported_once_serves_every_task(runner):
    runner.serve()
    code, lines = runner.run("3", "é\n{{x}}", OF_THIS_TASK="one")
    assert (code, lines) == (3, ["argv ['3', 'é\\n{{x}}'] variable one stdin  group True", "and a line on stderr"])
    code, lines = runner.run(OF_THIS_TASK="two")
    assert (code, lines[0]) == (0, "argv [] variable two stdin  group True")
    assert runner.run()[1][0] == "argv [] variable None stdin  group True", "nothing of another task's is left"
    assert runner.imported == "once "


def test_arguments_may_be_long(runner):
    runner.serve()
    text = "x" * (1 << 20)
    assert runner.run("0", text)[1][0].startswith(f"argv ['0', '{text}']")


def test_tasks_that_run_at_the_same_time_are_distinguished(runner):
    runner.serve()
    found = {}
    threads = [threading.Thread(target=lambda code=code: found.update({code: runner.run(str(code))[0]})) for code in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {code: code for code in range(8)}
    assert runner.imported == "once "


def test_a_signal_and_a_bug_are_reported_as_of_any_process(runner):
    runner.serve()
    assert runner.run("kill yourself")[0] == -signal.SIGKILL
    code, lines = runner.run("a bug")
    assert code == 1
    assert lines[-1] == "ZeroDivisionError: a bug"


def test_an_interruption_ends_the_task_with_all_that_it_has_started(runner):
    runner.serve()
    threading.Thread(target=lambda: (until((runner.folder / "started").exists), runner.processes.interrupt())).start()
    assert runner.run("wait")[0] == -signal.SIGTERM
    assert not _sleeping(runner.folder)


def test_nothing_starts_after_an_interruption(runner):
    runner.serve(SECONDS_TO_IMPORT="1")
    threading.Timer(0.3, runner.processes.interrupt).start()
    assert runner.run("wait")[0] == -signal.SIGTERM
    assert runner.run("wait") == (-signal.SIGTERM, [])
    assert not _sleeping(runner.folder)


def test_a_process_that_gets_no_task_ends(runner):
    server = runner.serve(SECONDS_TO_IMPORT="0.5")

    def interrupted(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(KeyboardInterrupt):
        runner.run("wait")
    signal.signal(signal.SIGALRM, before)
    runner.processes = Processes()
    assert runner.run("5")[0] == 5, "who comes next is served"
    assert not (runner.folder / "started").exists()
    server.close()


@pytest.mark.parametrize("imports", [["missing_module"], ["heavy", "os.path.nothing"]])
def test_where_the_modules_cannot_be_imported_a_task_is_a_process_of_its_own(runner, imports):
    runner.serve(*imports)
    assert runner.run("4", OF_THIS_TASK="x") == (4, ["argv ['4'] variable x stdin  group True", "and a line on stderr"])


def test_after_it_was_killed_a_task_is_a_process_of_its_own(runner):
    server = runner.serve()
    assert runner.run()[0] == 0
    os.kill(server.pid, signal.SIGKILL)
    assert runner.run("6")[0] == 6


def test_it_ends_with_the_run(runner):
    server = runner.serve()
    assert runner.run()[0] == 0
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def _sleeping(folder: Path) -> str:
    """Returns what runs in this test's name still."""
    listed = subprocess.run(["ps", "axeww", "-o", "stat=,args="], capture_output=True, text=True, check=True).stdout
    return "\n".join(
        line for line in listed.splitlines() if f"STARTED={folder}" in line and not line.startswith("Z") and "fork_server" not in line
    )


def test_where_it_cannot_fork_it_goes_on_and_the_client_learns_so(monkeypatch, tmp_path):
    """Without memory or process IDs; the tasks that it has become must not end for that."""

    def no_room() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_room)
    before = signal.getsignal(signal.SIGCHLD)
    client, requests = socket.socketpair()
    line, theirs = socket.socketpair()
    with (tmp_path / "log").open("wb") as log, theirs:
        socket.send_fds(client, [b"."], [log.fileno(), theirs.fileno()])
    client.close()
    assert serve(requests, {}) == [], "until the client has gone"
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    assert line.recv(1) == b""
