"""Features that the server adds to requests: over every protocol, and when the store is away, slow or wrong."""

import asyncio
import functools
import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from penstock.components.protocol import TaskError
from penstock.components.protocol.fingerprint import fingerprint
from penstock.components.release.feature_service import FeatureService
from penstock.components.release.release import Release
from penstock.server.feature_client import FeatureClient, FeaturesUnavailable, StoreAway
from penstock.server.models import REQUEST_ID, ServedModel
from penstock.server.one_model import load_one
from penstock.server.online_features import OnlineFeatures
from penstock.server.options import read_options
from penstock.server.saved_model import SavedModel
from penstock.server.version import LoadedVersion

from .feature_server import FeatureServer, reply
from .processes import NAME, ROW, V1, V2, Server, serving

KEYS = {"tail": "N1", "origin": 7}  # of the aircraft and the route whose features are ROW
OTHER_KEYS = {"tail": "N2", "origin": 8}
OTHER_ROW = {"distance": 2500.0, "carrier": "9E", "month": 12}
DEFAULTS = {"distance": 100.0, "carrier": "AA", "month": 1}  # ROW
TYPES = {"tail": "BYTES", "origin": "INT64", "distance": "FP32", "carrier": "BYTES", "month": "INT64"}


@pytest.fixture(scope="module")
def store() -> Iterator[FeatureServer]:
    with FeatureServer() as store:
        yield store


@pytest.fixture(autouse=True)
def _as_it_was(store: FeatureServer) -> Iterator[None]:
    yield
    store.asked.clear()
    store.reply, store.drops = reply, 0
    store.goes_on.set()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def server(
    saved_models: Path,
    store: FeatureServer,
    logged: Path,
    tmp_path_factory: pytest.TempPathFactory,
    family_environment: dict[str, str],
    free_ports: Callable[[], int],
) -> Iterator[Server]:
    """A server that fails without the store, with all the time of a busy machine."""
    model, folder = saved_models / "first" / "model", tmp_path_factory.mktemp("features")
    options = ["--feature_service", store.uri("&timeout_ms=30000"), "--prediction_log_key", "tail"]
    options += ["--prediction_log", str(logged), "--prediction_log_sample", "1", "--prediction_log_mib", "1e-6"]
    with serving(model, folder, family_environment, free_ports, *options) as server:
        yield server
        server.require_unharmed()


def v2(*rows: dict[str, Any]) -> dict[str, Any]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {"inputs": [{"name": name, "shape": [len(rows)], "datatype": TYPES[name], "data": column} for name, column in columns.items()]}


def ask_v1(server: Server, *rows: dict[str, Any]) -> list[Any]:
    answer = server.predict(list(rows))
    assert answer.status_code == 200, answer.text
    return [value for (value,) in answer.json()["predictions"]]


def ask_event(server: Server, *rows: dict[str, Any]) -> list[Any]:
    """Asks through KServe's own endpoint."""
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "test", "content-type": "application/json"}
    answer = server.http.post(V1, json={"instances": rows}, headers=event)
    assert answer.status_code == 200, answer.text
    return [value for (value,) in answer.json()["predictions"]]


def ask_v2(server: Server, *rows: dict[str, Any]) -> list[Any]:
    answer = server.http.post(V2, json=v2(*rows))
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"][0]["data"]


