"""push_model to local://, with real model servers and a real registry."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.runtime import fingerprint, serving
from penstock.components.runtime.registry import Registry

NAME = "flights"


@dataclass
class Push:
    """Pushes models to one folder and one port."""

    run_task: Callable[..., Any]
    models: Path
    root: Path
    port: int

    @property
    def folder(self) -> Path:
        return self.root / "serving"

    @property
    def destination(self) -> str:
        return f"local://{self.folder}?port={self.port}"

    def evaluation(self, model: Path, name: str, changes: dict[str, Any] | None = None, probe: dict[str, Any] | None = None) -> Path:
        """Makes an Evaluation that blesses a model."""
        folder = self.root / f"evaluation-{time.monotonic_ns()}"
        folder.mkdir()
        blessing = {"verdict": "blessed", "model": {"fingerprint": fingerprint(model)}, "baseline": None} | (changes or {})
        (folder / "blessing.json").write_text(json.dumps(blessing))
        known = json.loads((self.models / name / "probe.json").read_text())
        (folder / "probe.json").write_text(json.dumps(known | (probe or {})))
        return folder

    def __call__(self, name: str, *, parameters: dict[str, Any] | None = None, subprocess: bool = False, **evaluation: Any) -> Any:
        model = self.models / name / "model"
        inputs = {"model": model, "evaluation": self.evaluation(model, name, **evaluation)}
        values = {"destination": self.destination, "model_name": NAME} | (parameters or {})
        return self.run_task("push_model", values, inputs, subprocess=subprocess)

    def predict(self, name: str) -> float:
        """Asks the server; returns the first probability."""
        probe = json.loads((self.models / name / "probe.json").read_text())
        answer = httpx.post(self.url, json={"instances": probe["instances"]}, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"][0][0]

    def known(self, name: str) -> float:
        return json.loads((self.models / name / "probe.json").read_text())["predictions"][0][0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/models/{NAME}:predict"

    def serves(self, name: str) -> None:
        assert self.predict(name) == pytest.approx(self.known(name), abs=1e-6)


@pytest.fixture
def push(
    run_task: Callable[..., Any],
    saved_models: Path,
    tmp_path: Path,
    free_port: int,
    family_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Push]:
    assert Path(os.environ["PENSTOCK_SERVE_PYTHON"]).is_file()
    monkeypatch.setenv("PYTHONPATH", family_environment["PYTHONPATH"])
    pusher = Push(run_task, saved_models, tmp_path, free_port)
    yield pusher
    serving.stop_server(pusher.folder)


def test_a_first_push_a_second_one_and_the_same_again(push: Push, tracking_uri: str):
    tracking = {"tracking_uri": tracking_uri}
    registry = Registry(NAME, tracking_uri)
    versions = [registry.register(fingerprint(push.models / name / "model"), "anywhere", {}) for name in ("first", "second")]

    done = push("first", parameters=tracking | {"model_version": versions[0]}, subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"outcome": "pushed", "url": push.url}
    push.serves("first")
    answer = subprocess.run(done.metadata["pushed_model"]["curl"], shell=True, capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["predictions"][0][0] == pytest.approx(push.known("first"), abs=1e-6)
    assert registry.aliases() == {"champion": "1"}

    server = serving.running_server(push.folder)
    done = push("second", parameters=tracking | {"model_version": versions[1]})
    assert done.parameters["outcome"] == "pushed"
    assert done.metadata["pushed_model"]["rollback_point"] == "v1"
    assert done.metadata["pushed_model"]["summary"] == f"v2 serves at {push.url}"
    push.serves("second")
    assert serving.running_server(push.folder) == server
    assert registry.aliases() == {"champion": "2", "previous": "1"}

    done = push("second", parameters=tracking | {"model_version": versions[1]})
    assert done.parameters["outcome"] == "already_serving"
    assert done.metadata["pushed_model"]["rollback_point"] == "v1"
    assert registry.aliases() == {"champion": "2", "previous": "1"}
    receipt = json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())
    assert receipt["fingerprint"] == fingerprint(push.models / "second" / "model")
    assert receipt["stop"] == f"penstock serve stop {push.folder}"


def test_no_request_is_lost_while_the_models_change(push: Push):
    assert push("first").code == 0
    codes: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        body = {"instances": json.loads((push.models / "first" / "probe.json").read_text())["instances"]}
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                codes.append(client.post(push.url, json=body).status_code)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        assert [push(name).parameters["outcome"] for name in ("second", "first", "second")] == ["pushed"] * 3
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert len(codes) > 100
    assert set(codes) == {200}


def test_wrong_answers_roll_back_and_the_old_model_answers_again(push: Push, tracking_uri: str):
    tracking = {"tracking_uri": tracking_uri}
    registry = Registry(NAME, tracking_uri)
    versions = [registry.register(fingerprint(push.models / name / "model"), "anywhere", {}) for name in ("first", "second")]
    assert push("first", parameters=tracking | {"model_version": versions[0]}).code == 0
    done = push("second", parameters=tracking | {"model_version": versions[1]}, probe={"predictions": [[0.5], [0.5]]})
    assert done.code == 0
    assert done.parameters == {"outcome": "rolled_back", "url": push.url}
    assert "request 0 was answered" in done.metadata["pushed_model"]["summary"]
    push.serves("first")
    assert registry.aliases() == {"champion": "1"}
    assert httpx.get(f"http://127.0.0.1:{push.port}/v1/models", trust_env=False).json() == {"models": [NAME]}
    assert push("second").parameters["outcome"] == "pushed"


def test_a_first_model_with_wrong_answers_leaves_nothing_serving(push: Push):
    done = push("first", probe={"predictions": [[0.5], [0.5]]})
    assert done.parameters == {"outcome": "rolled_back", "url": ""}
    assert serving.running_server(push.folder) is None
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
        ({"model": {"fingerprint": "0" * 64}}, "blesses other bytes"),
        ({"model": None}, "blesses other bytes"),
    ],
)
def test_what_is_not_blessed_is_not_pushed(push: Push, changes: dict[str, Any], message: str):
    done = push("first", changes=changes)
    assert done.code == 1
    assert message in done.error
    assert not push.folder.exists()


def test_no_blessing_and_no_probe(push: Push, run_task: Callable[..., Any]):
    model = push.models / "first" / "model"
    for missing in ("blessing.json", "probe.json"):
        evaluation = push.evaluation(model, "first")
        (evaluation / missing).unlink()
        done = run_task("push_model", {"destination": push.destination, "model_name": NAME}, {"model": model, "evaluation": evaluation})
        assert done.code == 1
        assert missing in done.error
    done = push("first", probe={"instances": [], "predictions": []})
    assert done.code == 1
    assert not push.folder.exists()


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("serving", "unknown scheme"),
        ("ftp://serving", "unknown scheme"),
        ("local://", "names no folder"),
        ("local://x?port=none", "no valid port"),
        ("local://x?port=70000", "no valid port"),
        ("local://x?mode=canary", "port only"),
    ],
)
def test_destinations_that_are_none(push: Push, destination: str, message: str):
    done = push("first", parameters={"destination": destination})
    assert done.code == 1
    assert message in done.error
    assert "\n" not in done.error


def test_a_folder_that_is_a_file(push: Push):
    push.folder.write_text("")
    done = push("first")
    assert done.code == 1
    assert "cannot be used" in done.error


def test_a_relative_folder_is_relative_to_the_working_directory(push: Push, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(push.root)
    assert push("first", parameters={"destination": f"local://serving?port={push.port}"}).code == 0
    push.serves("first")


def test_a_port_in_use(push: Push):
    with socket.create_server(("127.0.0.1", push.port)):
        done = push("first", subprocess=True)
    assert done.code == 1
    assert f"cannot listen on port {push.port}" in done.error
    assert len(done.error.splitlines()) == 1
    assert serving.read_state(push.folder, NAME) == serving.ServingState()
    assert push("first").parameters["outcome"] == "pushed"


def test_no_interpreter_for_the_server(push: Push, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PENSTOCK_SERVE_PYTHON")
    done = push("first")
    assert done.code == 1
    assert "PENSTOCK_SERVE_PYTHON" in done.error


def test_a_server_on_another_port(push: Push):
    assert push("first").code == 0
    done = push("second", parameters={"destination": f"local://{push.folder}?port={push.port + 1}"})
    assert done.code == 1
    assert f"listens on port {push.port}" in done.error
    push.serves("first")


def test_a_version_of_other_bytes_in_the_registry(push: Push, tracking_uri: str):
    version = Registry(NAME, tracking_uri).register("0" * 64, "anywhere", {})
    for number in (version, "7"):
        done = push("first", parameters={"tracking_uri": tracking_uri, "model_version": number})
        assert done.code == 1
        assert "is not this model" in done.error
    assert not push.folder.exists()


def test_a_killed_server_is_started_again(push: Push):
    assert push("first").code == 0
    os.kill(serving.running_server(push.folder).pid, signal.SIGKILL)
    assert push("first").parameters["outcome"] == "already_serving"
    push.serves("first")


def test_no_room_for_the_copy(push: Push):
    assert push("first").code == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        done = push("second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.code == 1
    assert "no room" in done.error
    push.serves("first")
    assert sorted(path.name for path in (push.folder / NAME).iterdir()) == [serving.read_state(push.folder, NAME).stable, "state.json"]
    assert push("second").parameters["outcome"] == "pushed"


def test_two_pushes_at_once(push: Push):
    assert push("first").code == 0
    with (push.folder / ".push.lock").open("w") as lock:
        assert serving.try_lock(lock)
        done = push("second", subprocess=True)
    assert done.code == 1
    assert "another push" in done.error
    push.serves("first")


@pytest.mark.parametrize("seconds", [0.5, 0.9, 1.3])
def test_a_push_killed_in_the_middle(push: Push, seconds: float):
    assert push("first").code == 0
    model = push.models / "second" / "model"
    root = push.root / "killed"
    artifact = {"artifacts": [{"name": "a", "uri": str(root / "pushed"), "metadata": {}}]}
    inputs = {"model": model, "evaluation": push.evaluation(model, "second")}
    spec = {
        "inputs": {
            "parameterValues": {"destination": push.destination, "model_name": NAME},
            "artifacts": {key: {"artifacts": [{"name": key, "uri": str(path)}]} for key, path in inputs.items()},
        },
        "outputs": {"artifacts": {"pushed_model": artifact}, "outputFile": str(root / "out.json")},
    }
    process = subprocess.Popen([sys.executable, "-m", "penstock.components.push_model", "--executor_input", json.dumps(spec)])
    time.sleep(seconds)
    process.kill()
    process.wait()
    answered = push.predict("second")
    assert min(abs(answered - push.known(name)) for name in ("first", "second")) < 1e-6
    assert push("second").parameters["outcome"] in ("pushed", "already_serving")
    push.serves("second")
    assert serving.read_state(push.folder, NAME).candidate is None


@pytest.mark.parametrize("state", [{"stable": 0, "candidate": 1, "history": []}, {"stable": 1, "candidate": None, "history": [0]}])
def test_what_an_interrupted_push_leaves_is_cleared_away(push: Push, state: dict[str, Any]):
    """The state file as a push leaves it when it is killed before the server has followed."""
    assert push("second").code == 0
    assert push("first").code == 0
    versions = [serving.read_state(push.folder, NAME).stable, *serving.read_state(push.folder, NAME).history]
    left = serving.ServingState(
        versions[state["stable"]], None if state["candidate"] is None else versions[1], [versions[index] for index in state["history"]]
    )
    serving.write_state(push.folder, NAME, left)
    expected = "pushed" if state["candidate"] else "already_serving"
    assert push("second").parameters["outcome"] == expected
    push.serves("second")


def test_version_files_that_somebody_deleted(push: Push):
    assert push("first").code == 0
    serving.stop_server(push.folder)
    shutil.rmtree(push.folder / NAME / serving.read_state(push.folder, NAME).stable)
    assert push("first").parameters["outcome"] == "pushed"
    push.serves("first")
