"""push_model to local://, with real model servers and a real registry."""

import json
import math
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.protocol.marks import figure_in
from penstock.components.release import serving
from penstock.components.release.destinations import parse
from penstock.components.release.registry import open_registry

from ...waiting import until
from ..conftest import component_process, executor_input
from ..releasing import NAME, Push

WRONG = {"predictions": [[0.5], [0.5]]}


@pytest.fixture
def push(local_push: Push) -> Push:
    return local_push


@pytest.fixture
def folder(push: Push) -> Path:
    return push.root / "serving"


@pytest.fixture
def versions(push: Push, tracking_uri: str) -> dict[str, str]:
    """The versions of two models in the registry, which the pushes of this test use."""
    push.parameters = {"tracking_uri": tracking_uri}
    registry = open_registry(NAME, tracking_uri)
    return {name: registry.register(push.fingerprint(name), "anywhere", {}) for name in ("first", "second")}


def test_a_first_push_a_second_one_and_the_same_again(push: Push, folder: Path, versions: dict[str, str], tracking_uri: str):
    registry = open_registry(NAME, tracking_uri)
    done = push("first", parameters={"model_version": versions["first"]}, subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"outcome": "pushed", "url": push.url}
    push.serves("first")
    answer = subprocess.run(done.metadata["pushed_model"]["curl"], shell=True, capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["predictions"][0][0] == pytest.approx(push.probe("first")["predictions"][0][0], abs=1e-6)
    assert registry.aliases() == {"champion": "1"}

    server = serving.running_server(folder)
    done = push("second", parameters={"model_version": versions["second"]})
    assert done.parameters["outcome"] == "pushed"
    assert done.metadata["pushed_model"]["rollback_point"] == "v1"
    assert done.metadata["pushed_model"]["summary"] == f"v2 serves at {push.url}"
    push.serves("second")
    assert serving.running_server(folder) == server
    assert registry.aliases() == {"champion": "2", "previous": "1"}
    assert registry.version("2").tags["rollback_point"] == f"v1 {push.fingerprint('first')}"

    done = push("second", parameters={"model_version": versions["second"]})
    assert done.parameters["outcome"] == "already_serving"
    assert done.metadata["pushed_model"]["rollback_point"] == "v1"
    assert registry.aliases() == {"champion": "2", "previous": "1"}
    receipt = json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())
    assert receipt["fingerprint"] == push.fingerprint("second")
    assert receipt["rollback_fingerprint"] == push.fingerprint("first")
    assert receipt["stop"] == f"penstock serve stop {folder}"


class Clients:
    """Clients that ask all the time, until the block ends.

    Attributes:
        codes: The status codes that they got.
        first_values: The first value of each answer.
    """

    def __init__(self, push: Push, name: str = "first") -> None:
        self._url, self._body = push.url, {"instances": push.probe(name)["instances"]}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.codes: list[int] = []
        self.first_values: list[float] = []

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._stop.wait(0.02):  # the push needs the core too
                answer = client.post(self._url, json=self._body)
                self.codes.append(answer.status_code)
                if answer.is_success:
                    self.first_values.append(answer.json()["predictions"][0][0])

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def share(self, value: float) -> float:
        """Returns the share of the answers that had this value."""
        return sum(math.isclose(value, answer, abs_tol=1e-6) for answer in self.first_values) / len(self.first_values)


def test_no_request_is_lost_while_the_models_change(push: Push):
    assert push("first").code == 0
    with Clients(push) as clients:
        for name in ("second", "first", "second"):
            answered = len(clients.codes)
            assert push(name).parameters["outcome"] == "pushed"
            until(lambda answered=answered: len(clients.codes) > answered + 10)
    assert set(clients.codes) == {200}


def test_wrong_answers_roll_back_and_the_old_model_answers_again(push: Push, versions: dict[str, str], tracking_uri: str):
    assert push("first", parameters={"model_version": versions["first"]}).code == 0
    done = push("second", parameters={"model_version": versions["second"]}, probe=WRONG)
    assert done.code == 0
    assert done.parameters == {"outcome": "rolled_back", "url": push.url}
    assert "request 0 was answered" in done.metadata["pushed_model"]["summary"]
    push.serves("first")
    assert open_registry(NAME, tracking_uri).aliases() == {"champion": "1"}
    assert httpx.get(push.url.replace(f"/{NAME}:predict", ""), trust_env=False).json() == {"models": [NAME]}
    assert push("second").parameters["outcome"] == "pushed"


