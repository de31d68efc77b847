"""The model server, asked over HTTP as clients ask it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.protocol import fingerprint
from penstock.components.release import server_token, serving
from penstock.components.release.server_token import read_token

from ...waiting import until
from .processes import COLD, server_command

VERSIONS = {"first": "1-aaa", "second": "2-bbb"}


def probe(saved_models: Path, name: str) -> dict[str, Any]:
    return json.loads((saved_models / name / "probe.json").read_text())


def put(folder: Path, saved_models: Path, model: str, name: str, version: str) -> None:
    """Puts a version beside the others, as a push does."""
    place = folder / model / version
    place.mkdir(parents=True)
    shutil.copytree(saved_models / name / "model", place / "model")
    serving.write_release(place, serving.Release(fingerprint(place / "model"), version[0], probe(saved_models, name)))


def start(folder: Path, port: int, environment: dict[str, str]) -> subprocess.Popen:
    command = server_command(environment, str(folder), "--port", str(port))
    with serving.open_errors(folder) as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)


def _accepts_connections(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def wait(folder: Path, port: int) -> httpx.Client:
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            assert client.get("/v2/health/live").status_code == 200
            return client
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError(serving.last_words(folder))


def tell(client: httpx.Client, folder: Path, name: str, verb: str = "load") -> httpx.Response:
    """Tells a server to load or unload, as a push does."""
    headers = {"Authorization": f"Bearer {read_token(folder)}"}
    return client.post(f"/v2/repository/models/{name}/{verb}", headers=headers)


@pytest.fixture(scope="module")
def folder(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every signature: `flights` has two versions, of which the first serves."""
    folder = tmp_path_factory.mktemp("serving")
    for name, version in VERSIONS.items():
        put(folder, saved_models, "flights", name, version)
    for name in ("serialized", "two_outputs"):
        put(folder, saved_models, name, name, "1")
        serving.write_state(folder, name, serving.ServingState(stable="1"))
    (folder / "broken" / "1").mkdir(parents=True)
    serving.write_state(folder, "broken", serving.ServingState(stable="1"))
    serving.write_state(folder, "flights", serving.ServingState(stable="1-aaa"))
    return folder


@pytest.fixture(scope="module")
def client(folder: Path, family_environment: dict[str, str], free_ports: Callable[[], int]) -> Iterator[httpx.Client]:
    port = free_ports()
    process = start(folder, port, family_environment | COLD)
    yield wait(folder, port)
    process.terminate()
    process.wait(30)
    assert serving.running_server(folder) is None


