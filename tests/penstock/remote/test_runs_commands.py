"""`penstock runs`: what a user sees of runs and does with them."""

import json
import re

import pytest

from ...doubles.kubeflow.double import KubeflowDouble
from ..pipelines import complaining, failing, gate, holding, judged, loop
from .backends import Backend, Kubeflow
from .person import Person, ends_of_tasks, run_id


def test_a_run_that_has_ended_is_shown_again_with_the_same_exit_code(backend: Backend, person: Person) -> None:
    for pipeline, parameters, code in (
        (judged, {}, 0),
        (complaining, {}, 1),
        (judged, {"outcome": "rolled_back"}, 3),
        (gate, {"text": "not_blessed"}, 3),
    ):
        first = person.submits(pipeline, "--wait", **parameters)
        later = person.types("runs", "show", run_id(first.stdout), "--wait")
        assert (first.returncode, later.returncode) == (code, code), later.stdout
        assert ends_of_tasks(later.stdout) == ends_of_tasks(first.stdout)
        assert first.stdout.splitlines()[-1] == later.stdout.splitlines()[-1], "how it ended, and how long it took"


def test_lists_the_newest_first(backend: Backend, person: Person) -> None:
    assert person.types("runs", "list").stdout.split() == ["id", "name", "state", "created"]
    done = run_id(person.submits(gate, "--wait", "--name", "the first").stdout)
    failed = run_id(person.submits(failing, "--wait", "--name", "another").stdout)
    output = person.types("runs", "list").stdout.splitlines()
    assert [line.split()[0] for line in output] == ["id", failed, done]
    assert re.fullmatch(rf"{failed} +another +failed +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", output[1])
    assert re.match(rf"{done} +the first +done ", output[2])
    assert len(person.types("runs", "list", "--limit", "1").stdout.splitlines()) == 2
    refused = person.types("runs", "list", "--limit", "0")
    assert refused.returncode == 2
    assert "Invalid value for '--limit'" in refused.stderr


def test_shows_tasks_and_why_one_failed(backend: Backend, person: Person) -> None:
    run = run_id(person.submits(failing, "--wait", "--name", "by hand").stdout)
    shown = person.types("runs", "show", run)
    assert shown.returncode == 0, "it is shown, however it has ended"
    assert re.search(r"^page +http", shown.stdout)
    assert re.search(r"^by hand +failed", shown.stdout, re.MULTILINE)
    assert re.search(r"^fail +failed +\d{4}-\d\d-\d\d .*(exit code|non-zero status)", shown.stdout, re.MULTILINE)


def test_prints_the_log_of_a_task_and_of_an_iteration(backend: Backend, person: Person) -> None:
    run = run_id(person.submits(loop, "--wait", "--no-cache").stdout)
    done = person.types("runs", "logs", run, "for-loop-1/1/say")
    assert done.returncode == 0
    assert "[penstock] said b" in done.stdout.splitlines()


def test_ends_a_run_and_leaves_one_that_has_ended_alone(backend: Backend, person: Person) -> None:
    started = person.starts(holding, "--wait")
    started.until("hold  running")
    run = run_id(started.output)
    for _ in range(2):
        done = person.types("runs", "cancel", run)
        assert (done.returncode, done.stdout) == (0, f"canceled   {run}\n")
    assert started.ends() == 1
    assert "hold  canceled" in person.types("runs", "show", run).stdout


@pytest.mark.parametrize(
    "words", [["show", "none"], ["show", "none", "--wait"], ["cancel", "none"], ["logs", "none", "task"]], ids=" ".join
)
def test_a_run_that_there_is_not_is_one_line(backend: Backend, person: Person, words: list[str]) -> None:
    done = person.types("runs", *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert re.search(r"not found|does not exist", done.stderr)
    assert "none" in done.stderr


def test_a_task_that_there_is_not_is_one_line(backend: Backend, person: Person) -> None:
    run = run_id(person.submits(gate, "--wait").stdout)
    done = person.types("runs", "logs", run, "mkae")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "task mkae" in done.stderr


def test_a_condition_from_elsewhere_is_not_evaluated_as_python(kubeflow: KubeflowDouble, person: Person) -> None:
    person.writes_context(Kubeflow(kubeflow))
    run = run_id(person.submits(gate, "--wait", text="not_blessed").stdout)
    (theirs,) = kubeflow.records.runs.values()
    ran = person.folder / "ran"
    gates = [task for task in theirs.source.template.spec["root"]["dag"]["tasks"].values() if "triggerPolicy" in task]
    for task in gates:
        system = "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['system']"
        task["triggerPolicy"]["condition"] = f"{system}('touch {ran}') == 0"
    shown = person.types("runs", "show", run, "--wait")
    assert gates
    assert "runs only if [c for c in" in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
    assert not ran.exists()


def test_lists_those_with_a_text_in_their_names_for_a_program(backend: Backend, person: Person) -> None:
    person.submits(gate, "--wait", "--name", "retrain-1", "--label", "reason=drifted")
    person.submits(gate, "--wait", "--name", "another")
    lines = person.types("runs", "list", "--named", "retrain", "--json").stdout.splitlines()
    assert [(run["name"], run["state"]) for run in map(json.loads, lines)] == [("retrain-1", "done")]


def test_a_name_that_is_to_be_used_once(backend: Backend, person: Person) -> None:
    first = person.submits(gate, "--wait", "--name", "retrain-1", "--once")
    again = person.submits(gate, "--name", "retrain-1", "--once")
    assert run_id(again.stdout) == run_id(first.stdout)
    refused = person.submits(gate, "--once")
    assert (refused.returncode, "--once needs --name" in refused.stderr) == (2, True)
