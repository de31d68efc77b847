"""Tasks whose imports were done ahead: each as if its process had been started now, but for the time that imports take."""

import dataclasses
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.components.protocol import marks
from penstock.local import tasks
from penstock.local.envs import environment
from penstock.local.fork_server import ForkServer
from penstock.local.fork_servers import ForkServers, Planned
from penstock.local.processes import Processes, start_process
from penstock.local.task_code import module_command, module_variables

from ...waiting import until

WORK_SECONDS = 0.3
MAIN = "from penstock.components.protocol import command; command(__spec__.parent)"
TASK = """
import os, pathlib, sys, time
with pathlib.Path(os.environ["IMPORTED"]).open("a") as file:
    print("NAME", file=file)
os.environ["SET_BY_IMPORT"] = "NAME"
time.sleep(float(os.environ.get("SECONDS_TO_IMPORT", 0)))
if os.environ.get("BROKEN"):
    raise ImportError("no such library")
state = []

def NAME(what: str) -> None:
    state.append(what)
    print("state", state, "argv", sys.argv[1:], "stdin", repr(sys.stdin.read()), "cwd", os.getcwd(), "leads", os.getpgid(0) == os.getpid())
    print("environment", sorted(item for item in os.environ.items() if item[0] != "IMPORTED"), os.environ["SET_BY_IMPORT"])
    print("open files", sum(1 for _ in pathlib.Path("/proc/self/fd").iterdir()))
    print("and a line on stderr", file=sys.stderr)
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    if what == "work":
        while time.process_time() < 0.3:
            pass
    if what == "kill yourself":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "a bug":
        raise ZeroDivisionError("a bug")
"""


class Runner:
    """Two components, and what a run has to start them with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("first", "second"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").touch()
            (folder / name / "__main__.py").write_text(MAIN)
            (folder / name / "task.py").write_text(TASK.replace("NAME", name))
        self.processes = Processes()
        self.servers = ForkServers([])

    def variables(self, **more: str) -> dict[str, str]:
        found = module_variables({"IMPORTED": str(self.folder / "imported")} | more)
        return found | {"PYTHONPATH": f"{found['PYTHONPATH']}:{self.folder}"}

    def planned(self, name: str, apart: str = "", **variables: str) -> Planned:
        return Planned(name, Path(sys.executable), name, self.variables(**variables), apart)

    def plan(self, *names: str, **variables: str) -> ForkServers:
        self.servers = ForkServers([self.planned(name, **variables) for name in names])
        return self.servers

    @property
    def imported(self) -> list[str]:
        """Which tasks were imported by which process, in words."""
        path = self.folder / "imported"
        return path.read_text().splitlines() if path.exists() else []

    def has(self, name: str) -> None:
        until(lambda: name in self.imported)

    def run(self, name: str, what: str, cold: bool = False, on_line=lambda _: None, **variables: str) -> tuple[int, list[str]]:
        lines: list[str] = []
        given = '{"inputs": {"parameterValues": {"what": "WHAT"}}, "outputs": {}}'.replace("WHAT", what)
        command = module_command(Path(sys.executable), name, "--executor_input", given)
        start = start_process if cold else self.servers.start
        log = self.folder / f"{time.monotonic_ns()}.log"
        code = self.processes.run(command, self.variables(**variables), log, lambda line: (lines.append(line), on_line(line)), start)
        return code, [line for line in lines if not line.startswith(("  File", "    ", marks.USAGE))]

    def ends(self, name: str) -> None:
        """Has a run come to a task and to its end, as if its outputs were found in the cache."""
        tasks.begin(name)
        self.servers._following(lambda: None)()

    def waiting(self) -> list[int]:
        """Returns the processes that wait, or have not ended."""
        listed = subprocess.run(["ps", "axeww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
        found = (line.split(maxsplit=2) for line in listed.splitlines() if f"IMPORTED={self.folder}" in line)
        return [int(pid) for pid, state, _ in found if not state.startswith("Z")]


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


@pytest.mark.parametrize(
    "what", ["x", "é\\n{{x}}", "x" * (1 << 16), "a bug", "kill yourself"], ids=["plain", "signs", "long", "bug", "killed"]
)
def test_it_is_as_a_process_that_was_started_now(runner, what):
    cold = runner.run("first", what, cold=True)
    with runner.plan("first").kept():
        runner.servers.prepare()
        assert runner.run("first", what) == cold
    assert runner.imported == ["first", "first"]
    assert len(cold[1]) >= 2


def test_forks_draw_different_random_numbers(runner):
    """NumPy's global state would be the one that the server imported."""
    (runner.folder / "draw.py").write_text("import numpy; print(numpy.random.random())")
    python = environment("deploy").python
    server = ForkServer(python, ["numpy.random"], runner.variables())
    logs = [runner.folder / "1.log", runner.folder / "2.log"]
    try:
        for log in logs:
            with log.open("wb") as sink:
                assert server.start(module_command(python, "draw"), runner.variables(), sink).wait(60) == 0
    finally:
        server.close()
    assert len({float(log.read_text()) for log in logs}) == len(logs)


