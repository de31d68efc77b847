"""check_serving through its command: real models in real servers, right and wrong answers, limits, and nothing left behind."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from penstock.components.check_serving.processes import running
from penstock.components.check_serving.servers import PenstockServer
from penstock.components.evidence.blessing import read_probe, require_check
from penstock.components.protocol import TaskError, fingerprint

from .. import kubeflow_pages
from ..conftest import executor_input

REAL = sys.executable
STAND_IN = Path(__file__).with_name("tensorflow_model_server.py")
# Enough to see that everything works; how fast it is is no test.
QUICK = {"load_seconds": 0.3, "concurrency": 4, "start_attempts": 1}


@dataclass
class Check:
    """Checks the models of a folder; what a test does not say is good."""

    run_task: Callable[..., Any]
    models: Path
    root: Path

    def model(self, name: str) -> Path:
        return self.models / name / "model"

    def evaluation(self, name: str, blessing: dict[str, Any] | None = None, probe: dict[str, Any] | None = None) -> Path:
        """Makes an Evaluation that blesses a model."""
        folder = self.root / f"evaluation-{time.monotonic_ns()}"
        folder.mkdir()
        blessed = {"verdict": "blessed", "thresholds": [{"passed": True}], "model": {"fingerprint": fingerprint(self.model(name))}}
        (folder / "blessing.json").write_text(json.dumps(blessed | (blessing or {})))
        known = json.loads((self.models / name / "probe.json").read_text())
        (folder / "probe.json").write_text(json.dumps(known | (probe or {})))
        return folder

    def __call__(self, name: str, *, subprocess: bool = False, parameters: dict[str, Any] | None = None, **evaluation: Any) -> Any:
        inputs = {"model": self.model(name), "evaluation": self.evaluation(name, **evaluation)}
        return self.run_task("check_serving", QUICK | (parameters or {}), inputs, subprocess=subprocess)

    def broken(self, name: str) -> None:
        """Makes a model that does not load."""
        shutil.copytree(self.models / "first", self.models / name, dirs_exist_ok=True)
        (self.model(name) / "saved_model.pb").write_bytes(b"no model")


@pytest.fixture
def check(
    run_task: Callable[..., Any], saved_models: Path, tmp_path: Path, family_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Check:
    monkeypatch.setenv("PYTHONPATH", family_environment["PYTHONPATH"])
    monkeypatch.setattr(sys, "executable", os.environ.get("PENSTOCK_SERVE_PYTHON", sys.executable))
    return Check(run_task, saved_models, tmp_path)


@pytest.fixture
def _cold(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are processes of their own in every way."""
    monkeypatch.setattr(sys, "executable", REAL)