def test_v1_answers_as_the_model_does(client: httpx.Client, saved_models: Path):
    for model, name in {"flights": "first", "serialized": "serialized", "two_outputs": "two_outputs"}.items():
        known = probe(saved_models, name)
        answer = client.post(f"/v1/models/{model}:predict", json={"instances": known["instances"]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == known["predictions"]
    assert client.get("/v1/models/flights").json() == {"name": "flights", "ready": True}


def test_v2_answers_as_v1(client: httpx.Client, saved_models: Path):
    known = probe(saved_models, "first")
    types = {"distance": "FP32", "carrier": "BYTES", "month": "INT64"}
    inputs = [
        {"name": name, "shape": [2], "datatype": kind, "data": [row[name] for row in known["instances"]]} for name, kind in types.items()
    ]
    for identity in ({}, {"id": "mine"}):
        answer = client.post("/v2/models/flights/infer", json={"inputs": inputs} | identity)
        assert answer.status_code == 200, answer.text
        output = answer.json()["outputs"][0]
        assert (output["name"], output["datatype"], output["shape"]) == ("probability", "FP32", [2, 1])
        assert output["data"] == pytest.approx([row[0] for row in known["predictions"]])
    assert answer.json()["id"] == "mine"


def test_v2_strings_come_back_as_text(client: httpx.Client):
    inputs = [
        {"name": "distance", "shape": [1, 1], "datatype": "FP32", "data": [1.0]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
        {"name": "month", "shape": [1], "datatype": "INT32", "data": [1]},
    ]
    answer = client.post("/v2/models/two_outputs/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    assert {output["name"]: output["data"] for output in answer.json()["outputs"]}["who"] == ["aa"]


def test_metadata_says_the_version_and_the_signature(client: httpx.Client):
    metadata = client.get("/v2/models/flights").json()
    assert metadata["versions"] == ["1-aaa"]
    assert {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["inputs"]} == {
        "distance": ("FP32", [-1]),
        "carrier": ("BYTES", [-1]),
        "month": ("INT64", [-1]),
    }


def test_metrics(client: httpx.Client, folder: Path):
    metrics = client.get("/metrics").text
    assert 'request_predict_seconds_count{model_name="flights"}' in metrics
    digest = serving.read_release(folder, "flights", "1-aaa").fingerprint
    assert f'penstock_served_model{{fingerprint="{digest}",model_name="flights",version="1-aaa"}} 1.0' in metrics


ROW = {"distance": 100.0, "carrier": "AA", "month": 1}


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([{"distance": 1.0, "carrier": "AA"}], "missing feature in instance 0: month"),
        ([ROW, ROW | {"color": "red"}], "unknown feature in instance 1: color"),
        ([ROW | {"distance": "far"}], "feature 'distance' must be float32"),
        ([ROW | {"month": 1.5}], "feature 'month' must be int64"),
        ([ROW | {"month": None}], "feature 'month' must be int64"),
        ([ROW | {"month": True}], "feature 'month' must be int64"),
        ([ROW | {"carrier": 3}], "feature 'carrier' must be a string"),
        ([ROW | {"carrier": None}], "feature 'carrier' must be a string"),
        ([ROW | {"carrier": {"b64": "?"}}], "feature 'carrier': not base64"),
        ([ROW | {"distance": [1.0, 2.0]}], "feature 'distance' must have the shape"),
        ([ROW, ROW | {"distance": [1.0, 2.0]}], "feature 'distance': the rows differ in shape"),
        ([ROW | {"distance": {"x": 1}}], "feature 'distance' must be float32"),
        ([3], "an instance must be an object with the features carrier, distance, month"),
        ([], "at least one row"),
        ("all", "a list"),
        (None, "a list"),
    ],
)
def test_a_wrong_request_is_answered_with_the_reason(client: httpx.Client, instances: Any, message: str):
    answer = client.post("/v1/models/flights:predict", json={"instances": instances})
    assert answer.status_code == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'"text"', b""])
def test_bodies_that_are_no_request(client: httpx.Client, body: bytes):
    assert client.post("/v1/models/flights:predict", content=body, headers={"content-type": "application/json"}).status_code == 400


