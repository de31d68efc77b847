"""control_release, with real model servers and a real registry."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.components.release import serving
from penstock.components.release.registry import Registry, open_registry

from ..releasing import NAME, Push

CANARY = {"strategy": "canary", "traffic_steps": [30, 100]}


@pytest.fixture
def push(local_push: Push, tracking_uri: str) -> Push:
    """Pushes with a registry."""
    local_push.parameters = {"tracking_uri": tracking_uri}
    return local_push


@pytest.fixture
def registry(tracking_uri: str) -> Registry:
    return open_registry(NAME, tracking_uri)


@pytest.fixture
def release(push: Push, registry: Registry) -> Callable[..., Any]:
    """Returns `release(name)`: registers a model and pushes it."""

    def release(name: str, **evidence: Any) -> Any:
        version = registry.register(push.fingerprint(name), "anywhere", {})
        done = push(name, parameters={"model_version": version}, **evidence)
        assert done.code == 0, done.error
        return done

    return release


@pytest.fixture
def folder(push: Push) -> Path:
    return push.root / "serving"


def _stage(push: Push, registry: Registry, folder: Path, name: str, percent: int, probe: dict[str, Any] | None = None) -> None:
    """Leaves a model staged, as a push that was killed on its way does."""
    version = registry.register(push.fingerprint(name), "anywhere", {})
    release = serving.Release(push.fingerprint(name), version, push.probe(name) | (probe or {}))
    place = folder / NAME / f"{version}-{release.fingerprint[:12]}"
    shutil.copytree(push.model(name), place / "model", dirs_exist_ok=True)
    serving.write_release(place, release)
    state = serving.read_state(folder, NAME)
    serving.write_state(folder, NAME, replace(state, candidate=place.name, percent=percent))


def _state(done: Any) -> dict[str, Any]:
    return json.loads((done.outputs["release_state"] / "state.json").read_text())


def test_status_says_what_serves_and_changes_nothing(push: Push, registry: Registry, release: Callable[..., Any], folder: Path):
    release("first")
    release("second")
    _stage(push, registry, folder, "renamed", 30)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "server.log"}
    aliases = registry.aliases()
    done = push.control("status")
    assert (done.code, done.parameters) == (0, {"outcome": "unchanged", "url": push.url})
    state = _state(done)
    assert [(state[key]["label"], state[key]["fingerprint"]) for key in ("serving", "previous", "candidate")] == [
        ("v2", push.fingerprint("second")),
        ("v1", push.fingerprint("first")),
        ("v3", push.fingerprint("renamed")),
    ]
    assert state["percent"] == 30
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "server.log"} == before
    assert registry.aliases() == aliases
    push.serves("second")


def test_a_status_that_fails_leaves_the_state_in_the_log(
    push: Push, release: Callable[..., Any], folder: Path, capsys: pytest.CaptureFixture[str]
):
    release("first")
    serving.stop_server(folder)
    done = push.control("status")
    assert done.code == 1
    assert "nothing answers there" in done.error
    [state] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert state == _state(done)
    assert (state["answering"], state["serving"]["fingerprint"]) == ([], push.fingerprint("first"))


def test_status_of_a_destination_without_a_push(push: Push, folder: Path):
    done = push.control("status")
    assert (done.code, done.parameters) == (0, {"outcome": "unchanged", "url": ""})
    assert not folder.exists()


def test_rollback_goes_back_one_version_and_takes_the_alias_with_it(push: Push, registry: Registry, release: Callable[..., Any]):
    release("first")
    release("second")
    done = push.control("rollback", subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"outcome": "rolled_back", "url": push.url}
    push.serves("first")
    assert registry.aliases()["champion"] == "1"
    assert _state(done)["previous"] is None

    done = push.control("rollback")
    assert done.code == 1
    assert done.error == "error: nothing served there before v1, so no rollback is possible"
    push.serves("first")


def test_rollback_to_a_fingerprint_and_forward_again(push: Push, registry: Registry, release: Callable[..., Any]):
    for name in ("first", "second", "renamed"):
        release(name)
    assert push.control("rollback", to=push.fingerprint("first")[:12]).parameters["outcome"] == "rolled_back"
    push.serves("first")
    assert registry.aliases()["champion"] == "1"
    done = push.control("rollback", to=push.fingerprint("second")[:12])
    assert done.parameters["outcome"] == "rolled_back"
    push.serves("second")
    assert registry.aliases()["champion"] == "2"
    assert _state(done)["previous"]["label"] == "v1"
    assert push.control("rollback", to=push.fingerprint("second")).parameters["outcome"] == "unchanged"
    done = push.control("rollback", to="0" * 12)
    assert done.code == 1
    assert (
        "no version that served there has a fingerprint that starts with '000000000000'; the versions that have served: v2 " in done.error
    )
    push.serves("second")


def test_rollback_takes_away_what_is_staged(push: Push, registry: Registry, release: Callable[..., Any], folder: Path):
    release("first")
    _stage(push, registry, folder, "second", 30)
    done = push.control("rollback")
    assert done.parameters["outcome"] == "rolled_back"
    assert _state(done)["candidate"] is None
    push.serves("first")
    assert registry.aliases() == {"champion": "1"}


def test_promote_finishes_what_a_killed_push_has_left(push: Push, registry: Registry, release: Callable[..., Any], folder: Path):
    release("first")
    _stage(push, registry, folder, "second", 30)
    done = push.control("promote", subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"outcome": "promoted", "url": push.url}
    push.serves("second")
    assert registry.aliases() == {"champion": "2", "previous": "1"}
    assert _state(done)["percent"] == 0


def test_promote_of_a_model_with_wrong_answers_rolls_back(push: Push, registry: Registry, release: Callable[..., Any], folder: Path):
    release("first")
    _stage(push, registry, folder, "second", 30, probe={"predictions": [[0.5], [0.5]]})
    done = push.control("promote")
    assert (done.code, done.parameters["outcome"]) == (0, "rolled_back")
    assert "check the staged model: request 0 was answered" in _state(done)["reason"]
    push.serves("first")
    assert registry.aliases() == {"champion": "1"}


def test_promote_of_nothing(push: Push, release: Callable[..., Any]):
    release("first")
    done = push.control("promote")
    assert done.code == 1
    assert "no model is staged" in done.error
    push.serves("first")


def test_rollback_where_nothing_serves(push: Push):
    done = push.control("rollback")
    assert done.code == 1
    assert "nothing serves there" in done.error


def test_an_action_that_is_none(push: Push, folder: Path):
    done = push.control("undo")
    assert done.code == 1
    assert done.error == "error: action 'undo' is invalid; give promote, rollback or status"
    assert not folder.exists()


def test_a_rollback_does_not_wait_for_the_registry(push: Push, registry: Registry, release: Callable[..., Any]):
    release("first")
    release("second")
    gone = {"tracking_uri": "http://127.0.0.1:9"}
    done = push.control("rollback", **gone)
    assert done.code == 1
    assert "v1 serves, but the alias champion does not point to it" in done.error
    assert "\n" not in done.error
    push.serves("first")
    assert push.control("rollback", to=push.fingerprint("first")[:12]).parameters["outcome"] == "unchanged"
    assert registry.aliases()["champion"] == "1"
    push.serves("first")


def test_nothing_is_promoted_if_the_registry_cannot_be_updated(push: Push, registry: Registry, release: Callable[..., Any], folder: Path):
    release("first")
    _stage(push, registry, folder, "second", 30)
    before = serving.read_state(folder, NAME)
    assert push.control("promote", tracking_uri="http://127.0.0.1:9").code == 1
    assert serving.read_state(folder, NAME) == before


def test_a_server_that_was_killed_is_started_by_a_rollback(push: Push, release: Callable[..., Any], folder: Path):
    release("first")
    release("second")
    os.kill(serving.running_server(folder).pid, signal.SIGKILL)
    assert push.control("rollback").parameters["outcome"] == "rolled_back"
    push.serves("first")


def test_two_at_once(push: Push, release: Callable[..., Any], folder: Path):
    release("first")
    release("second")
    with (folder / ".push.lock").open("w") as lock:
        assert serving.try_lock(lock)
        done = push.control("rollback", subprocess=True)
    assert done.code == 1
    assert "another push" in done.error
    push.serves("second")


def test_what_a_newer_version_has_recorded_goes_through_every_verb(
    push: Push, registry: Registry, release: Callable[..., Any], folder: Path
):
    release("first")
    release("second")
    records = [folder / NAME / "state.json", *(folder / NAME).glob("*/release.json")]
    assert len(records) == 3
    for record in records:
        content = json.loads(record.read_text())
        assert content["schema"] == 1
        record.write_text(json.dumps(content | {"tomorrow": [record.parent.name]}))
    for act in (
        lambda: push.control("status"),
        lambda: push.control("rollback"),
        lambda: push("second", baseline="first", parameters=CANARY | {"bake_seconds": 0}),
        lambda: push.control("rollback", to=push.fingerprint("first")[:12]),
        lambda: _stage(push, registry, folder, "second", 30),
        lambda: push.control("promote"),
        lambda: push("second", baseline="first"),
    ):
        done = act()
        assert done is None or done.code == 0, done.error
        assert all(json.loads(record.read_text())["tomorrow"] == [record.parent.name] for record in records)
    push.serves("second")


@pytest.mark.parametrize("name", ["state.json", "release.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 2}', "it was written by a newer version: upgrade Penstock"),
        ("", "cannot be read"),
        ('{"stable":', "cannot be read"),
        ("null", "is not a JSON object"),
        ("[1]", "is not a JSON object"),
        ('{"stable": 1, "fingerprint": 2}', "is 1, not of type str|is 2, not of type str"),
        ('{"history": {}, "fingerprint": null}', "is {}, not of type list|is None, not of type str"),
        ('{"history": [null], "probe": 1}', "is None, not of type str|fingerprint is missing"),
        ('{"stable": "1-aaa", "stable": "1-aaa"}', "'stable' occurs twice|fingerprint is missing"),
        ('{"stable": "../flights/1-aaa", "fingerprint": 2}', "'../flights/1-aaa' is not a version|is 2, not of type str"),
        ('{"history": ["/etc"], "fingerprint": 2}', "'/etc' is not a version|is 2, not of type str"),
        ('{"candidate": "..", "fingerprint": 2}', "'..' is not a version|is 2, not of type str"),
        ('{"stable": "1-aaa", "percent": 101, "fingerprint": 2}', "percent is 101|is 2, not of type str"),
        ('{"fingerprint": "f", "stable": [], "probe": {"instances": 1}}', "its probe does not contain requests|is \\[\\], not of type str"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(push: Push, folder: Path, tmp_path: Path, name: str, content: str, message: str):
    version = folder / NAME / "1-aaa"
    version.mkdir(parents=True)
    serving.write_state(folder, NAME, serving.ServingState("1-aaa"))
    serving.write_release(version, serving.Release("a" * 64, "1"))
    (version.parent if name == "state.json" else version).joinpath(name).write_text(content)
    for action in ("status", "rollback", "promote"):
        done = push.control(action)
        assert done.code == 1
        assert "\n" not in done.error
        assert re.search(message, done.error), done.error
        assert str(folder / NAME) in done.error