def test_a_rejected_push_of_what_served_before_does_not_spoil_the_way_back_to_it(push: Push):
    assert [push(name).parameters["outcome"] for name in ("first", "second")] == ["pushed"] * 2
    assert push("first", probe=WRONG).parameters["outcome"] == "rolled_back"
    push.serves("second")
    assert push.control("rollback").parameters["outcome"] == "rolled_back"
    push.serves("first")


def test_a_push_with_right_answers_after_one_with_wrong_ones_was_interrupted(push: Push):
    assert push("first").code == 0
    _kill_at(push, "second", "check the staged model", probe=WRONG)
    assert [push(name).parameters["outcome"] for name in ("second", "first")] == ["pushed"] * 2
    assert push.control("rollback").parameters["outcome"] == "rolled_back"
    push.serves("second")


def test_a_first_model_with_wrong_answers_leaves_nothing_serving(push: Push, folder: Path):
    done = push("first", probe=WRONG)
    assert done.parameters == {"outcome": "rolled_back", "url": ""}
    assert serving.running_server(folder) is None
    assert push("first").parameters["outcome"] == "pushed"


def test_a_model_that_does_not_load_rolls_back(push: Push):
    assert push("first").code == 0
    broken = push.models / "broken" / "model"
    shutil.copytree(push.models / "second" / "model", broken, dirs_exist_ok=True)
    (broken / "saved_model.pb").write_bytes(b"no model")
    shutil.copy(push.models / "second" / "probe.json", broken.parent)
    done = push("broken")
    assert done.parameters["outcome"] == "rolled_back"
    push.serves("first")


@pytest.mark.parametrize("name", ["serialized", "two_outputs", "renamed"])
def test_other_signatures(push: Push, name: str):
    assert push("first").code == 0
    assert push(name).parameters["outcome"] == "pushed"
    assert push("first").parameters["outcome"] == "pushed"
    push.serves("first")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "not_blessed"}, "not 'blessed'"),
        ({"verdict": None}, "not 'blessed'"),
        ({"model": {"fingerprint": "0" * 64}}, "blesses a model with other bytes"),
        ({"model": None}, "blesses a model with other bytes"),
    ],
)
def test_what_is_not_blessed_is_not_pushed(push: Push, folder: Path, changes: dict[str, Any], message: str):
    done = push("first", changes=changes)
    assert done.code == 1
    assert message in done.error
    assert not folder.exists()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"verdict": "failed"}, "not 'passed'"),
        ({"verdict": None}, "not 'passed'"),
        ({"reasons": ["it is slow"]}, "contains reasons for a failure"),
        ({"model": {"fingerprint": "0" * 64}}, "is for a model with other bytes"),
        ({"model": None}, "is for a model with other bytes"),
        ({"probe_sha256": "0" * 64}, "does not match the requests in its probe.json"),
        ({"probe_sha256": None}, "does not match the requests in its probe.json"),
    ],
)
def test_what_has_not_passed_the_serving_check_is_not_pushed(push: Push, folder: Path, check: dict[str, Any], message: str):
    done = push("first", check=check)
    assert done.code == 1
    assert message in done.error
    assert not folder.exists()


@pytest.mark.parametrize(
    ("artifact", "missing"), [("evaluation", "blessing.json"), ("serving_check", "check.json"), ("serving_check", "probe.json")]
)
def test_evidence_that_is_missing(push: Push, folder: Path, run_task: Callable[..., Any], artifact: str, missing: str):
    inputs = push.inputs("first")
    (inputs[artifact] / missing).unlink()
    done = run_task("push_model", push.values(), inputs)
    assert done.code == 1
    assert missing in done.error
    assert not folder.exists()


@pytest.mark.parametrize(
    "probe", [{"instances": [], "predictions": []}, *({"tolerance": value} for value in (float("inf"), float("nan"), -1, 1e9, 10**400))]
)
def test_a_probe_that_shows_nothing(push: Push, folder: Path, probe: dict[str, Any]):
    done = push("first", probe=probe)
    assert done.code == 1
    assert "probe.json" in done.error
    assert not folder.exists()


