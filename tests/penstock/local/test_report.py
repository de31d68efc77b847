"""What the end of a run says, and the exit code that it gives."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from penstock.local.report import EXIT_DONE, EXIT_FAILED, EXIT_NOT_RELEASED, Result, report
from penstock.local.tasks import Task


def reported(*tasks: Task, failed: bool = False) -> tuple[int, str]:
    """Returns the exit code and what is printed."""
    console = Console(file=io.StringIO(), width=200)
    code = report(Result(Path("runs/1"), list(tasks), failed), 3.0, console)
    return code, console.file.getvalue()


def task(component: str, figure: str = "", state: str = "done", **outputs: Any) -> Task:
    return Task(component.replace("_", "-"), component, state, figure, outputs)


def test_a_serving_check_shows_its_figure():
    code, output = reported(task("check_serving", "256 rows answered as evaluated, p99 5.1 ms: passed", verdict="passed"))
    assert code == EXIT_DONE
    assert "serving    256 rows answered as evaluated, p99 5.1 ms: passed\n" in output


@pytest.mark.parametrize(
    "ended",
    [
        task("check_serving", "failed: it does not load", verdict="failed"),
        task("evaluate_model", "not blessed", verdict="not_blessed"),
        task("push_model", outcome="rolled_back", pushed_model=type("Receipt", (), {"metadata": {}})()),
    ],
    ids=lambda ended: ended.component,
)
def test_what_is_not_released_exits_with_three(ended):
    code, output = reported(task("train_model"), ended)
    assert code == EXIT_NOT_RELEASED
    assert "the model is not released" in output
    assert ended.figure in output


def test_anomalies_without_a_gate_hold_nothing_back():
    assert reported(task("validate_examples", verdict="failed"))[0] == EXIT_DONE


def test_a_check_that_broke_is_a_failure():
    code, output = reported(task("check_serving", state="failed"), failed=True)
    assert code == EXIT_FAILED
    assert "serving" not in output


@pytest.mark.parametrize("component", ["evaluate_model", "check_serving", "push_model", "control_release"])
@pytest.mark.parametrize("state", ["done", "cached"])
def test_an_outcome_without_outputs_is_unknown(component: str, state: str):
    code, output = reported(task(component, state=state))
    assert code == EXIT_FAILED
    assert "done; whether the model is released is unknown in 3.0 s" in output


def test_what_is_known_comes_before_what_is_not():
    assert reported(task("check_serving"), task("push_model", outcome="rolled_back"))[0] == EXIT_NOT_RELEASED
