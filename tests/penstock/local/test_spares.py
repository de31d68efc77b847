"""A task in a process that was started ahead: as if it had been started now, but for the time that its imports take."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.components.protocol import marks
from penstock.local import tasks
from penstock.local.processes import Processes, start_process
from penstock.local.spares import Planned, Spares
from penstock.local.task_code import module_command, module_variables

MAIN = "from penstock.components.protocol import command; command(__spec__.parent)"
TASK = """
import os, pathlib, sys, time
print("imported", os.environ["NAME"])
with pathlib.Path(os.environ["IMPORTED"]).open("a") as file:
    file.write("once ")
time.sleep(float(os.environ.get("SECONDS_TO_IMPORT", 0)))
if os.environ.get("BROKEN"):
    raise ImportError("no such library")
state = []

def NAME(what: str) -> None:
    state.append(what)
    print("state", state, "argv", sys.argv[1:], "stdin", repr(sys.stdin.read()), "cwd", os.getcwd(), "leads", os.getpgid(0) == os.getpid())
    print("environment", sorted(item for item in os.environ.items() if item[0] != "IMPORTED"))
    print("and a line on stderr", file=sys.stderr)
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(60)
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
            (folder / name / "task.py").write_text("import signal\n" + TASK.replace("def NAME", f"def {name}"))
        self.processes = Processes()
        self.spares = Spares([])

    def variables(self, name: str, **more: str) -> dict[str, str]:
        found = module_variables({"NAME": name, "IMPORTED": str(self.folder / f"imported-{name}")} | more)
        return found | {"PYTHONPATH": f"{found['PYTHONPATH']}:{self.folder}"}

    def plan(self, *names: str, **variables: str) -> Spares:
        self.spares = Spares([Planned(name, Path(sys.executable), name, self.variables(name, **variables)) for name in names])
        return self.spares

    def imported(self, name: str) -> str:
        path = self.folder / f"imported-{name}"
        return path.read_text() if path.exists() else ""

    def is_ready(self, name: str = "first") -> None:
        _until(lambda: self.imported(name))

    def run(self, name: str, what: str, cold: bool = False, on_line=lambda _: None, **variables: str) -> tuple[int, list[str]]:
        lines: list[str] = []
        given = '{"inputs": {"parameterValues": {"what": "WHAT"}}, "outputs": {}}'.replace("WHAT", what)
        command = module_command(Path(sys.executable), name, "--executor_input", given)
        environment = self.variables(name, **variables)
        start = start_process if cold else self.spares.take(command, environment)
        log = self.folder / f"{time.monotonic_ns()}.log"
        code = self.processes.run(command, environment, log, lambda line: (lines.append(line), on_line(line)), start)
        return code, [line for line in lines if not line.startswith(("  File", "    ", marks.USAGE))]

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
def test_it_is_the_process_of_a_task_that_was_started_now(runner, what):
    cold = runner.run("first", what, cold=True)
    with runner.plan("first").kept():
        runner.spares.prepare()
        runner.is_ready()
        assert runner.run("first", what) == cold
    assert runner.imported("first") == "once once "
    assert len(cold[1]) >= 3


def test_who_comes_before_its_imports_are_done_waits_for_them_alone(runner):
    with runner.plan("first", SECONDS_TO_IMPORT="0.5").kept():
        runner.spares.prepare()
        code, lines = runner.run("first", "x", SECONDS_TO_IMPORT="0.5")
    assert (code, lines[0]) == (0, "imported first")
    assert runner.imported("first") == "once "


def test_it_serves_one_task_once(runner):
    with runner.plan("first").kept():
        runner.spares.prepare()
        runner.is_ready()
        output = [runner.run("first", what)[1][1] for what in ("one", "two")]
    assert output[0].startswith("state ['one']")
    assert output[1].startswith("state ['two']"), "nothing of another task's is left"
    assert runner.imported("first") == "once once "


def test_another_task_or_another_environment_does_not_get_it(runner):
    with runner.plan("first").kept():
        runner.spares.prepare()
        runner.is_ready()
        assert runner.run("second", "x")[0] == 0
        assert "('OF_THIS_TASK', 'yes')" in runner.run("first", "x", OF_THIS_TASK="yes")[1][2]
        assert runner.imported("first") == "once once "
        assert len(runner.waiting()) == 1
    assert not runner.waiting()


def test_it_is_that_of_the_next_task_and_one_that_is_passed_over_is_ended(runner):
    with runner.plan("first", "second").kept():
        runner.spares.prepare()
        runner.is_ready("first")
        (before,) = runner.waiting()
        tasks.begin("first")  # and its outputs are found in the cache
        runner.spares._following(lambda: None)()
        runner.spares.prepare()
        runner.is_ready("second")
        (after,) = runner.waiting()
        assert after != before
    assert not runner.waiting()


def test_where_the_imports_fail_the_task_says_so_once(runner):
    cold = runner.run("first", "x", cold=True, BROKEN="yes")
    with runner.plan("first", BROKEN="yes").kept():
        runner.spares.prepare()
        runner.is_ready()
        assert runner.run("first", "x", BROKEN="yes") == cold
    assert cold[0] == 1
    assert cold[1][-1].endswith("ImportError: no such library")


def test_after_it_was_killed_a_task_is_a_new_process(runner):
    with runner.plan("first").kept():
        runner.spares.prepare()
        runner.is_ready()
        os.kill(runner.waiting()[0], signal.SIGKILL)
        _until(lambda: not runner.waiting())
        assert runner.run("first", "x")[0] == 0


def test_an_interruption_ends_the_task_and_the_spare_of_the_next(runner):
    with runner.plan("first", "second").kept():
        runner.spares.prepare()
        runner.is_ready("first")
        tasks.begin("first")
        runner.spares._following(lambda: None)()

        def on_line(line: str) -> None:
            if line == "waiting":
                runner.spares.prepare()
                runner.processes.interrupt()

        assert runner.run("first", "wait", on_line=on_line)[0] == 143
    assert not runner.waiting()


def test_it_ends_with_its_parent(runner):
    code = f"""
import os, signal, sys
from penstock.local.spares import Planned, Spares
from pathlib import Path
spares = Spares([Planned("first", Path(sys.executable), "first", {runner.variables("first")!r})])
spares.prepare()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    _until(lambda: not runner.waiting())


def _until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