def test_a_stale_baseline(push: Push, folder: Path):
    assert push("first").code == 0
    assert push("second").code == 0
    before = serving.read_state(folder, NAME)
    for baseline, known in (("first", push.fingerprint("first")[:12]), ("", "no model")):
        done = push("renamed", baseline=baseline)
        assert done.code == 1
        assert f"compared with {known}: the Baseline is stale" in done.error
        assert "\n" not in done.error
    assert serving.read_state(folder, NAME) == before
    push.serves("second")
    assert push("second", baseline="first").parameters["outcome"] == "already_serving"
    assert push("first", baseline="", parameters={"allow_stale_baseline": True}).parameters["outcome"] == "pushed"
    push.serves("first")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"destination": "serving"}, "'serving' is invalid"),
        ({"destination": "ftp://serving"}, "'ftp://serving' is invalid; give one of local://"),
        ({"destination": "local://"}, "has no folder"),
        ({"destination": "local://x?port=none"}, "no valid port"),
        ({"destination": "local://x?port=70000"}, "no valid port"),
        ({"destination": "local://x?mode=canary"}, "mode is unknown; local:// accepts port"),
        ({"serving_options": {"cpu": "2"}}, "serving option cpu is unknown; local://"),
        ({"serving_options": {"prediction_log": "ftp://logs"}}, "give gs://… or s3://…, or a folder"),
        ({"serving_options": {"prediction_log": "logs", "prediction_log_sample": "all"}}, "prediction_log_sample='all' is not a share"),
        ({"strategy": "yolo"}, "'yolo' is unknown; give one of replace, canary, blue_green, shadow"),
        ({"traffic_steps": [5, 25, 50]}, "in increasing order from above 0 to 100"),
        ({"traffic_steps": [50, 25, 100]}, "in increasing order from above 0 to 100"),
        ({"traffic_steps": [0, 100]}, "in increasing order from above 0 to 100"),
        ({"traffic_steps": []}, "in increasing order from above 0 to 100"),
        ({"traffic_steps": [12.5, 100]}, "must be whole percentages"),
        ({"bake_seconds": -1}, "bake_seconds is -1"),
        ({"model_name": "../flights"}, "cannot be part of a URL"),
    ],
)
def test_parameters_that_are_none(push: Push, folder: Path, parameters: dict[str, Any], message: str):
    done = push("first", parameters=parameters)
    assert done.code == 1
    assert message in done.error
    assert "\n" not in done.error
    assert not folder.exists()


def test_a_model_over_the_size_limit(push: Push, folder: Path):
    (push.root / "models").mkdir()
    push.models = Path(shutil.copytree(push.models / "first", push.root / "models" / "first")).parent
    with (push.model("first") / "ballast").open("wb") as file:
        file.truncate(2**20)
    done = push("first", parameters={"max_model_mb": 1})
    assert done.code == 1
    assert "more than max_model_mb=1" in done.error
    assert not folder.exists()


def test_a_folder_that_is_a_file(push: Push, folder: Path):
    folder.write_text("")
    done = push("first")
    assert done.code == 1
    assert "is not usable" in done.error