def test_wrong_v2_requests(client: httpx.Client):
    missing = {"inputs": [{"name": "distance", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
    answer = client.post("/v2/models/flights/infer", json=missing)
    assert (answer.status_code, answer.json()["error"]) == (400, "missing feature: carrier, month")
    mistyped = {"inputs": [{"name": name, "shape": [1], "datatype": "BYTES", "data": ["x"]} for name in ROW]}
    answer = client.post("/v2/models/flights/infer", json=mistyped)
    assert answer.status_code == 400
    assert "must be" in answer.json()["error"]


def test_a_serialized_example_that_is_none(client: httpx.Client):
    answer = client.post("/v1/models/serialized:predict", json={"instances": [{"b64": "AAAA"}]})
    assert answer.status_code == 400
    assert "the model rejects the request" in answer.json()["error"]


def test_a_missing_number_is_nan(client: httpx.Client):
    answer = client.post("/v1/models/flights:predict", json={"instances": [ROW | {"distance": None}]})
    assert answer.json() == {"predictions": [[None]]}


def test_models_that_are_not_served(client: httpx.Client):
    for name in ("broken", "none"):
        assert client.post(f"/v1/models/{name}:predict", json={"instances": [ROW]}).status_code == 404


def test_switching_versions(client: httpx.Client, folder: Path, saved_models: Path):
    def answers(model: str) -> list[Any]:
        return client.post(f"/v1/models/{model}:predict", json={"instances": probe(saved_models, "first")["instances"]}).json()[
            "predictions"
        ]

    def request(name: str, verb: str = "load") -> int:
        return tell(client, folder, name, verb).status_code

    candidate = "flights" + serving.CANDIDATE
    assert request(candidate) == 503
    serving.write_state(folder, "flights", serving.ServingState("1-aaa", "2-bbb"))
    assert request(candidate) == 200
    assert answers("flights") == probe(saved_models, "first")["predictions"]
    assert answers(candidate) == probe(saved_models, "second")["predictions"]
    serving.write_state(folder, "flights", serving.ServingState("2-bbb", history=["1-aaa"]))
    assert request("flights") == 200
    assert request(candidate, "unload") == 200
    assert request(candidate, "unload") == 404
    assert answers("flights") == probe(saved_models, "second")["predictions"]
    serving.write_state(folder, "flights", serving.ServingState("1-aaa"))
    assert request("flights") == 200
    assert answers("flights") == probe(saved_models, "first")["predictions"]


@pytest.mark.parametrize("edited", ["model", "model and record"])
def test_a_version_whose_files_have_changed_is_not_loaded(edited: str, client: httpx.Client, folder: Path, saved_models: Path):
    released = serving.read_release(folder, "flights", "2-bbb")
    put(folder, saved_models, "flights", "second", f"3-{released.fingerprint[:12]}")
    place = folder / "flights" / f"3-{released.fingerprint[:12]}"
    (place / "model" / "assets").mkdir(exist_ok=True)
    (place / "model" / "assets" / "more").write_text("bytes")
    if edited == "model and record":
        serving.write_release(place, replace(released, fingerprint=fingerprint(place / "model")))
    serving.write_state(folder, "flights", serving.ServingState("1-aaa", place.name))
    refused = tell(client, folder, f"flights{serving.CANDIDATE}")
    assert refused.status_code >= 500
    assert f"the files of flights version {place.name} at {place} differ from the released files" in refused.text
    serving.write_state(folder, "flights", serving.ServingState(place.name))
    assert tell(client, folder, "flights").status_code >= 500
    assert 'version="1-aaa"} 1.0' in client.get("/metrics").text
    serving.write_state(folder, "flights", serving.ServingState("1-aaa"))
    assert tell(client, folder, "flights").status_code == 200
    shutil.rmtree(place)


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_who_cannot_read_the_folder_changes_nothing(client: httpx.Client, folder: Path, verb: str):
    token = read_token(folder)
    assert len(token) > 20
    given = [None, "", token, f"Basic {token}", "Bearer", f"Bearer {token}x", f"Bearer {token[:-1]}", "Bearer \xe9", f"Bearer  {token}"]
    for authorization in given:
        headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
        page = {"Origin": "http://elsewhere.example", "Content-Type": "text/plain"}
        answer = client.post(f"/v2/repository/models/flights/{verb}?token={token}", headers=headers | page, content=token)
        assert answer.status_code == 403, authorization
        assert token not in answer.text
    assert client.get(f"/v2/repository/models/flights/{verb}").status_code == 404
    preflight = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    asked = client.options(f"/v2/repository/models/flights/{verb}", headers=preflight)
    assert (asked.status_code, "access-control-allow-origin" in asked.headers) == (404, False)
    assert client.get("/v2/models/flights").json()["versions"] == ["1-aaa"]


@pytest.mark.parametrize("damage", ["absent", "empty", "no text", "folder", "link to itself"])
def test_no_request_has_a_token_that_cannot_be_read(client: httpx.Client, folder: Path, tmp_path: Path, damage: str):
    token, path = read_token(folder), folder / "server.token"
    kept = path.rename(folder / "kept.token")
    try:
        if damage == "folder":
            path.mkdir()
        elif damage == "link to itself":
            path.symlink_to(path)
        elif damage != "absent":
            path.write_bytes(b"\xff" if damage == "no text" else b"")
        assert (read_token(folder), server_token.authorization(folder)) == ("", {})
        for given in (f"Bearer {token}", "Bearer", "Bearer \xff"):
            answer = client.post("/v2/repository/models/flights/unload", headers={"Authorization": given.encode("latin-1")})
            assert answer.status_code == 403, given
    finally:
        if path.is_dir():
            path.rmdir()
        kept.replace(path)


def test_the_token_is_nowhere_but_in_its_file(client: httpx.Client, folder: Path):
    token, path = read_token(folder), folder / "server.token"
    assert path.stat().st_mode & 0o777 == 0o600
    pid = serving.running_server(folder).pid
    seen = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    seen += [one.read_bytes() for one in folder.glob("server*") if one != path]
    assert not any(token.encode() in text for text in seen)


NO_NAMES = [
    "..",
    "%2e%2e",
    "..%2f..%2fetc",
    "%2Fetc",
    ".",
    "@candidate",
    "..@candidate",
    ".@candidate",
    "x%2f..@candidate",
    "flights@candidate@candidate",
]
NO_NAMES += ["a%00", "flights%0a", "a" * 129, "a" * 5000, "%1b[31mred", "%e2%80%ae", "~", "-x", "flights%20", "fl%C4%B1ghts", "c:%5cx"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_reaches_no_file(client: httpx.Client, folder: Path, name: str):
    (folder / "state.json").write_text("{")  # what `.` would find
    (folder.parent / "state.json").write_text("{")  # what `..` would find
    for verb in ("load", "unload"):
        assert tell(client, folder, name, verb).status_code == 404


def test_folders_that_are_no_models_are_left_alone(
    saved_models: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]
):
    for name in ("flights", "red\x1b[31m", "flights@candidate", ".hidden"):
        put(tmp_path, saved_models, name, "first", "1-aaa") if name != "flights" else None
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "state.json").write_text('{"stable": "1-aaa"}' if name != "flights" else "{}")
    assert serving.served_models(tmp_path) == []
    process = start(tmp_path, port := free_ports(), family_environment)
    client = wait(tmp_path, port)
    try:
        assert client.get("/v2/models").json() == {"models": []}
        assert client.get("/v2/health/ready").status_code == 503, "without a model there is nothing to ask"
        put(tmp_path, saved_models, "flights", "first", "1-aaa")
        serving.write_state(tmp_path, "flights", serving.ServingState("1-aaa"))
        assert tell(client, tmp_path, "flights").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200
        assert tell(client, tmp_path, "flights", "unload").status_code == 200
        assert client.get("/v2/health/ready").status_code == 503
    finally:
        process.terminate()
        process.wait(30)


def test_a_candidate_gets_its_share_and_a_shadow_its_copies(
    saved_models: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]
):
    for name in ("first", "second", "fickle"):
        put(tmp_path, saved_models, "flights", name, name)
    serving.write_state(tmp_path, "flights", serving.ServingState("first", "second", percent=25))
    port = free_ports()
    process = start(tmp_path, port, family_environment)
    client = wait(tmp_path, port)
    known = {name: probe(saved_models, name) for name in ("first", "second")}

    def ask() -> str:
        answer = client.post("/v1/models/flights:predict", json={"instances": known["first"]["instances"]}).json()["predictions"]
        return next(name for name, one in known.items() if answer == one["predictions"])

    def switch(state: serving.ServingState) -> None:
        serving.write_state(tmp_path, "flights", state)
        assert tell(client, tmp_path, "flights").status_code == 200

    def counted(name: str, code: str) -> bool:
        labels = f'code="{code}",fingerprint="{serving.read_release(tmp_path, "flights", name).fingerprint}"'
        return any(
            line.startswith(f"penstock_requests_total{{{labels}")
            for line in client.get("/metrics").text.splitlines()
            if not line.endswith(" 0.0")
        )

    assert [ask() for _ in range(8)] == ["first", "first", "first", "second"] * 2
    switch(serving.ServingState("first", "second", percent=50))
    assert [ask() for _ in range(4)] == ["first", "second"] * 2
    switch(serving.ServingState("first", "fickle", shadow=True))
    (saved_models / "fickle" / "mode").rename(saved_models / "fickle" / "gone")
    try:
        assert {ask() for _ in range(4)} == {"first"}
        deadline = time.monotonic() + 10
        while not counted("fickle", "500") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert counted("fickle", "500")
    finally:
        (saved_models / "fickle" / "gone").rename(saved_models / "fickle" / "mode")
    (tmp_path / "flights" / "broken").mkdir()
    serving.write_state(tmp_path, "flights", serving.ServingState("second", "broken", percent=50))
    assert tell(client, tmp_path, "flights").status_code == 503
    assert {ask() for _ in range(4)} == {"second"}
    process.terminate()
    process.wait(30)


def test_no_request_is_lost_while_versions_switch(
    saved_models: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]
):
    for name in ("first", "second"):
        put(tmp_path, saved_models, "flights", name, name)
    serving.write_state(tmp_path, "flights", serving.ServingState("first"))
    port = free_ports()
    process = start(tmp_path, port, family_environment)
    client = wait(tmp_path, port)
    instances = probe(saved_models, "first")["instances"]
    # Vectors of another length round differently in the last digit.
    right = [pytest.approx([row[0] for row in probe(saved_models, name)["predictions"]]) for name in ("first", "second")]
    stopped = threading.Event()

    def ask() -> int:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=30) as mine:
            asked = 0
            while not stopped.is_set():
                answer = mine.post("/v1/models/flights:predict", json={"instances": instances})
                given = [row[0] for row in answer.json()["predictions"]]
                assert given in right, answer.text
                asked += 1
        return asked

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask) for _ in range(8)]
        for name in ("second", "first") * 5:
            serving.write_state(tmp_path, "flights", serving.ServingState(name))
            assert tell(client, tmp_path, "flights").status_code == 200
        stopped.set()
        assert all(one.result(30) > 10 for one in clients)
    process.terminate()
    process.wait(30)