def ask_binary(server: Server, *rows: dict[str, Any]) -> list[Any]:
    tails = b"".join(struct.pack("<I", len(row["tail"].encode())) + row["tail"].encode() for row in rows)
    contents = {"tail": tails, "origin": struct.pack(f"<{len(rows)}q", *(row["origin"] for row in rows))}
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": TYPES[name], "parameters": {"binary_data_size": len(content)}}
        for name, content in contents.items()
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = server.http.post(V2, content=b"".join([head, *contents.values()]), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"][0]["data"]


def message(*rows: dict[str, Any]) -> pb.ModelInferRequest:
    tensor, contents = pb.ModelInferRequest.InferInputTensor, pb.InferTensorContents
    tails = contents(bytes_contents=[row["tail"].encode() for row in rows])
    origins = contents(int64_contents=[row["origin"] for row in rows])
    shape = [len(rows), 1]  # a dimension of 1 may be there or not
    inputs = [tensor(name="tail", datatype="BYTES", shape=shape, contents=tails)]
    inputs.append(tensor(name="origin", datatype="INT64", shape=shape, contents=origins))
    return pb.ModelInferRequest(model_name=NAME, inputs=inputs)


def ask_grpc(server: Server, *rows: dict[str, Any]) -> list[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(message(*rows))
    return list(answer.outputs[0].contents.fp32_contents)


DOORS = pytest.mark.parametrize("ask", [ask_v1, ask_event, ask_v2, ask_binary, ask_grpc])


@DOORS
def test_features_are_added_by_the_keys(ask: Callable[..., list[Any]], server: Server, store: FeatureServer):
    expected = ask_v1(server, ROW, OTHER_ROW, ROW)
    assert store.asked == []
    assert ask(server, KEYS, OTHER_KEYS, KEYS) == pytest.approx(expected)
    entities = {"tail": ["N1", "N2", "N1"], "origin": [7, 8, 7]}
    assert store.asked == [{"feature_service": "flights", "entities": entities, "full_feature_names": False}]


def test_many_rows_are_one_question(server: Server, store: FeatureServer):
    rows = [KEYS, OTHER_KEYS] * 250
    assert ask_v1(server, *rows) == pytest.approx(ask_v1(server, ROW, OTHER_ROW) * 250)
    assert [len(question["entities"]["tail"]) for question in store.asked] == [500]


def test_what_a_request_has_is_not_fetched(server: Server, store: FeatureServer):
    """A row that has all features needs no keys, and one that has some keeps them."""
    own = {"distance": 500.0}
    expected = ask_v1(server, ROW | own, ROW | KEYS, OTHER_ROW)
    assert store.asked == []
    assert ask_v1(server, KEYS | own, ROW | KEYS, OTHER_ROW) == expected
    assert store.asked[0]["entities"] == {"tail": ["N1"], "origin": [7]}
    assert ask_v1(server, KEYS | own, OTHER_KEYS, ROW) == pytest.approx([expected[0], expected[2], *ask_v1(server, ROW)])
    assert ask_v2(server, KEYS | own) == pytest.approx(expected[:1])
    assert ask_v2(server, ROW | KEYS) == pytest.approx(expected[1:2])
    assert len(store.asked) == 3


def lines(logged: Path, *ids: str) -> list[dict[str, Any]]:
    """Waits until the log has some rows, and returns them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = {row["id"]: row for path in logged.rglob("*.jsonl") for row in map(json.loads, path.read_text().splitlines())}
        if rows.keys() >= set(ids):
            return [rows[identity] for identity in ids]
        time.sleep(0.05)
    raise AssertionError(f"the log has no {ids}")


def test_the_log_says_what_was_fetched(server: Server, logged: Path):
    """With the keys and the store's values as they are. The row's id is one of the keys here."""
    ids = []
    rows = [{"tail": "Ñ 3", "origin": 9}, ROW]
    ids += [rows[0]["tail"], f"{server.predict(rows).headers[REQUEST_ID]}/1"]
    other = {"tail": "N4", "origin": 8}
    assert server.http.post(V2, json=v2(other | {"distance": 5.0})).status_code == 200
    first, second, third = lines(logged, *ids, "N4")
    assert first["instance"] == {"tail": "Ñ 3", "origin": 9, "carrier": "UA", "month": 3, "distance": None}
    assert first["fetched"] == ["carrier", "distance", "month"]
    assert first["prediction"] == [None]
    assert second["instance"] == ROW
    assert third["instance"] == other | {"carrier": "DL", "month": 4, "distance": 5.0}
    assert third["fetched"] == ["carrier", "month"]
    assert all("features_defaulted" not in row for row in (first, second, third))
    assert "fetched" not in second


REFUSED = {
    "no key": ([{"tail": "N1"}], "missing key: origin in instance 0; send it, or the features themselves: carrier, distance, month"),
    "second row": ([KEYS, {"origin": 7, "month": 1}], "missing key: tail in instance 1; send it, or the features themselves: carrier, dis"),
    "null": ([KEYS | {"tail": None}], "missing key: tail in instance 0"),
    "fraction": ([KEYS | {"tail": 1.5}], "'tail', the key of each row, must be text or a whole number, not 1.5"),
    "object": ([KEYS | {"origin": {"a": 1}}], "'origin', the key of each row, must be text or a whole number, not {'a': 1}"),
    "unknown field": ([KEYS | {"year": 2026}], "unknown feature in instance 0: year; the model takes carrier, distance, month"),
    "not found": ([KEYS, KEYS | {"tail": "N9"}], "feature 'carrier' of instance 1 must be sent: feature service 'flights' has no value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_without_usable_keys_is_refused(case: str, server: Server):
    rows, refusal = REFUSED[case]
    answer = server.predict(rows)
    assert answer.status_code == 400
    assert refusal in answer.json()["error"]


V2_REFUSED = {
    "no key": (v2({"tail": "N1"}), "missing key: origin; send it, or the features themselves: carrier, distance, month"),
    "other rows": (
        v2(KEYS, KEYS) | {"inputs": [*v2(KEYS, KEYS)["inputs"][:1], *v2(KEYS)["inputs"][1:]]},
        "must have the shape [2], not [1]",
    ),
    "no rows": ({"inputs": [{"name": name, "shape": [0], "datatype": "INT64", "data": []} for name in KEYS]}, "missing feature"),
}


@pytest.mark.parametrize("case", V2_REFUSED)
def test_tensors_without_usable_keys_are_refused(case: str, server: Server, store: FeatureServer):
    body, refusal = V2_REFUSED[case]
    answer = server.http.post(V2, json=body)
    assert answer.status_code == 400
    assert refusal in answer.json()["error"]
    assert store.asked == []


def answering(code: int, body: Any) -> Callable[[Any], tuple[int, bytes]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda question: (code, content)


def column(name: str, values: list[Any]) -> Callable[[Any], tuple[int, bytes]]:
    return lambda question: reply(question, {name: values})


# orjson reads 1,024 levels.
DEEP = {
    "metadata": {"feature_names": ["carrier", "month", "distance"]},
    "results": [
        {"values": [value], "statuses": ["PRESENT"]} for value in ("AA", 1, functools.reduce(lambda inner, _: [inner], range(900), 1.0))
    ],
}
UNAVAILABLE = {
    "error": (answering(500, "boom"), "server_error", "the feature server answered 500"),
    "overload": (answering(429, {}), "server_error", "the feature server answered 429"),
    "no service": (lambda question: reply(question | {"feature_service": "none"}), "refused", "the feature server answered 404"),
    "no token": (answering(401, {"detail": "Missing authentication token"}), "refused", "the feature server answered 401"),
    "elsewhere": (answering(302, {}), "refused", "the feature server answered 302"),
    "page": (answering(200, b"<html>"), "malformed", "the feature server sent what is not an answer of Feast's"),
    "list": (answering(200, [1]), "malformed", "not an answer of Feast's"),
    "no names": (answering(200, {"results": []}), "malformed", "not an answer of Feast's"),
    "name": (lambda question: reply(question, {None: [1]}), "malformed", "not an answer of Feast's"),
    "one text": (
        answering(200, {"metadata": {"feature_names": ["tail"]}, "results": [{"values": "a", "statuses": "b"}]}),
        "malformed",
        "Feast",
    ),
    "lists in lists": (answering(200, DEEP), "misfit", "'distance' has lists in too many lists"),
    "fewer values": (lambda question: reply(question | {"entities": {"tail": [], "origin": []}}), "malformed", "not an answer of Feast's"),
    "text": (column("distance", ["far"]), "misfit", "feature service 'flights' does not fit the model: feature 'distance' must be float32"),
    "list of two": (column("distance", [[1.0, 2.0]]), "misfit", "feature 'distance' must have the shape [None], not [1, 2]"),
}


def failures(server: Server, reason: str) -> float:
    text = server.http.get("/metrics").text
    return float(text.split(f'penstock_feature_fetch_failures_total{{reason="{reason}"}} ')[1].split("\n")[0])


@pytest.mark.parametrize("case", UNAVAILABLE)
def test_a_feature_server_that_gives_no_features_is_a_503(case: str, server: Server, store: FeatureServer):
    store.reply, reason, words = UNAVAILABLE[case]
    before = failures(server, reason)
    answer = server.predict([KEYS])
    assert answer.status_code == 503
    assert words in answer.json()["error"]
    assert str(store.port) not in answer.text, "clients need not know where it is"
    assert failures(server, reason) == before + 1
    assert server.http.post(V2, json=v2(KEYS)).json()["error"] == answer.json()["error"]
    with pytest.raises(grpc.RpcError) as refused:
        ask_grpc(server, KEYS)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == answer.json()["error"]
    store.reply = reply
    assert ask_v1(server, KEYS) == ask_v1(server, ROW)


def test_a_service_without_a_feature_that_the_model_takes(server: Server, store: FeatureServer):
    def lacking(question: dict[str, Any]) -> tuple[int, bytes]:
        code, body = reply(question)
        return code, body.replace(b'"month"', b'"week"')

    store.reply = lacking
    answer = server.predict([KEYS])
    assert answer.status_code == 400
    missing = "missing feature: month; feature service 'flights' does not have it either (it has: carrier, distance, week)"
    assert answer.json()["error"] == missing


def test_a_value_that_is_older_than_its_ttl_is_missing(server: Server, store: FeatureServer):
    """Feast has the value beside the status OUTSIDE_MAX_AGE; the training data had none."""
    store.reply = lambda question: reply(question, status="OUTSIDE_MAX_AGE")
    assert ask_v1(server, KEYS | {"carrier": "AA", "month": 1}) == [None]


@pytest.mark.parametrize("value", [None, "NaN"])
def test_a_number_without_a_value_is_missing(value: Any, server: Server, store: FeatureServer):
    """Feast writes NaN as a text where the store has it: `_float_to_native` in feature_server_utils.py."""
    store.reply = column("distance", [value])
    assert ask_v1(server, KEYS) == [None]


def test_a_boolean_is_0_or_1_where_the_model_takes_whole_numbers(server: Server, store: FeatureServer):
    store.reply = column("month", [True])
    assert ask_v1(server, KEYS) == ask_v1(server, ROW)


def test_a_connection_that_the_feature_server_has_closed_fails_no_request(server: Server, store: FeatureServer):
    expected = ask_v1(server, ROW)
    assert ask_v1(server, KEYS) == expected  # a connection is kept now
    store.drops = 1
    assert ask_v1(server, KEYS) == expected
    assert store.drops == 0


def test_requests_at_the_same_time_get_their_own_features(server: Server):
    expected = ask_v1(server, ROW, OTHER_ROW)
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda keys: ask_v1(server, keys)[0], [KEYS, OTHER_KEYS] * 20))
    assert answers == pytest.approx(expected * 20)


@pytest.fixture(scope="module")
def with_defaults(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose Schema names defaults, as train_model writes them."""
    model = tmp_path_factory.mktemp("with_defaults") / "model"
    shutil.copytree(saved_models / "first" / "model", model)
    (model / "assets.extra").mkdir()
    (model / "assets.extra" / "feature_defaults.json").write_text(json.dumps(DEFAULTS))
    return model


def test_defaults_stand_for_a_store_that_is_away(
    with_defaults: Path, tmp_path: Path, family_environment: dict[str, str], free_ports: Callable[[], int], server: Server
):
    """Within the budget: where it hangs, where it has an error, and where nothing listens."""
    (expected,) = ask_v1(server, ROW)
    log = tmp_path / "log"
    options = ["--prediction_log", str(log), "--prediction_log_sample", "1", "--prediction_log_mib", "1e-6"]
    with FeatureServer() as store:
        options += ["--feature_service", store.uri("&timeout_ms=100&when_away=defaults")]
        with serving(with_defaults, tmp_path, family_environment, free_ports, *options) as defaulting:
            store.goes_on.clear()
            asked_at = time.monotonic()
            slow = defaulting.predict([KEYS, ROW])
            assert 0.1 <= time.monotonic() - asked_at < 10
            assert [value for (value,) in slow.json()["predictions"]] == pytest.approx([expected] * 2)
            assert failures(defaulting, "timeout") == 1
            store.goes_on.set()
            store.reply = answering(404, "no such service")
            assert defaulting.predict([KEYS]).status_code == 503, "what is set up wrongly is not away"
            store.reply = answering(500, "boom")
            assert ask_v2(defaulting, KEYS) == [expected]
            store.__exit__()
            assert ask_grpc(defaulting, KEYS) == [expected]
            assert failures(defaulting, "unreachable") + failures(defaulting, "timeout") == 2
            identity = slow.headers[REQUEST_ID]
            first, second = lines(log, f"{identity}/0", f"{identity}/1")
            assert defaulting.stop() == 0
    assert {name: first.get(name) for name in ("instance", "fetched", "features_defaulted")} == {
        "instance": KEYS | DEFAULTS,
        "fetched": [],
        "features_defaulted": True,
    }
    assert second["instance"] == ROW
    assert not {"fetched", "features_defaulted"} & second.keys()
    words = defaulting.log.read_text()
    assert "WARNING penstock.server.feature_client: the feature server did not answer within 100 ms (http://127.0.0.1:" in words
    assert "Traceback" not in words


def fetch(uri: str, *keys: dict[str, Any], times: int = 1) -> dict[str, list[Any]]:
    async def ask() -> dict[str, list[Any]]:
        async with FeatureClient(FeatureService.from_uri(uri)) as client:
            for _ in range(times):
                found = await client.fetch({name: [row[name] for row in keys] for name in KEYS}, len(keys))
            return found

    return asyncio.run(ask())


def test_a_feature_server_that_is_slow_or_not_there(store: FeatureServer, free_port: int):
    store.goes_on.clear()
    with pytest.raises(StoreAway, match="the feature server did not answer within 50 ms"):
        fetch(store.uri(), KEYS)
    store.goes_on.set()
    with pytest.raises(StoreAway, match="the feature server cannot be reached"):
        fetch(f"http://127.0.0.1:{free_port}/flights?keys=tail,origin&timeout_ms=30000", KEYS)


def test_a_feature_server_that_was_restarted_is_asked_over_a_new_connection():
    async def ask() -> None:
        with FeatureServer() as before:
            service = FeatureService.from_uri(before.uri("&timeout_ms=30000"))
            async with FeatureClient(service) as client:
                keys = {name: [value] for name, value in KEYS.items()}
                await client.fetch(keys, 1)
                before.__exit__()
                with FeatureServer(before.port):
                    assert await client.fetch(keys, 1) == {name: [value] for name, value in ROW.items()}

    asyncio.run(ask())


def test_a_server_that_closes_every_connection_is_away(store: FeatureServer):
    store.drops = 10
    with pytest.raises(StoreAway, match="the feature server cannot be reached"):
        fetch(store.uri("&timeout_ms=30000"), KEYS)
    assert store.drops == 8, "asked once more, and no oftener"


def test_full_names_and_the_token(store: FeatureServer, tmp_path: Path):
    (tmp_path / "token").write_text("secret\n")
    fetch(store.uri(f"&timeout_ms=30000&full_feature_names=true&token_file={tmp_path}/token"), KEYS)
    assert store.asked[0]["full_feature_names"] is True
    assert store.headers["authorization"] == "Bearer secret"


TOKENS = {
    "no file": (None, "the token for the feature server cannot be read"),
    "bytes": (b"\xff\xfe", "the token for the feature server cannot be read"),
    "two lines": (b"secret\nsecret", "the token for the feature server is not one line of text"),
    "empty": (b"\n", "the token for the feature server is not one line of text"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_cannot_be_sent_is_no_store_that_is_away(case: str, store: FeatureServer, tmp_path: Path):
    """The defaults would hide it."""
    content, words = TOKENS[case]
    (tmp_path / "token").write_bytes(content or b"secret")
    uri = store.uri(f"&timeout_ms=30000&when_away=defaults&token_file={tmp_path}/token")
    service = FeatureService.from_uri(uri)
    if content is None:
        (tmp_path / "token").unlink()

    async def ask() -> None:
        async with FeatureClient(service) as client:
            await client.fetch({name: [value] for name, value in KEYS.items()}, 1)

    with pytest.raises(FeaturesUnavailable, match=words) as refused:
        asyncio.run(ask())
    assert not isinstance(refused.value, StoreAway)
    assert store.asked == []


def test_the_log_does_not_tell_the_token(store: FeatureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch):
    """Some servers answer with the request that they refuse."""
    monkeypatch.setattr("penstock.server.feature_client._log_again_at", {})
    (tmp_path / "token").write_text("secret-token")
    store.reply = lambda _: (401, b"refused: " + store.headers["authorization"].encode() + b" " * 1_000)
    with pytest.raises(FeaturesUnavailable):
        fetch(store.uri(f"&timeout_ms=30000&token_file={tmp_path}/token"), KEYS)
    assert "refused: Bearer ***" in caplog.text
    assert "secret" not in caplog.text


def test_an_answer_takes_no_more_memory_than_is_meant_for_it(store: FeatureServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("penstock.server.feature_client._LARGEST_MIB", 1)
    uri = store.uri("&timeout_ms=30000")
    store.reply = lambda question: (200, reply(question)[1] + b" " * (1 << 19))
    assert fetch(uri, KEYS) == {name: [value] for name, value in ROW.items()}
    store.reply = lambda question: (200, reply(question)[1] + b" " * (1 << 20))
    with pytest.raises(FeaturesUnavailable, match="the feature server's answer is larger than 1 MiB"):
        fetch(uri, KEYS)


def test_missing_values_are_the_defaults_that_the_model_was_trained_with(with_defaults: Path, store: FeatureServer):
    """As tf.Transform and training fill what is missing; the log has the null."""
    model = SavedModel(with_defaults)

    async def ask() -> None:
        async with OnlineFeatures(FeatureService.from_uri(store.uri("&timeout_ms=30000"))) as features:
            asked = [{"tail": "N9", "origin": 9}]
            fetched = await features.fetch_for_rows(asked, [model])
            assert fetched.fill_rows(asked, model) == [DEFAULTS]
            logged = fetched.logged(asked, model)[0]
            assert logged["instance"] == asked[0] | dict.fromkeys(DEFAULTS)

    asyncio.run(ask())


def test_a_default_is_needed_for_each_feature_that_is_lacking(with_defaults: Path, free_port: int):
    model = SavedModel(with_defaults)
    del model.defaults["month"]

    async def ask(row: dict[str, Any]) -> Any:
        uri = f"http://127.0.0.1:{free_port}/flights?keys=tail,origin&when_away=defaults"
        async with OnlineFeatures(FeatureService.from_uri(uri)) as features:
            return (await features.fetch_for_rows([row], [model])).fill_rows([row], model)

    with pytest.raises(FeaturesUnavailable, match="and the model has no default for 'month'"):
        asyncio.run(ask(KEYS))
    assert asyncio.run(ask(KEYS | {"month": 1})) == [DEFAULTS]


def test_a_model_without_defaults_does_not_serve_where_they_are_to_stand_in(saved_models: Path):
    features = OnlineFeatures(FeatureService.from_uri("http://features/flights?keys=tail&when_away=defaults"))
    with pytest.raises(TaskError, match="when_away=defaults, but the model has no defaults; give the features a default_value"):
        load_one(NAME, saved_models / "first" / "model", None, "", "", "never", features)


def test_a_candidate_and_a_shadow_get_the_features_that_they_take(saved_models: Path, store: FeatureServer):
    """One question for both, although the candidate takes another feature."""

    def with_miles(question: dict[str, Any]) -> tuple[int, bytes]:
        return reply(question, {"miles": [100.0]})

    def version(name: str) -> LoadedVersion:
        folder = saved_models / name / "model"
        return LoadedVersion(NAME, name, Release(fingerprint(folder)), SavedModel(folder), is_batched=False)

    async def ask() -> None:
        stable, candidate, larger = version("first"), version("renamed"), version("second")
        async with OnlineFeatures(FeatureService.from_uri(store.uri("&timeout_ms=30000"))) as features:
            canary = ServedModel(NAME, stable, None, candidate, 50, features=features)
            answers = [await canary.predict_rows([KEYS], {}) for _ in range(2)]
            assert answers[0] != answers[1], "they differ by their bias"
            assert len(store.asked) == 2
            shadow = ServedModel(NAME, stable, None, candidate, 0, shadow=True, features=features)
            assert await shadow.predict_rows([KEYS], {}) == answers[0]
            await asyncio.gather(*shadow._copies)
            assert len(store.asked) == 3
            del stable.model.inputs["distance"]  # a request that has all that serves takes may lack what the candidate takes
            canary = ServedModel(NAME, stable, None, larger, 50, features=features)
            assert len(await canary.predict_rows([KEYS | {"carrier": "AA", "month": 1}], {}, "second")) == 1
            assert len(store.asked) == 4

    store.reply = with_miles
    asyncio.run(ask())


WRONG = {
    "no URI": ("flights", "is not the URI of a feature service; give http://HOST:6566/SERVICE?keys=KEY,KEY"),
    "scheme": ("redis://features/flights?keys=a", "is not the URI of a feature service"),
    "no host": ("http:///flights?keys=a", "is not the URI of a feature service"),
    "port": ("http://features:port/flights?keys=a", "is not the URI of a feature service"),
    "password": ("http://me:secret@features/flights?keys=a", "is not the URI of a feature service"),
    "no service": ("http://features/?keys=a", "names no feature service"),
    "no keys": ("http://features/flights", "option keys= names no fields; give the join keys of the entities"),
    "empty key": ("http://features/flights?keys=a,,b", "option keys=a,,b names no fields"),
    "key twice": ("http://features/flights?keys=a,a", "option keys=a,a names no fields"),
    "option": ("http://features/flights?keys=a&ttl=1", "feature_service option ttl is unknown; http:// accepts full_feature_names, keys, "),
    "no number": ("http://features/flights?keys=a&timeout_ms=fast", "option timeout_ms=fast is invalid; give milliseconds above 0"),
    "no time": ("http://features/flights?keys=a&timeout_ms=0", "option timeout_ms=0 is invalid"),
    "not a number": ("http://features/flights?keys=a&timeout_ms=nan", "option timeout_ms=nan is invalid"),
    "away": ("http://features/flights?keys=a&when_away=zeros", "option when_away=zeros is invalid; give fail or defaults"),
    "names": ("http://features/flights?keys=a&full_feature_names=1", "option full_feature_names=1 is invalid; give true or false"),
    "token": ("http://features/flights?keys=a&token_file=/none", "option token_file=/none is not a file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_one_line(case: str, capsys: pytest.CaptureFixture[str]):
    uri, words = WRONG[case]
    with pytest.raises(SystemExit):
        read_options(["--model_dir", "model", "--feature_service", uri], {})
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m penstock.server: error: --feature_service ")
    assert words in line
    assert "secret" not in line


def test_the_service_is_the_last_part_of_the_path():
    service = FeatureService.from_uri("https://gateway/feast/flights%20two?keys=tail,origin&timeout_ms=20")
    assert (service.server, service.name, service.keys, service.timeout) == (
        "https://gateway/feast",
        "flights two",
        ("tail", "origin"),
        0.02,
    )
