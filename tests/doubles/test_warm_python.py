"""The Python that has imported already: its caller sees no difference but the time."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import until
from .warm_python import WarmPython

SCRIPT = """
import os, sys
assert ("xmlrpc.client" in sys.modules) == (os.environ.get("EXPECTED", "warm") == "warm")
print(sys.argv, sys.path[0], os.environ.get("OF_THIS_ONE"), os.getcwd(), sys.stdin.read())
print("wrong", file=sys.stderr)
if sys.argv[1:] == ["killed"]:
    os.kill(os.getpid(), 9)
if sys.argv[1:] == ["waiting"]:
    import signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("ready", os.getpid(), flush=True)
    signal.pause()
sys.exit(3)
"""


@pytest.fixture(params=["script", "module"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What is run, in either way."""
    (tmp_path / "runs_it.py").write_text(SCRIPT)
    return ["-m", "runs_it"] if request.param == "module" else [str(tmp_path / "runs_it.py")]


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[WarmPython]:
    with WarmPython(Path(sys.executable), "runs_it", ["xmlrpc.client"], {"PYTHONPATH": str(tmp_path)}) as python:
        yield python


def test_it_runs_as_the_interpreter_does(warm: WarmPython, runs: list[str], tmp_path: Path):
    def run(*command: str, **variables: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*command, "one", "two words"],
            cwd=tmp_path,
            input="typed",
            env={"PYTHONPATH": str(tmp_path), "OF_THIS_ONE": "yes"} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    real = run(sys.executable, *runs, EXPECTED="cold")
    assert real[0] == 3
    assert run(str(warm.python), *runs) == real
    if runs[0] != "-m":
        assert run(warm.command(runs[0])) == real


def test_other_code_is_run_by_the_interpreter_itself(warm: WarmPython, tmp_path: Path):
    done = subprocess.run([warm.python, "-c", "import sys; print('xmlrpc.client' in sys.modules)"], capture_output=True, check=True)
    assert done.stdout == b"False\n"
    (tmp_path / "runs_it.py").write_text(SCRIPT)
    other = {"PYTHONPATH": f"{tmp_path}:{tmp_path}", "EXPECTED": "cold"}
    assert subprocess.run([warm.python, "-m", "runs_it"], cwd=tmp_path, env=other, stdin=subprocess.DEVNULL, check=False).returncode == 3


def test_what_is_in_a_package_runs_with_what_its_imports_add_to_the_environment(tmp_path: Path):
    files = {
        "__init__": "",
        "settings": "import os; os.environ.setdefault('ADDED', 'by an import')",
        "runs_it": SCRIPT,
        "tells": "import os; print(os.environ['ADDED'])",
    }
    (tmp_path / "package").mkdir()
    for name, text in files.items():
        (tmp_path / "package" / f"{name}.py").write_text(text)
    path = {"PYTHONPATH": str(tmp_path)}
    imports = ["xmlrpc.client", "package.settings"]
    with WarmPython(Path(sys.executable), "package", imports, path) as python:

        def run(module: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
            command = [python.python, "-m", module]
            return subprocess.run(command, cwd=tmp_path, env=path | variables, stdin=subprocess.DEVNULL, capture_output=True, check=False)

        assert run("package.runs_it").returncode == 3
        assert run("package.tells").stdout == b"by an import\n"
        assert run("package.tells", ADDED="by the caller").stdout == b"by the caller\n"
        (tmp_path / "package_of_another_name.py").write_text(SCRIPT)
        assert run("package_of_another_name", EXPECTED="cold").returncode == 3


def test_it_ends_as_what_it_runs_does_and_the_other_way_round(warm: WarmPython, runs: list[str], tmp_path: Path):
    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [warm.python, *runs, *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def child(process: subprocess.Popen[str]) -> None:
        assert process.stdout
        assert any(line.startswith("ready ") for line in process.stdout)

    with start("killed") as killed:
        assert killed.wait(30) == -signal.SIGKILL
    with start("waiting") as waiting:
        child(waiting)
        waiting.terminate()
        assert waiting.wait(30) == 7
    with start("waiting") as lost:
        child(lost)
        lost.kill()
        assert lost.stdout
        assert lost.stdout.read() == "", "until the process that has its end of the pipe has ended too"


def test_failed_imports_are_reported_and_the_interpreter_still_runs_commands(tmp_path: Path):
    (tmp_path / "script.py").write_text("import sys; sys.exit(3)")
    python = WarmPython(Path(sys.executable), "runs_it", ["no.such"], {})
    assert subprocess.run([python.python, tmp_path / "script.py"], check=False).returncode == 3
    python._process.wait(30)
    with pytest.raises(RuntimeError, match="ended with 1"):
        python.__exit__()


def is_running(process: int) -> bool:
    """Tells whether there is a process that has not ended."""
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_and_what_it_runs_end_with_its_parent(tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    code = f"""
import os, pathlib, subprocess, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from warm_python import WarmPython
python = WarmPython(pathlib.Path(sys.executable), "runs_it", ["xmlrpc.client"], {{}})
command = [python.python, {str(tmp_path / "script.py")!r}, "waiting"]
process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
ready = next(line for line in process.stdout if line.startswith("ready "))
print(python._process.pid, ready.split()[1], flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    processes = [int(word) for word in done.stdout.split()]
    assert len(processes) == 2
    until(lambda: not any(map(is_running, processes)))
