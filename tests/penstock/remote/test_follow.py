"""`penstock submit --wait`: what it shows, how it ends, and what it survives."""

import io
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from penstock.local.envs import environment
from penstock.remote.connect import connect
from penstock.remote.target import BackendUnavailable, NotYet
from penstock.remote.watch import Watch

from ...command import WARM_COMMAND, variables
from ...doubles.kubeflow.double import KubeflowDouble
from ...doubles.kubeflow.faults import Fail, Fault
from ...doubles.vertex.double import VertexDouble
from ..pipelines import chain, compiled, complaining, failing, gate, handled, holding, judged, loop, looped_gate, pretending, silent_push
from .backends import Backend, Kubeflow, Vertex
from .person import Person, ends_of_tasks, run_id

_SILENT = """
import json, pathlib, sys
given = json.loads(sys.argv[sys.argv.index("--executor_input") + 1])
pathlib.Path(given["outputs"]["outputFile"]).write_text("{}")
"""
BY_EXIT_CODE: list[tuple[int, Any, dict[str, str]]] = [
    (0, judged, {}),
    (3, judged, {"verdict": "not_blessed"}),
    (3, judged, {"outcome": "rolled_back"}),
    (0, loop, {}),
    (0, looped_gate, {}),
    (1, failing, {}),
    (1, handled, {}),
    (1, complaining, {}),
]


# What is decided above the backends.
MOSTLY_KUBEFLOW = pytest.mark.parametrize("backend", ["kubeflow", pytest.param("vertex", marks=pytest.mark.slow)], indirect=True)


