"""The runs behind the doubles: what is seen of them while they go on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..penstock import pipelines
from .pipeline_runs import PipelineRun

Start = Callable[..., PipelineRun]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts runs of pipelines, and ends them after the test."""
    started = []

    def run(pipeline: Any, **parameters: Any) -> PipelineRun:
        spec = yaml.safe_load(pipelines.compiled(pipeline, tmp_path).read_text(encoding="utf-8"))
        started.append(PipelineRun(tmp_path / "root", spec, {"folder": pipelines.to(tmp_path), **parameters}))
        return started[-1]

    yield run
    for item in started:
        item.close()


def _states(run: PipelineRun) -> dict[str, str]:
    return {key: task.state for key, task in run.tasks.items()}


def test_outputs_of_a_chain_are_seen_and_are_found_in_the_cache_again(start: Start):
    first = start(pipelines.gate)
    assert first.wait(60)
    second = start(pipelines.gate)
    assert second.wait(60)

    assert (first.state, second.state) == ("done", "done"), (first.error, second.error)
    assert _states(first) == {"make": "done", "say": "done"}
    assert _states(second) == {"make": "cached", "say": "cached"}
    assert first.tasks["make"].outputs["parameterValues"] == second.tasks["make"].outputs["parameterValues"]
    assert first.tasks["make"].outputs["parameterValues"]["items"] == ["a", "b", "c"]
    assert "[penstock] said open" in first.tasks["say"].log.read_text()
    assert first.tasks["say"].path == ("condition-1", "say")
    assert first.created <= first.tasks["make"].started <= first.tasks["make"].ended <= first.tasks["say"].started <= first.ended


def test_artifacts_come_with_their_type_and_place(start: Start):
    run = start(pipelines.chain)
    assert run.wait(60)

    [artifact] = run.tasks["write"].outputs["artifacts"]["artifact"]["artifacts"]
    assert artifact["type"]["schemaTitle"] == "system.Dataset"
    assert Path(artifact["uri"]).read_text() == "same"


def test_tasks_of_one_component_have_names_of_their_own_and_iterations_are_numbered(start: Start):
    run = start(pipelines.loop)
    assert run.wait(60)

    assert run.state == "done"
    assert set(_states(run)) == {"make"} | {f"for-loop-1/{number}/{key}" for number in range(3) for key in ("say", "say-2")}
    assert set(_states(run).values()) <= {"done", "cached"}


def test_what_a_condition_skips_is_skipped(start: Start):
    run = start(pipelines.gate, text="not blessed")
    assert run.wait(60)

    assert run.state == "done"
    assert _states(run) == {"make": "done", "say": "skipped"}


def test_a_failure_keeps_what_follows_from_running(start: Start):
    run = start(pipelines.failing)
    assert run.wait(60)

    assert run.state == "failed"
    assert _states(run) == {"fail": "failed", "say": "not run"}
    assert "the last words of a task" in run.tasks["fail"].log.read_text()


def test_a_canceled_run_ends_its_tasks(start: Start, tmp_path: Path):
    run = start(pipelines.waiting)
    for _ in range(600):
        if (tmp_path / "pid").exists() or run.wait(0.1):
            break
    assert _states(run) == {"wait": "running", "read": "waiting"}

    run.cancel()
    assert run.wait(30)

    assert run.state == "canceled"
    assert _states(run)["read"] == "not run"


def test_missing_parameters_are_the_runs_error(start: Start):
    run = start(pipelines.branches)
    assert run.wait(60)

    assert run.state == "failed"
    assert "parameter text" in run.error