def test_one_server_for_a_folder_and_one_for_a_port(
    client: httpx.Client, folder: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]
):
    for place, port, message in [(folder, free_ports(), "another model server"), (tmp_path, client.base_url.port, "cannot listen on port")]:
        command = [sys.executable, "-m", "penstock.server", str(place), "--port", str(port)]
        done = subprocess.run(command, env=family_environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_log_is_quiet(client: httpx.Client, folder: Path):
    client.post("/v1/models/flights:predict", json={"instances": []})
    log = (folder / "server.log").read_text()
    assert "InvalidInput" not in log
    assert "cannot serve broken" in log


def test_nothing_of_a_request_gets_into_the_log_as_it_is(client: httpx.Client, folder: Path):
    row = ROW | {"carrier": "x\n2026-11-28 12:00:00 ERROR penstock: FORGED\x1b[31m\u202e"}
    for path in ("x%0aFORGED", "x%1b%5b31mFORGED", "x%00FORGED", "x%e2%80%a8FORGED", "x%c2%85FORGED", "FORGED" * 5000):
        for verb in (":predict", ":explain", "", "/infer", "/versions/FORGED%0aFORGED/infer", "/versions/FORGED%0a/ready"):
            for place in (f"/v1/models/{path}{verb}", f"/v2/models/{path}{verb}", f"/v2/repository/models/{path}/load"):
                client.post(place, json={"instances": [row]})
                client.get(place)
    client.post("/v1/models/flights:explain", json={"instances": [row]})
    client.post("/v1/models/serialized:predict", json={"instances": ["\nFORGED\x1b[31m"]})
    client.post(
        "/v2/models/flights/infer", json={"id": "\nFORGED", "inputs": [{"name": "\nFORGED", "shape": [1], "datatype": "FORGED\x1b"}]}
    )
    client.post("/v2/models/flights/infer", content=b"\nFORGED\x1b", headers={"ce-id": "FORGED", "content-type": "application/FORGED"})
    with socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        raw.sendall(b"FORGED \x1b[31m\nFORGED / HTTP/9\r\n\r\n")
        raw.recv(1000)
    for file in (folder / "server.log", folder / "server.err"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert line.isprintable()
            assert "FORGED" not in line[:24]


def test_the_log_begins_anew(tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]):
    for name in ("server.log", "server.err"):
        (tmp_path / name).write_text("x" * (10 << 20))
    process = start(tmp_path, port := free_ports(), family_environment)
    wait(tmp_path, port)
    process.terminate()
    process.wait(30)
    assert "serving no model yet" in (tmp_path / "server.log").read_text()
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("server.*")}
    assert sizes["server.log.1"] == 10 << 20
    assert sizes["server.log"] < 10_000
    assert sizes["server.err"] < 10_000
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("server.log", "server.err")} == {0o640}


def test_sigterm_lets_a_request_end(
    folder: Path, saved_models: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int]
):
    put(tmp_path, saved_models, "flights", "first", "1")
    serving.write_state(tmp_path, "flights", serving.ServingState("1"))
    port = free_ports()
    process = start(tmp_path, port, family_environment)
    client = wait(tmp_path, port)
    rows = [ROW] * 10_000

    def body() -> Iterator[bytes]:
        """A request that is half sent when the server is asked to end."""
        text = json.dumps({"instances": rows}).encode()
        yield text[:1000]
        os.kill(process.pid, signal.SIGTERM)
        until(lambda: not _accepts_connections(port))
        yield text[1000:]

    answer = client.post("/v1/models/flights:predict", content=body(), headers={"content-type": "application/json"})
    assert len(answer.json()["predictions"]) == len(rows)
    process.wait(30)
    assert serving.running_server(tmp_path) is None
