"""Features from Feast's own feature server, with SQLite; and what the double takes from it."""

import json
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ...conftest import interpreter
from ...waiting import until
from .feature_server import AIRCRAFT, ROUTES, reply
from .processes import ROW, V1, Server
from .test_online_features import KEYS, OTHER_KEYS, OTHER_ROW, ask_grpc, ask_v1, ask_v2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def feature_server(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], int]) -> Iterator[str]:
    """The URL of `feast serve`."""
    folder, port = tmp_path_factory.mktemp("feast"), free_ports()
    python = interpreter("PENSTOCK_FEAST_PYTHON")
    tables = {
        "aircraft": [{"tail": key} | row for key, row in AIRCRAFT.items()],
        "routes": [{"origin": key, "distance": math.nan if row["distance"] is None else row["distance"]} for key, row in ROUTES.items()],
    }
    variables = os.environ | {"HOME": str(folder)}  # gunicorn has a socket there
    subprocess.run([python, Path(__file__).with_name("feast_store.py"), folder, json.dumps(tables)], env=variables, check=True)
    options = ["-c", folder, "serve", "--port", str(port), "--no-access-log", "--max-requests", "0"]
    process = subprocess.Popen([Path(python).with_name("feast"), *options], env=variables)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False


def question(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"feature_service": "flights", "entities": {name: [row[name] for row in rows] for name in KEYS}} | more


QUESTIONS = {
    "two rows": question(KEYS, OTHER_KEYS),
    "no value": question({"tail": "N9", "origin": 7}, {"tail": "N1", "origin": 70}),
    "letters": question({"tail": "Ñ 3", "origin": 8}),
    "not a number": question({"tail": "N1", "origin": 9}),
    "null key": question({"tail": None, "origin": 7}),
    "no service": question(KEYS, feature_service="none"),
}


@pytest.mark.parametrize("case", QUESTIONS)
def test_the_double_answers_as_feast_does(case: str, feature_server: str):
    answer = httpx.post(f"{feature_server}/get-online-features", json=QUESTIONS[case], timeout=60)
    code, content = reply(QUESTIONS[case])
    assert answer.status_code == code
    if code == 200:
        found, expected = answer.json(), json.loads(content)
        columns = [
            {name: (each["values"], each["statuses"]) for name, each in zip(one["metadata"]["feature_names"], one["results"], strict=True)}
            for one in (found, expected)
        ]
        assert columns[0] == columns[1]


def test_feast_reads_json_alone(feature_server: str):
    content = json.dumps(question(KEYS)).encode()
    assert httpx.post(f"{feature_server}/get-online-features", content=content, timeout=60).status_code == 422


def test_features_are_added_by_the_keys(saved_models: Path, feature_server: str, start: Callable[..., Server], free_port: int):
    uri = f"{feature_server}/flights?keys=tail,origin&timeout_ms=30000"
    server = start(saved_models / "first" / "model", "--feature_service", uri, "--grpc_port", str(free_port)).ready()
    server.grpc_port = free_port
    expected = ask_v1(server, ROW, OTHER_ROW)
    for ask in (ask_v1, ask_v2, ask_grpc):
        assert ask(server, KEYS, OTHER_KEYS) == pytest.approx(expected)
    assert ask_v1(server, *[KEYS, OTHER_KEYS] * 250) == pytest.approx(expected * 250)
    assert ask_v1(server, {"tail": "Ñ 3", "origin": 9}) == [None]
    unknown = server.http.post(V1, json={"instances": [KEYS | {"tail": "N9"}]})
    assert unknown.status_code == 400
    assert "feature 'carrier' of instance 0 must be sent" in unknown.json()["error"]
    other_type = server.http.post(V1, json={"instances": [KEYS | {"origin": "JFK"}]})
    assert other_type.status_code == 503
