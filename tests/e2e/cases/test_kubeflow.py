"""Compiled files on Kubeflow Pipelines: every one of them, its gates, its releases, and the way back."""

import re
import time
from pathlib import Path

import pytest

from ...identity.table import markdown, rows
from ...identity.ways import here
from ...penstock.remote.person import ends_of_tasks
from ..pipelines import Pipelines

# Compiled components that take no artifacts, and so can be run alone; the others run in `training`.
ALONE = ("control_release", "ingest_examples")
# Baked long enough to be cut off, and after that not at all.
CANARY = {"strategy": "canary", "traffic_steps": [50, 100]}
# Of statistics only the numbers are the same everywhere: TFDV 1.16 and 1.21 write them otherwise.
SAME_BYTES = {"examples", "schema", "anomalies", "transform_graph", "transformed_examples"}


def test_training(pipelines: Pipelines) -> None:
    ran = pipelines.first
    assert ran.code == 0, ran.output
    assert "push       pushed" in ran.output
    assert {state for state, _ in ends_of_tasks(ran.output).values()} <= {"done", "cached", "skipped"}, ran.output
    pipelines.serves_its(ran)


def test_the_same_again(pipelines: Pipelines) -> None:
    pipelines.serving_first()
    ran = pipelines.train()
    assert ran.code == 0, ran.output
    assert "push       already_serving" in ran.output


def test_gate_of_the_data_is_closed(pipelines: Pipelines) -> None:
    ran = pipelines.train(min_rows=10**9)
    ends = {task: state for task, (state, _) in ends_of_tasks(ran.output).items()}
    gate = ("validate-examples", "require-verdict")
    assert (ran.code, [ends[task] for task in gate]) == (1, ["done", "failed"]), ran.output
    assert {state for task, state in ends.items() if task not in ("ingest-examples", "check-eval-config", *gate)} == {"not run"}
    assert re.search("^require-verdict: .*(num examples|rows)", ran.output, re.MULTILINE), ran.output
    assert re.search("^report +.*validate-examples", ran.output, re.MULTILINE), ran.output


def test_gate_of_the_model_is_closed(pipelines: Pipelines) -> None:
    ran = pipelines.train(hyperparameters={"rate": -0.5})
    ends = {task: state for task, (state, _) in ends_of_tasks(ran.output).items()}
    assert (ran.code, ends["push-model"]) == (3, "skipped"), ran.output
    assert "not blessed" in ran.output


@pytest.mark.splits_traffic
def test_canary_and_promote_or_rollback(pipelines: Pipelines) -> None:
    pipelines.serving_first()
    ran = pipelines.train(hyperparameters={"steps": 200}, bake_seconds=5, **CANARY)
    assert (ran.code, "push       pushed" in ran.output) == (0, True), ran.output
    pipelines.serves_its(ran)
    back = pipelines.control("rollback")
    assert back.code == 0, back.output
    pipelines.serves_its(pipelines.first)


@pytest.mark.splits_traffic
def test_canceled_in_the_middle(pipelines: Pipelines) -> None:
    pipelines.serving_first()
    parameters = {"hyperparameters": {"steps": 300}, **CANARY}
    run_id = pipelines.start(bake_seconds=pipelines.settings.run_seconds, **parameters)
    pipelines.until_shared(50)
    code, output = pipelines.kubeflow.runs("cancel", run_id)
    assert code == 0, output
    again = pipelines.train(bake_seconds=0, **parameters)
    assert (again.code, "push       pushed" in again.output) == (0, True), again.output
    pipelines.serves_its(again)


@pytest.mark.parametrize("name", ALONE)
def test_a_component_alone(pipelines: Pipelines, name: str) -> None:
    pipelines.serving_first()
    parameters = {
        "ingest_examples": {"input_uri": pipelines.rows},
        "control_release": {"destination": pipelines.destination, "action": "status", "model_name": pipelines.registered},
    }
    ran = pipelines.kubeflow.submit(f"components/{name}", parameters[name])
    assert ran.code == 0, ran.output


def test_flights(pipelines: Pipelines) -> None:
    flights = Path(pipelines.settings["FLIGHTS"])
    if not flights.is_dir():
        pytest.skip(f"no flights: {flights} is not there; make data/flights")
    ran = pipelines.flights(flights)
    assert ran.code == 0, ran.output


def test_identity(pipelines: Pipelines, tmp_path: Path) -> None:
    there = pipelines.kubeflow.outputs(pipelines.first.run_id)
    table = list(rows({"here": here(tmp_path), "there": there}))
    print(markdown(table))
    same = [row for row in table if row.what in SAME_BYTES]
    assert {row.what for row in same} >= {"examples", "schema", "transformed_examples"}
    assert [row for row in same if not row.equal] == []


def test_a_run_is_shown_the_same_again(pipelines: Pipelines) -> None:
    started = time.monotonic()
    code, output = pipelines.kubeflow.runs("show", pipelines.first.run_id, "--wait")
    assert code == 0, output
    assert ends_of_tasks(output).keys() == ends_of_tasks(pipelines.first.output).keys()
    assert time.monotonic() - started < pipelines.settings.timeout