def test_all_tasks_to_come_are_imported_once(runner):
    with runner.plan("first", "second").kept():
        runner.servers.prepare()
        output = [runner.run(name, what)[1][0] for name, what in (("first", "one"), ("second", "two"), ("first", "three"))]
    assert [line.split(" argv")[0] for line in output] == ["state ['one']", "state ['two']", "state ['three']"], (
        "nothing of another's is left"
    )
    assert runner.imported == ["first", "second"]


def test_a_task_in_another_environment_imports_for_itself(runner):
    with runner.plan("first").kept():
        runner.servers.prepare()
        assert "('OF_THIS_TASK', 'yes')" in runner.run("first", "x", OF_THIS_TASK="yes")[1][1]
        assert len(runner.waiting()) == 1
    runner.has("first")
    assert not runner.waiting()


def test_tasks_that_cannot_share_have_servers_of_their_own_each_when_it_is_the_next(runner):
    servers = ForkServers([runner.planned("first"), runner.planned("second", apart="second")])
    with servers.kept():
        for _ in range(2):
            servers.prepare()
        runner.has("first")
        assert len(runner.waiting()) == 1
        servers._begun.add("first")
        servers.prepare()
        runner.has("second")
        assert len(runner.waiting()) == 2


def test_what_no_task_to_come_needs_is_not_imported(runner):
    with runner.plan("first", "second").kept():
        runner.ends("first")
        runner.servers.prepare()
        runner.has("second")
        assert runner.imported == ["second"]
        runner.ends("second")
        assert not runner.waiting(), "it ends with the last task"
        runner.servers.prepare()
        assert not runner.waiting()


def test_where_the_imports_fail_the_task_says_so_once(runner):
    cold = runner.run("first", "x", cold=True, BROKEN="yes")
    with runner.plan("first", BROKEN="yes").kept():
        runner.servers.prepare()
        assert runner.run("first", "x", BROKEN="yes") == cold
    assert cold[0] == 1
    assert cold[1][-1].endswith("ImportError: no such library")


def test_after_it_was_killed_a_task_is_a_new_process(runner):
    with runner.plan("first").kept():
        runner.servers.prepare()
        runner.has("first")
        os.kill(runner.waiting()[0], signal.SIGKILL)
        until(lambda: not runner.waiting())
        assert runner.run("first", "x")[0] == 0


def test_where_no_server_can_be_started_a_task_is_a_new_process(runner):
    servers = ForkServers([dataclasses.replace(runner.planned("first"), python=runner.folder / "gone")])
    with servers.kept():
        servers.prepare()
        assert runner.run("first", "x")[0] == 0


def test_a_task_ends_with_its_server(runner):
    with runner.plan("first").kept():
        runner.servers.prepare()

        def on_line(line: str) -> None:
            if line == "waiting":
                os.kill(min(runner.waiting()), signal.SIGKILL)

        assert runner.run("first", "wait", on_line=on_line)[0] == -signal.SIGKILL
    until(lambda: not runner.waiting())


def test_a_task_that_is_not_in_the_plan_outlives_the_last_that_is(runner):
    """A task in a loop or behind a condition, with the component of one beside it that ends first."""
    with runner.plan("first").kept():
        runner.servers.prepare()

        def on_line(line: str) -> None:
            if line.startswith("state"):
                beside = threading.Thread(target=runner.ends, args=("first",))
                beside.start()
                beside.join()

        assert runner.run("first", "work", on_line=on_line)[0] == 0
        runner.ends("first")
        assert not runner.waiting()


def test_a_fork_without_a_command_ends(runner, tmp_path):
    server = ForkServer(Path(sys.executable), ["first.task"], runner.variables())
    try:
        with (tmp_path / "log").open("wb") as sink, pytest.raises(TypeError) as raised:
            server.start(module_command(Path(sys.executable), "first"), {"not": object()}, sink)
        until(lambda: runner.waiting() == [server.pid])
        assert raised.traceback, "which refers to what was open"
    finally:
        server.close()


def test_an_interruption_ends_the_task_and_the_server(runner):
    with runner.plan("first", "second").kept():
        runner.servers.prepare()

        def on_line(line: str) -> None:
            if line == "waiting":
                runner.servers.prepare()
                runner.processes.interrupt()

        assert runner.run("first", "wait", on_line=on_line)[0] == 143
    assert not runner.waiting()


def test_what_a_task_took_counts_as_the_children_s(runner):
    """As of any process that was awaited: the benchmarks rely on it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with runner.plan("first").kept():
        runner.servers.prepare()
        assert runner.run("first", "work")[0] == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime > WORK_SECONDS


def test_it_ends_with_its_parent(runner):
    code = f"""
import os, signal, sys
from penstock.local.fork_servers import ForkServers, Planned
from pathlib import Path
servers = ForkServers([Planned("first", Path(sys.executable), "first", {runner.variables()!r})])
servers.prepare()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    until(lambda: not runner.waiting())
