"""What a run reports of its gates where the backend does not return their outputs."""

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kfp import dsl
from rich.console import Console

from penstock.errors import UserError
from penstock.local.report import EXIT_DONE, EXIT_FAILED, EXIT_NOT_RELEASED, conclude
from penstock.remote.target import DONE, SKIPPED, UNKNOWN, Run, TaskState
from penstock.remote.watch import Watch
from penstock.spec.pipeline_file import PipelineFile

from ..pipelines import make, say


@dsl.container_component
def evaluate_model(verdict: dsl.OutputPath(str)):
    command = ["python", "-m", "penstock.components.evaluate_model"]
    return dsl.ContainerSpec(image="registry/penstock-tf:1", command=command, args=[verdict])


@dsl.pipeline(name="released")
def released(folder: str):
    with dsl.If(evaluate_model().outputs["verdict"] == "blessed"):
        say(text="released", folder=folder)


@dsl.pipeline(name="alarm")
def alarm(folder: str):
    with dsl.If(evaluate_model().outputs["verdict"] != "blessed"):
        say(text="not released", folder=folder)


@dsl.pipeline(name="two-gates")
def two_gates(folder: str):
    made = make(text="x")
    with dsl.If(made.outputs["count"] > 2), dsl.If(evaluate_model().outputs["verdict"] == "blessed"):
        say(text="released", folder=folder)


Followed = Callable[..., tuple[int, str]]


@pytest.fixture
def followed(compiled: Callable[[Any], PipelineFile]) -> Followed:
    """Follows a run that is done, whose tasks have no logs any more."""

    def follow(pipeline: Any, *tasks: TaskState) -> tuple[int, str]:
        def logs(*_: str) -> Any:
            raise UserError("the log no longer exists")

        target: Any = SimpleNamespace(run=lambda _: Run("r", "a run", DONE, "", tasks=tasks), logs=logs)
        console = Console(file=io.StringIO(), width=200)
        return conclude(Watch(target, compiled(pipeline), {"folder": "here"}, console).follow("r"), console), console.file.getvalue()

    return follow


def condition(number: int, pipeline: PipelineFile) -> str:
    """Returns a condition of a compiled file."""
    [planned] = [each for each in pipeline.plan() if each.key == "say"]
    return planned.conditions[number]


def test_a_gate_has_let_pass_what_ran(followed: Followed) -> None:
    code, output = followed(released, TaskState("evaluate-model", DONE), TaskState("say", DONE))
    assert (code, "verdict    blessed\n" in output) == (EXIT_DONE, True), output


def test_a_gate_has_held_back_what_it_alone_could(followed: Followed) -> None:
    assert followed(released, TaskState("evaluate-model", DONE), TaskState("say", SKIPPED))[0] == EXIT_NOT_RELEASED


def test_an_alarm_that_was_not_raised_holds_nothing_back(followed: Followed) -> None:
    code, output = followed(alarm, TaskState("evaluate-model", DONE), TaskState("say", SKIPPED))
    assert (code, "whether the model is released is unknown" in output) == (EXIT_FAILED, True), output
    evaluated = TaskState("evaluate-model", DONE, outputs={"verdict": "blessed"})
    assert followed(alarm, evaluated, TaskState("say", SKIPPED))[0] == EXIT_DONE


def test_one_of_two_conditions_is_not_guessed(followed: Followed, compiled: Callable[[Any], PipelineFile]) -> None:
    tasks = TaskState("make", DONE), TaskState("evaluate-model", DONE)
    code, output = followed(two_gates, *tasks, TaskState("say", SKIPPED))
    assert (code, "done; whether the model is released is unknown" in output) == (EXIT_FAILED, True), output
    inner = condition(1, compiled(two_gates))
    assert followed(two_gates, *tasks, TaskState("say", SKIPPED, closed=inner))[0] == EXIT_NOT_RELEASED


def test_a_task_without_a_state_is_unknown(followed: Followed) -> None:
    for tasks in ([TaskState("evaluate-model", DONE, outputs={"verdict": "blessed"})], [TaskState("say", UNKNOWN)]):
        code, output = followed(released, *tasks)
        assert code == EXIT_FAILED
        assert "unknown" in output
        assert "say" in output
    assert followed(released)[0] == EXIT_FAILED