@pytest.fixture
def tensorflow_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns `install(*options)`, which puts the stand-in for `tensorflow_model_server` on the path."""

    def install(*options: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        executable = folder / "tensorflow_model_server"
        executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@" {" ".join(options)}\n')
        executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


def result(done: Any) -> dict[str, Any]:
    """Reads `check.json`."""
    assert done.code == 0, done.error
    return json.loads((done.outputs["serving_check"] / "check.json").read_text())


def no_server_is_left() -> None:
    assert [child.cmdline() for child in psutil.Process().children(recursive=True)] == []


@pytest.mark.usefixtures("_cold")
def test_the_server_can_be_reached_from_this_machine_only(check: Check) -> None:
    with running(PenstockServer(), check.model("first"), check.root / "server.log", 1) as server:
        listening = {one.laddr for one in psutil.Process(server.process.pid).connections("tcp") if one.status == psutil.CONN_LISTEN}
    assert server.address.http_port in {address.port for address in listening}
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_good_model_passes_through_every_protocol(check: Check) -> None:
    limits = {"start_seconds": 200, "memory_mb": 8000, "p50_ms": 5000, "p95_ms": 5000, "p99_ms": 5000, "requests_per_second": 1}
    done = check("first", subprocess=True, parameters={"limits": limits, "probe_rows": 1})
    found = result(done)
    assert done.parameters == {"verdict": "passed"}
    assert (found["verdict"], found["reasons"]) == ("passed", [])
    (server,) = found["servers"]
    assert [one["protocol"] for one in server["protocols"]] == ["v1", "v2", "grpc"]
    for one in server["protocols"]:
        assert (one["answers"]["rows"], one["answers"]["different"], one["load"]["failed"]) == (2, 0, 0)
        assert one["load"]["answers"]["rows"] == 2, "every row is asked for under load too"
        assert 0 < one["load"]["p50_ms"] <= one["load"]["p95_ms"] <= one["load"]["p99_ms"]
        assert one["load"]["requests"] > 4
    assert len(found["limits"]) == 2 + 4 * 3
    assert all(entry["passed"] and entry["measured"] > 0 for entry in found["limits"])
    assert server["memory_mb"] > 100
    folder = done.outputs["serving_check"]
    assert require_check(folder, fingerprint(check.model("first")))["verdict"] == "passed"
    known = json.loads((check.models / "first" / "probe.json").read_text())
    assert read_probe(folder) == known | {key: known[key][:1] for key in ("instances", "predictions")}
    (folder / "probe.json").write_text(json.dumps(read_probe(folder) | {"predictions": [[0.5]]}))
    with pytest.raises(TaskError, match="does not match the requests in its probe"):
        require_check(folder, fingerprint(check.model("first")))
    assert done.metadata["serving_check"]["summary"].endswith(": passed")
    page = done.outputs["report"].read_text()
    assert "V2 REST" in page
    assert "resident memory" in page
    no_server_is_left()


def test_kubeflows_pages_show_a_check(check: Check) -> None:
    done = check("first", parameters={"protocols": ["v1"]})
    ((server,), shown) = result(done)["servers"], kubeflow_pages.scalar_metrics(done.metadata["metrics"])
    assert float(shown[f"memory_mb ({server['name']})"]) == server["memory_mb"]
    assert float(shown[f"p99_ms ({server['name']} v1)"]) == server["protocols"][0]["load"]["p99_ms"]
    kubeflow_pages.check_page(done.outputs["report"])


@pytest.mark.usefixtures("_cold")
def test_a_checkout_of_penstock_as_the_working_directory_is_not_what_is_served_with(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "penstock").mkdir()
    (tmp_path / "penstock" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    assert result(check("first", parameters={"protocols": ["v1"]}))["verdict"] == "passed"


@pytest.mark.parametrize("name", ["serialized", "two_outputs"])
def test_other_signatures_pass_through_every_protocol(check: Check, name: str) -> None:
    assert result(check(name))["reasons"] == []


def test_answers_in_the_thousands_may_differ_in_their_last_digits(check: Check) -> None:
    known = json.loads((check.models / "first" / "probe.json").read_text())["predictions"]
    relative = {"predictions": [[value * (1 + 5e-6)] for (value,) in known]}
    assert result(check("first", probe=relative, parameters={"protocols": ["v1"]}))["verdict"] == "passed"


def test_the_tolerance_is_a_parameter_and_goes_with_the_probe(check: Check) -> None:
    known = json.loads((check.models / "first" / "probe.json").read_text())["predictions"]
    done = check(
        "first", probe={"predictions": [[value + 1e-3] for (value,) in known]}, parameters={"protocols": ["v1"], "tolerance": 2e-3}
    )
    assert (result(done)["verdict"], result(done)["tolerance"]) == ("passed", 2e-3)
    assert read_probe(done.outputs["serving_check"])["tolerance"] == 2e-3


def test_rows_that_a_model_mixes_are_asked_for_alone(check: Check) -> None:
    tensorflow = """
