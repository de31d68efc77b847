"""`penstock status`, `promote` and `rollback` on a local:// destination, with a real model server."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.protocol import fingerprint
from penstock.components.release import serving

PIPELINE = Path(__file__).resolve().parents[3] / "compiled" / "promote_or_rollback.yaml"
NAME = "flights"
COMMANDS = ("status", "promote", "rollback")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path, saved_models: Path) -> Iterator[Path]:
    """A destination's folder as pushes leave it: `first` served, `second` serves, `renamed` is staged with 25 %."""
    folder = tmp_path / "serving"
    versions = [_add(folder, saved_models / name) for name in ("first", "second", "renamed")]
    serving.write_state(folder, NAME, serving.ServingState(versions[1], versions[2], 25, history=versions[:1]))
    yield folder
    serving.stop_server(folder)


@pytest.fixture
def destination(folder: Path, free_port: int) -> str:
    return f"local://{folder}?port={free_port}"


def _add(folder: Path, saved: Path, **probe: Any) -> str:
    known = json.loads((saved / "probe.json").read_text())
    release = serving.Release(fingerprint(saved / "model"), "", known | probe)
    place = folder / NAME / release.fingerprint[:12]
    shutil.copytree(saved / "model", place / "model", dirs_exist_ok=True)
    serving.write_release(place, release)
    return place.name


def _serves(saved: Path, port: int) -> None:
    known = json.loads((saved / "probe.json").read_text())
    url = f"http://127.0.0.1:{port}/v1/models/{NAME}:predict"
    answer = httpx.post(url, json={"instances": known["instances"]}, trust_env=False, timeout=60)
    assert [row[0] for row in answer.json()["predictions"]] == pytest.approx([row[0] for row in known["predictions"]], abs=1e-6)


def test_status_shows_what_serves_and_what_to_type(penstock: Command, folder: Path, destination: str, free_port: int):
    done = penstock("status", destination)
    state = serving.read_state(folder, NAME)
    message = f"the records of {destination} say that {state.stable} ({state.stable}) serves, but nothing answers there"
    assert (done.returncode, done.stderr) == (1, f"error: {message}; push again or roll back to correct this\n")
    assert done.stdout.splitlines() == [
        f"serves     {state.stable}  http://127.0.0.1:{free_port}/v1/models/{NAME}:predict",
        "answers    nothing",
        f"candidate  {state.candidate}  25 % of the traffic",
        f"previous   {state.history[0]}",
        f"promote    penstock promote '{destination}'",
        f"roll back  penstock rollback '{destination}'",
        "server     is down; the next push, promotion or rollback starts it",
    ]
    assert serving.running_server(folder) is None


def test_promote_then_back_and_back_again(penstock: Command, folder: Path, destination: str, saved_models: Path, free_port: int):
    done = penstock("promote", destination)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("promoted\nserves ")
    _serves(saved_models / "renamed", free_port)
    done = penstock("status", destination)
    assert (done.returncode, done.stderr) == (0, "")
    assert "answers" not in done.stdout
    before = serving.read_state(folder, NAME)
    serving.write_state(folder, NAME, serving.ServingState(before.history[0]))
    done = penstock("status", destination)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"serves     {before.history[0]}")
    assert done.stdout.splitlines()[1].startswith(f"answers    {before.stable}")
    assert f"say that {before.history[0]} ({before.history[0]}) serves, but what answers there is {before.stable}" in done.stderr
    serving.write_state(folder, NAME, before)
    done = penstock("rollback", destination)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "rolled back")
    _serves(saved_models / "second", free_port)
    to = fingerprint(saved_models / "renamed" / "model")[:10]
    assert penstock("rollback", destination, "--to", to).returncode == 0
    _serves(saved_models / "renamed", free_port)


def test_promote_of_wrong_answers(penstock: Command, folder: Path, destination: str, saved_models: Path, free_port: int):
    _add(folder, saved_models / "renamed", predictions=[[0.5], [0.5]])
    done = penstock("promote", destination)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("rolled back: check the staged model: request 0 was answered")
    _serves(saved_models / "second", free_port)


def test_a_rollback_that_is_refused_is_one_line(penstock: Command, destination: str):
    done = penstock("rollback", destination, "--to", "0000")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no version that served there has a fingerprint that starts with '0000'")
    assert done.stderr.count("\n") == 1


def test_rollback_as_a_pipeline(penstock: Command, folder: Path, destination: str, saved_models: Path, free_port: int):
    given = {"destination": destination, "action": "rollback", "model_name": NAME}
    done = penstock("run", PIPELINE, *(part for name, value in given.items() for part in ("--param", f"{name}={value}")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert serving.read_state(folder, NAME).candidate is None
    _serves(saved_models / "second", free_port)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("local://none", "none has no model yet; name one with --model-name"),
        ("local://two", "two has the models a, b; name one with --model-name"),
        ("vertex://project/europe-west4/1234567890", "does not contain the model's name"),
        ("kserve://models/", "does not contain the model's name"),
        ("s3://bucket", "destination 's3://bucket' is invalid"),
    ],
)
def test_wrong_usage(penstock: Command, tmp_path: Path, command: str, destination: str, message: str):
    for name in ("a", "b"):
        (tmp_path / "two" / name).mkdir(parents=True)
        serving.write_state(tmp_path / "two", name, serving.ServingState())
    done = penstock(command, destination)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_model_that_is_named(penstock: Command, tmp_path: Path):
    done = penstock("status", "local://none", "--model-name", NAME)
    assert (done.returncode, done.stdout) == (0, "serves     nothing\n")
    assert not (tmp_path / "none").exists()