def test_a_relative_folder_is_relative_to_the_working_directory(push: Push, free_port: int, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(push.root)
    assert push("first", parameters={"destination": f"local://serving?port={free_port}"}).code == 0
    push.serves("first")


def test_a_port_in_use(push: Push, folder: Path, free_port: int):
    with socket.create_server(("127.0.0.1", free_port)):
        done = push("first", subprocess=True)
    assert done.code == 1
    assert f"cannot listen on port {free_port}" in done.error
    assert len(done.error.splitlines()) == 1
    assert serving.read_state(folder, NAME) == serving.ServingState()
    assert push("first").parameters["outcome"] == "pushed"


def test_no_interpreter_for_the_server(push: Push, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PENSTOCK_SERVE_PYTHON")
    done = push("first")
    assert done.code == 1
    assert "PENSTOCK_SERVE_PYTHON" in done.error


def test_a_server_on_another_port(push: Push, folder: Path, free_port: int):
    assert push("first").code == 0
    done = push("second", parameters={"destination": f"local://{folder}?port={free_port + 1}"})
    assert done.code == 1
    assert f"listens on port {free_port}" in done.error
    push.serves("first")


def test_the_server_keeps_the_prediction_log_that_it_was_started_with(push: Push, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(push.root)
    kept = {"serving_options": {"prediction_log": "logs", "prediction_log_sample": 1}}
    assert push("first", parameters=kept).code == 0
    push.serves("first")
    assert [push(name, parameters=options).code for name, options in (("second", {}), ("first", kept))] == [0, 0]
    done = push("second", parameters={"serving_options": {"prediction_log": "elsewhere"}})
    assert done.code == 1
    expected = (
        f"keeps its prediction log at {push.root / 'logs'}, of 1 of the ids; push with the same options, or first run: penstock serve stop"
    )
    assert expected in done.error
    push.serves("first")
    serving.stop_server(folder)
    rows = [json.loads(line) for file in (push.root / "logs" / NAME).glob("*/*.jsonl") for line in file.read_text().splitlines()]
    probe = push.probe("first")
    assert probe["instances"][0] in [row["instance"] for row in rows]
    assert {row["fingerprint"] for row in rows} == {push.fingerprint("first"), push.fingerprint("second")}


def test_a_version_of_other_bytes_in_the_registry(push: Push, folder: Path, tracking_uri: str):
    version = open_registry(NAME, tracking_uri).register("0" * 64, "anywhere", {})
    for number in (version, "7"):
        done = push("first", parameters={"tracking_uri": tracking_uri, "model_version": number})
        assert done.code == 1
        assert "is not this model" in done.error
    assert not folder.exists()


def test_a_killed_server_is_started_again(push: Push, folder: Path):
    assert push("first").code == 0
    os.kill(serving.running_server(folder).pid, signal.SIGKILL)
    assert push("first").parameters["outcome"] == "already_serving"
    push.serves("first")


def test_no_room_for_the_copy(push: Push, folder: Path):
    assert push("first").code == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        done = push("second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.code == 1
    assert "cannot write" in done.error
    push.serves("first")
    assert sorted(path.name for path in (folder / NAME).iterdir()) == [serving.read_state(folder, NAME).stable, "state.json"]
    assert push("second").parameters["outcome"] == "pushed"


def test_two_pushes_at_once(push: Push, folder: Path):
    assert push("first").code == 0
    with (folder / ".push.lock").open("w") as lock:
        assert serving.try_lock(lock)
        done = push("second", subprocess=True)
    assert done.code == 1
    assert "another push" in done.error
    push.serves("first")


CANARY = {"strategy": "canary", "traffic_steps": [50, 100], "bake_seconds": 1}
PHASES = (
    "stage",
    "check the staged model",
    "shift to 50 %",
    "check at 50 %",
    "shift to 100 %",
    "check at 100 %",
    "retire the previous model",
)


def _kill_at(push: Push, name: str, phase: str, *, seconds: float = 0.0, **evidence: Any) -> None:
    """Starts a push, and kills it a while after it has reported a phase."""
    root = push.root / f"killed-{time.monotonic_ns()}"
    spec = executor_input("push_model", root, push.values(**CANARY), push.inputs(name, **evidence))
    pushing = component_process("penstock.components.push_model", json.dumps(spec))
    with subprocess.Popen(**pushing, stdout=subprocess.PIPE, text=True) as process:
        output = next((line for line in process.stdout if (figure_in(line) or "").startswith(phase)), None)
        assert output, f"{phase} was never come to"
        time.sleep(seconds)
        process.kill()
        process.stdout.read()  # until it has ended: it may be a fork of another one


def _old_or_new_answers(push: Push) -> None:
    answers = push.ask("first")
    assert any(push.answers_as(answers, name) for name in ("first", "second"))


@pytest.mark.slow
def test_a_push_killed_in_each_phase_and_run_again(push: Push, folder: Path):
    assert push("first").code == 0
    old, new = "first", "second"
    for phase in PHASES:
        _kill_at(push, new, phase, seconds=0.02)
        _old_or_new_answers(push)
        done = push(new, parameters=CANARY)
        assert done.parameters.get("outcome") in ("pushed", "already_serving"), (phase, done.error)
        push.serves(new)
        state = serving.read_state(folder, NAME)
        assert (state.candidate, state.percent, state.warm) == (None, 0, False), phase
        assert state.history[0].endswith(push.fingerprint(old)[:12]), phase
        old, new = new, old


def test_a_push_killed_in_each_phase_and_another_model_pushed(push: Push, folder: Path):
    assert push("first").code == 0
    for phase in ("check the staged model", "check at 50 %"):
        _kill_at(push, "second", phase)
        done = push("renamed", parameters=CANARY | {"bake_seconds": 0})
        assert done.parameters.get("outcome") == "pushed", (phase, done.error)
        assert serving.read_state(folder, NAME).candidate is None
        assert push("first").parameters["outcome"] == "pushed"


def test_a_push_killed_while_it_rolls_back(push: Push, folder: Path):
    assert push("first").code == 0
    _kill_at(push, "second", "roll back", probe=WRONG)
    push.serves("first")
    assert push("second", probe=WRONG).parameters["outcome"] == "rolled_back"
    push.serves("first")
    assert serving.read_state(folder, NAME).candidate is None


def test_a_push_goes_on_at_the_step_that_was_reached(push: Push):
    assert push("first").code == 0
    _kill_at(push, "second", "check at 50 %")
    done = push("second", parameters=CANARY | {"traffic_steps": [10, 50, 100]})
    steps = json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())["steps"]
    assert [step for step in steps if step.startswith("shift")] == ["shift to 50 %", "shift to 100 %"]


def test_a_canary_gets_its_share_evenly(push: Push):
    assert push("first").code == 0
    _kill_at(push, "second", "check at 50 %")
    answers = [push.answers_as(push.ask("first"), "second") for _ in range(20)]
    assert sum(answers) == 10
    assert answers[:4] in ([True, False, True, False], [False, True, False, True])


def test_a_shadow_gets_a_copy_of_the_traffic_and_answers_no_client(push: Push):
    assert push("first").code == 0
    done = push("second", parameters={"strategy": "shadow", "bake_seconds": 0})
    assert done.parameters == {"outcome": "shadowing", "url": push.url}
    assert "gets a copy of the traffic" in done.metadata["pushed_model"]["summary"]
    target = parse(push.destination, NAME)
    before = target.traffic().requests
    for _ in range(10):
        push.serves("first")
    until(lambda: target.traffic().requests == before + 10)
    assert target.traffic().errors == 0
    assert (target.current().candidate.fingerprint, target.current().percent) == (push.fingerprint("second"), 0)
    assert push("second", parameters=CANARY).parameters["outcome"] == "pushed"
    push.serves("second")
    before = target.traffic().requests
    push.serves("second")
    assert target.traffic().requests == before + 1, "the one that serves is counted now, and no copy is sent"


def test_a_shadow_where_nothing_serves(push: Push, folder: Path):
    done = push("first", parameters={"strategy": "shadow"})
    assert done.code == 1
    assert "no traffic to copy" in done.error
    assert serving.read_state(folder, NAME) == serving.ServingState()


def test_a_first_model_takes_all_traffic_whatever_its_steps(push: Push):
    assert push("first", parameters=CANARY).parameters["outcome"] == "pushed"
    push.serves("first")


def test_blue_green_keeps_the_model_before_warm_for_a_while(push: Push, folder: Path):
    assert push("first").code == 0
    parameters = {"strategy": "blue_green", "keep_warm_seconds": 5}
    pushing = threading.Thread(target=push, args=["second"], kwargs={"parameters": parameters, "subprocess": True})
    pushing.start()
    until(lambda: serving.read_state(folder, NAME).warm)
    until(lambda: push.answers_as(push.ask("second"), "second"))  # the server follows the state
    pushing.join()
    assert not serving.read_state(folder, NAME).warm
    assert push.control("rollback").parameters["outcome"] == "rolled_back"
    push.serves("first")


def test_versions_beyond_the_history_are_removed(push: Push, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serving, "KEPT_VERSIONS", 1)
    for name in ("first", "second", "renamed"):
        assert push(name).parameters["outcome"] == "pushed"
    kept = {path.parent.name for path in (folder / NAME).glob("*/release.json")}
    assert kept == {push.fingerprint(name)[:12] for name in ("second", "renamed")}


@pytest.mark.parametrize(
    ("stable", "candidate", "history"), [(0, 1, []), (1, None, [0])], ids=["staged and not loaded", "promoted and not loaded"]
)
def test_the_server_follows_a_state_written_without_a_request(
    push: Push, folder: Path, stable: int, candidate: int | None, history: list[int]
):
    """The state file as a push leaves it when it is killed before the server has followed."""
    assert push("second").code == 0
    assert push("first").code == 0
    known = serving.read_state(folder, NAME)
    versions = [known.stable, *known.history]
    left = serving.ServingState(
        versions[stable], None if candidate is None else versions[candidate], history=[versions[index] for index in history]
    )
    serving.write_state(folder, NAME, left)
    assert push("second").parameters["outcome"] == ("already_serving" if candidate is None else "pushed")
    push.serves("second")


def test_deleted_version_files(push: Push, folder: Path):
    assert push("first").code == 0
    serving.stop_server(folder)
    shutil.rmtree(folder / NAME / serving.read_state(folder, NAME).stable)
    assert push("first").parameters["outcome"] == "pushed"
    push.serves("first")


def test_a_model_that_loads_no_more_is_replaced(push: Push, folder: Path):
    assert push("first").code == 0
    serving.stop_server(folder)
    (folder / NAME / serving.read_state(folder, NAME).stable / "model" / "saved_model.pb").write_bytes(b"no model")
    assert push("second").parameters["outcome"] == "pushed"
    push.serves("second")


def test_a_state_that_cannot_be_read(push: Push, folder: Path):
    assert push("first").code == 0
    (folder / NAME / "state.json").write_text("{")
    done = push("second")
    assert done.code == 1
    assert "cannot be read" in done.error
    assert "\n" not in done.error
    push.serves("first")