@pytest.fixture
def silent_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments whose tasks do nothing, give back nothing and say nothing: as if every trace of them were gone."""
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "cache"))
    for family in ("deploy", "serve"):
        python = environment(family).python
        python.parent.mkdir(parents=True)
        python.write_text(f"#!{sys.executable}\n{_SILENT}")
        python.chmod(0o755)
        (python.parents[1] / ".complete").touch()


@pytest.mark.parametrize(("code", "pipeline", "parameters"), BY_EXIT_CODE, ids=lambda each: getattr(each, "name", None))
def test_shows_and_ends_as_a_run_here_does(backend: Backend, person: Person, code: int, pipeline: Any, parameters: dict[str, str]) -> None:
    # Of iterations at the same time, it is chance which is taken from the cache of another.
    here = person.runs(pipeline, "--fresh", **parameters)
    there = person.submits(pipeline, "--wait", "--no-cache", **parameters)
    assert (there.returncode, there.stderr) == (code, "")
    assert here.returncode == code
    shown, wanted = ends_of_tasks(there.stdout), ends_of_tasks(here.stdout)
    assert wanted
    if backend.name == "kubeflow" and "make" in wanted:  # Kubeflow does not tell what a task gave back that does not say so
        shown["make"] = wanted["make"]
    assert shown == wanted
    summary = re.compile(r"^(done|failed)(.*?) in ", re.MULTILINE)
    assert summary.findall(there.stdout) == summary.findall(here.stdout)


def test_a_skipped_task_says_why(backend: Backend, person: Person) -> None:
    ended = ends_of_tasks(person.submits(judged, "--wait", verdict="not_blessed").stdout)
    assert ended["say"] == ("skipped", "because judge-verdict = not_blessed")


def test_a_closed_gate_is_one_even_without_a_verdict(backend: Backend, person: Person) -> None:
    done = person.submits(gate, "--wait", text="not_blessed")
    assert done.returncode == 3
    assert "done; the model is not released in " in done.stdout
    reason = {"kubeflow": "runs only if make-verdict == 'blessed'", "vertex": "because make-verdict = not_blessed"}[backend.name]
    assert ends_of_tasks(done.stdout)["say"] == ("skipped", reason)


@pytest.mark.usefixtures("silent_environments")
def test_a_push_without_an_outcome_is_unknown(backend: Backend, person: Person) -> None:
    done = person.submits(silent_push, "--wait", folder=None)
    assert done.returncode == 1, done.stdout
    assert "done; whether the model is released is unknown in " in done.stdout
    assert "push       unknown: the backend does not return it, and the log no longer exists" in done.stdout
    again = person.types("runs", "show", run_id(done.stdout), "--wait")
    assert again.returncode == 1, "later commands show the same"
    assert "push       unknown" in again.stdout


def test_a_failure_shows_the_end_of_the_log_and_keeps_all_of_it(backend: Backend, person: Person) -> None:
    done = person.submits(failing, "--wait")
    assert done.returncode == 1
    assert "    the last words of a task\n" in done.stdout
    log = re.search(r"^fail: .*; log: (\S+)$", done.stdout, re.MULTILINE)
    assert log, done.stdout
    assert "the last words of a task" in Path(log[1]).read_text()
    assert ends_of_tasks(done.stdout)["say"] == ("not run", "")


def test_the_reason_of_a_failure_is_the_task_s_own_message(backend: Backend, person: Person) -> None:
    done = person.submits(complaining, "--wait", reason="the rows have no label")
    assert re.search(r"^complain: the rows have no label; log: \S+$", done.stdout, re.MULTILINE)


def test_no_line_hides_a_traceback(backend: Backend, person: Person) -> None:
    command = [WARM_COMMAND, "submit", compiled(pretending, person.folder), "--wait"]
    done = subprocess.run(command, cwd=person.folder, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "    RuntimeError: a bug\n" in done.stdout
    assert "pretend: all is well" not in done.stdout


@pytest.mark.parametrize("how", ["drop", "busy"])
def test_a_lost_connection_ends_nothing(backend: Backend, person: Person, how: str) -> None:
    started = person.starts(holding, "--wait")
    started.until("hold  running")
    with backend.away(how):
        started.until("the run continues; retrying")
        (person.folder / "go").touch()
    assert started.ends() == 0
    assert ends_of_tasks(started.output) == {"hold": ("done", ""), "say": ("done", "said late")}


@MOSTLY_KUBEFLOW
def test_a_backend_that_stays_away_ends_it_with_one_line(backend: Backend, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_id(person.submits(holding).stdout)
    monkeypatch.chdir(person.folder)
    target, _ = connect("", backend.name, {})
    console = Console(file=io.StringIO(), width=1000)
    with backend.away("busy"), pytest.raises(BackendUnavailable, match="injected by the test") as error:
        Watch(target, None, {}, console, patience=1.0).follow(run)
    assert "\n" not in error.value.message


def test_an_outcome_is_asked_for_until_it_is_there(kubeflow: KubeflowDouble, person: Person) -> None:
    person.writes_context(Kubeflow(kubeflow))
    kubeflow.faults.append(Fault(Fail(503), when=lambda call: call.path.endswith("/log"), times=2))
    done = person.submits(judged, "--wait")
    assert done.returncode == 0
    assert "the run continues; retrying" in done.stdout
    assert ends_of_tasks(done.stdout)["judge"] == ("done", "blessed, pushed")


@pytest.mark.usefixtures("silent_environments")
def test_a_log_that_is_late_is_not_taken_for_none(vertex: VertexDouble, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    person.writes_context(Vertex(vertex))
    run = run_id(person.submits(silent_push, "--wait", folder=None).stdout)
    monkeypatch.chdir(person.folder)
    target, _ = connect("", "vertex", {})
    with pytest.raises(NotYet, match="they arrive up to a minute late"):
        list(target.logs(run, "push-model"))


class TestInterrupted:
    @MOSTLY_KUBEFLOW
    def test_without_a_terminal_the_run_goes_on(self, backend: Backend, person: Person) -> None:
        started = person.starts(holding, "--wait")
        started.until("hold  running")
        started.interrupt()
        assert started.ends() == 130
        assert "not run" not in started.output
        back = re.search(r"^goes on +penstock (.*)$", started.output, re.MULTILINE)
        assert back, started.output
        (person.folder / "go").touch()
        done = person.types(*back[1].split())
        assert done.returncode == 0
        assert ends_of_tasks(done.stdout) == {"hold": ("done", ""), "say": ("done", "said late")}

    @MOSTLY_KUBEFLOW
    @pytest.mark.parametrize(("answer", "state"), [("y", "canceled"), ("n", "running"), ("", "running")])
    def test_at_a_terminal_it_asks(self, backend: Backend, person: Person, answer: str, state: str) -> None:
        started = person.starts(holding, "--wait", terminal=True)
        started.until("running")
        started.interrupt()
        started.until("The run goes on. Cancel it? [y/N]")
        started.answers(answer)
        assert started.ends() == 130
        run = run_id(started.output)
        assert f"canceled   {run}" in started.output if answer == "y" else f"penstock runs show {run} --wait" in started.output
        assert _state(person, run, state) == state

    @MOSTLY_KUBEFLOW
    def test_a_second_interrupt_leaves(self, backend: Backend, person: Person) -> None:
        started = person.starts(holding, "--wait", terminal=True)
        started.until("running")
        started.interrupt()
        started.until("Cancel it?")
        started.interrupt_until_it_ends()
        assert started.ends() == 130
        assert _state(person, run_id(started.output), "running") == "running"


@MOSTLY_KUBEFLOW
def test_a_run_that_is_canceled_elsewhere_is_canceled(backend: Backend, person: Person) -> None:
    started = person.starts(holding, "--wait")
    started.until("hold  running")
    assert person.types("runs", "cancel", run_id(started.output)).returncode == 0
    assert started.ends() == 1
    assert ends_of_tasks(started.output) == {"hold": ("canceled", ""), "say": ("not run", "")}
    assert re.search(r"^canceled in ", started.output, re.MULTILINE)


@MOSTLY_KUBEFLOW
def test_tasks_from_the_cache_are_shown_as_cached(backend: Backend, person: Person) -> None:
    for options, state in (([], "done"), ([], "cached"), (["--no-cache"], "done")):
        done = person.submits(chain, "--wait", *options)
        assert ends_of_tasks(done.stdout)["read"][0] == state, done.stdout


def _state(person: Person, run: str, wanted: str) -> str:
    """Returns a run's state, as soon as it is the one that is wanted, or will not be."""
    end = time.monotonic() + 30
    while True:
        output = person.types("runs", "show", run).stdout
        state = re.search(r"^\S+ +(waiting|running|done|failed|canceled)", output, re.MULTILINE)
        assert state, output
        if state[1] == wanted or time.monotonic() > end:
            return state[1]