import sys, tensorflow as tf
def f(s): return {"words": tf.strings.split(s).to_tensor(""), "share": tf.nn.softmax(tf.cast(tf.strings.length(s), tf.float32))}
tf.saved_model.save(tf.Module(), sys.argv[1], {"serving_default": tf.function(f).get_concrete_function(s=tf.TensorSpec([None], tf.string))})
"""
    subprocess.run([sys.executable, "-c", tensorflow, check.models / "mixing" / "model"], check=True)
    probe = {"tolerance": 1e-5, "instances": [{"s": "a b"}, {"s": "a b c"}]}
    probe["predictions"] = [{"words": row["s"].split(), "share": 1.0} for row in probe["instances"]]
    (check.models / "mixing" / "probe.json").write_text(json.dumps(probe))
    done = check("mixing", probe={"rows_together": False})
    assert result(done)["reasons"] == []
    assert len(read_probe(done.outputs["serving_check"])["instances"]) == 1, "a probe goes in one request"
    found = result(check("mixing", parameters={"protocols": ["v1"]}))
    (server,) = found["servers"]
    shown = server["protocols"][0]["answers"]["shown"][0]
    assert (found["verdict"], server["protocols"][0]["load"]["answers"]["different"]) == ("failed", 0)
    share, words = sorted(shown["values"])
    assert words.startswith('words: ["a", "b", ""], not ["a", "b"]')
    assert share.startswith("share: 0.1")


def test_a_model_that_answers_otherwise_than_evaluated_fails(check: Check) -> None:
    known = json.loads((check.models / "first" / "probe.json").read_text())["predictions"]
    done = check("first", probe={"predictions": [known[0], [known[1][0] + 1e-3]]})
    found = result(done)
    assert done.parameters == {"verdict": "failed"}
    assert len(found["reasons"]) == 6, "through each protocol, alone and under load"
    assert found["reasons"][0].startswith("Penstock v1: 1 of 2 rows have other answers than in the evaluation; row 1: [")
    assert found["servers"][0]["protocols"][2]["answers"]["largest_difference"] == pytest.approx(1e-3, rel=0.01)
    assert "other answers than in the evaluation" in done.metadata["serving_check"]["summary"]
    assert "other answers than in the evaluation" in done.outputs["report"].read_text()
    no_server_is_left()


def test_other_outputs_than_evaluated_fail(check: Check) -> None:
    found = result(check("first", probe={"predictions": [{"a": 0.1, "b": 0.2}] * 2}, parameters={"protocols": ["v1"]}))
    assert found["verdict"] == "failed"
    assert found["servers"][0]["protocols"][0]["answers"]["largest_difference"] is None


def test_requests_that_the_model_refuses_fail(check: Check) -> None:
    instances = [{"distance": 1.0, "carrier": "AA"}] * 2
    found = result(check("first", probe={"instances": instances}, parameters={"limits": {"p99_ms": 1000}}))
    assert found["verdict"] == "failed"
    assert "month" in found["reasons"][0]
    assert "Penstock v1: p99_ms could not be measured" in found["reasons"]


def test_a_model_that_does_not_load_is_tried_again_and_fails(check: Check) -> None:
    check.broken("broken")
    done = check("broken", parameters={"start_attempts": 2, "limits": {"memory_mb": 5000}})
    found = result(done)
    assert done.parameters == {"verdict": "failed"}
    (server,) = found["servers"]
    assert server["attempts"] == 2
    assert server["start_seconds"] is None
    assert "before it was ready" in server["failure"]
    assert found["reasons"] == [server["failure"], "Penstock: memory_mb could not be measured"]
    assert "before it was ready" in done.outputs["report"].read_text()
    no_server_is_left()


def test_a_model_without_serving_default_fails(check: Check) -> None:
    subprocess.run([sys.executable, STAND_IN.with_name("no_serving_default.py"), check.models / "closed"], check=True)
    found = result(check("closed"))
    assert found["verdict"] == "failed"
    assert "serving_default" in found["reasons"][0]


def test_nothing_to_compare_fails(check: Check) -> None:
    done = check("first", probe={"instances": [], "predictions": []})
    assert done.parameters == {"verdict": "failed"}
    assert "no requests with known answers" in result(done)["reasons"][0]


def test_a_broken_limit_fails_and_says_by_how_much(check: Check) -> None:
    done = check("first", parameters={"limits": {"memory_mb": 1, "requests_per_second": 1e9}, "protocols": ["grpc"]})
    found = result(done)
    assert done.parameters == {"verdict": "failed"}
    assert [entry["passed"] for entry in found["limits"]] == [False, False]
    assert "above the maximum of 1" in found["reasons"][0]
    assert "Penstock grpc: requests_per_second is" in found["reasons"][1]


@pytest.mark.parametrize("name", ["first", "serialized", "two_outputs"])
def test_tensorflow_serving_too_where_it_is_there(check: Check, tensorflow_serving: Callable[..., None], name: str) -> None:
    tensorflow_serving()
    found = result(check(name))
    assert found["reasons"] == []
    ours, theirs = found["servers"]
    assert (theirs["name"], [one["protocol"] for one in theirs["protocols"]]) == ("TensorFlow Serving", ["v1", "grpc"])
    assert all(one["answers"]["rows"] == 2 and one["load"]["requests"] for one in (*ours["protocols"], *theirs["protocols"]))
    no_server_is_left()


def test_tensorflow_serving_that_computes_otherwise_fails(check: Check, tensorflow_serving: Callable[..., None]) -> None:
    tensorflow_serving("--test_bias=0.01")
    reasons = result(check("first"))["reasons"]
    assert {reason.partition(": ")[0] for reason in reasons} == {"TensorFlow Serving v1", "TensorFlow Serving grpc"}


def test_a_server_that_dies_while_it_is_asked_fails(check: Check, tensorflow_serving: Callable[..., None]) -> None:
    tensorflow_serving("--test_answers=20")
    done = check("first", parameters={"protocols": ["v1"], "load_seconds": 3.0})
    reasons = result(done)["reasons"]
    assert reasons[0] == "TensorFlow Serving ended during the requests with exit code 9"
    assert "requests failed under load" in reasons[1]


def test_tensorflow_serving_that_gives_a_model_up_fails(check: Check, tensorflow_serving: Callable[..., None]) -> None:
    tensorflow_serving()
    check.broken("unloadable")
    reasons = result(check("unloadable"))["reasons"]
    assert any(reason.startswith("TensorFlow Serving cannot load the model: Loading servable failed") for reason in reasons)
    no_server_is_left()


def test_a_server_that_cannot_be_started_is_an_error(check: Check, tensorflow_serving: Callable[..., None], tmp_path: Path) -> None:
    tensorflow_serving()
    (tmp_path / "bin" / "tensorflow_model_server").write_text("#!/no/such/interpreter\n")
    done = check("first", parameters={"protocols": ["v1"]})
    assert done.code == 1
    assert "cannot be started" in done.error
    assert not done.outputs["serving_check"].exists()
    no_server_is_left()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "not_blessed"}, "not 'blessed'"),
        ({"model": {"fingerprint": "0" * 64}}, "blesses a model with other bytes"),
    ],
)
def test_what_is_not_blessed_is_not_checked(check: Check, changes: dict[str, Any], message: str) -> None:
    done = check("first", blessing=changes)
    assert done.code == 1
    assert message in done.error
    assert not done.outputs["serving_check"].exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limits": {"p98_ms": 5}}, "'p98_ms', which is unknown; give start_seconds, memory_mb"),
        ({"limits": {"p99_ms": "fast"}}, "p99_ms = 'fast'; give a number above 0"),
        ({"limits": {"p99_ms": 0}}, "p99_ms = 0"),
        ({"protocols": []}, "give some of v1, v2, grpc"),
        ({"protocols": ["v1", "http"]}, "give some of v1, v2, grpc"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"load_seconds": 0.0}, "load_seconds is 0"),
        ({"probe_rows": 0}, "probe_rows is 0"),
        ({"start_attempts": 0}, "start_attempts is 0"),
        ({"tolerance": -0.1}, "tolerance is -0.1"),
        ({"tolerance": 1.0}, "tolerance is 1"),
    ],
)
def test_parameters_that_are_wrong(check: Check, parameters: dict[str, Any], message: str) -> None:
    done = check("first", parameters=parameters)
    assert done.code == 1
    assert message in done.error


def test_a_malformed_probe_is_an_error(check: Check) -> None:
    done = check("first", probe={"predictions": [[0.1]]})
    assert done.code == 1
    assert "as many predictions as instances" in done.error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_is_ended_leaves_no_server(check: Check, tmp_path: Path, number: signal.Signals) -> None:
    inputs = {"model": check.model("first"), "evaluation": check.evaluation("first")}
    spec = executor_input("check_serving", tmp_path / "ended", QUICK | {"load_seconds": 100.0, "protocols": ["v1"]}, inputs)
    task = subprocess.Popen([sys.executable, "-m", "penstock.components.check_serving", "--executor_input", json.dumps(spec)])
    server = _server_under_load(task.pid)
    task.send_signal(number)
    assert task.wait(90) == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    server.wait(60)
    if number == signal.SIGTERM:
        assert [path.name for path in (tmp_path / "ended").iterdir()] == []


def _server_under_load(parent: int) -> psutil.Process:
    """Waits until a task's server has answered for a while."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for child in psutil.Process(parent).children():
            if any(connection.status == psutil.CONN_ESTABLISHED for connection in child.connections()):
                return child
        time.sleep(0.05)
    raise AssertionError("no server answers")
