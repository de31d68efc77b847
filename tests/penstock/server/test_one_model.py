"""One SavedModel under one name: as KServe and Vertex AI start the server."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from penstock.components.protocol import fingerprint

from ...waiting import until
from .processes import COLD, NAME, ROW, V1, V2, Server, serving, v2

REQUEST_ID = "x-request-id"


def test_every_protocol_answers_alike(placed: Path, saved_models: Path, start: Callable[..., Server], free_port: int):
    server = start(placed, "--grpc_port", str(free_port)).ready()
    known = json.loads((saved_models / "first" / "probe.json").read_text())
    assert server.predict(known["instances"]).json()["predictions"] == known["predictions"]
    assert server.http.get("/v1/models/flights").json() == {"name": NAME, "ready": True}
    assert server.http.get("/v2/models/flights").json()["versions"] == ["7"]
    columns = {name: [row[name] for row in known["instances"]] for name in ROW}
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(_infer(columns))
        assert list(answer.outputs[0].contents.fp32_contents) == pytest.approx([row[0] for row in known["predictions"]])
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(_infer({"distance": [1.0]}))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "missing feature: carrier, month" in refused.value.details()
    assert server.samples("penstock_requests_total") == {("7", "200"): 2, ("7", "400"): 1, ("7", "500"): 0}


def _infer(columns: dict[str, list]) -> pb.ModelInferRequest:
    tensor, contents = pb.ModelInferRequest.InferInputTensor, pb.InferTensorContents
    values = {
        "distance": lambda column: ("FP32", contents(fp32_contents=column)),
        "carrier": lambda column: ("BYTES", contents(bytes_contents=[text.encode() for text in column])),
        "month": lambda column: ("INT64", contents(int64_contents=column)),
    }
    inputs = []
    for name, column in columns.items():
        kind, content = values[name](column)
        inputs.append(tensor(name=name, datatype=kind, shape=[len(column)], contents=content))
    return pb.ModelInferRequest(model_name=NAME, inputs=inputs)


def test_no_request_unloads_the_model(placed: Path, start: Callable[..., Server], free_port: int):
    server = start(placed, "--grpc_port", str(free_port)).ready()
    for verb in ("load", "unload"):
        for name in (NAME, "none", "..", "..%2f..%2ftmp", "%2Fetc", "a" * 5000, "x%00"):
            assert server.http.post(f"/v2/repository/models/{name}/{verb}").status_code == 404
            assert server.http.get(f"/v2/repository/models/{name}/{verb}").status_code == 404
    assert server.http.post("/v2/repository/index").status_code == 404
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        for call, request in (
            (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name=NAME)),
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name=NAME)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(request)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert list(stub.ServerMetadata(pb.ServerMetadataRequest()).extensions) == ["binary_tensor_data"]
        assert stub.ServerReady(pb.ServerReadyRequest()).ready
        assert stub.ModelReady(pb.ModelReadyRequest(name=NAME)).ready
    assert server.predict([ROW]).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_grpc_listens_where_rest_does(placed: Path, start: Callable[..., Server], free_port: int, host: str):
    server = start(placed, "--grpc_port", str(free_port), "--host", host, **COLD)
    server.http = httpx.Client(base_url=f"http://{host}:{server.http.base_url.port}", trust_env=False)
    server.ready()
    with grpc.insecure_channel(f"{host}:{free_port}") as channel:
        grpc.channel_ready_future(channel).result(30)
    listening = {one.laddr for one in psutil.Process(server.process.pid).connections("tcp") if one.status == psutil.CONN_LISTEN}
    assert {(address.ip.removeprefix("::ffff:"), address.port) for address in listening} == {
        (host, server.http.base_url.port),
        (host, free_port),
    }


def test_requests_at_the_same_time_are_computed_together_and_a_wrong_one_fails_alone(placed: Path, start: Callable[..., Server]):
    server = start(placed).ready()
    wrong = {"month": "June", "distance": [1.0, 2.0], "carrier": 3}
    requests = [ROW | {"distance": float(number)} for number in range(400)]
    for number, (name, value) in enumerate(wrong.items()):
        requests[100 * number + 50] = ROW | {name: value}
    alone = {number: _probability(server.predict([row])) for number, row in enumerate(requests) if number % 97 == 0}
    before = server.samples("penstock_batch_rows_count")[("7", "")]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda row: server.predict([row]), requests))
    failed = {number: answer.json()["error"] for number, answer in enumerate(answers) if answer.status_code != 200}
    assert sorted(failed) == [50, 150, 250]
    assert all(name in error for name, error in zip(wrong, failed.values(), strict=True))
    assert {number: _probability(answers[number]) for number in alone} == pytest.approx(alone)
    assert server.samples("penstock_batch_rows_count")[("7", "")] - before < len(requests)


def _probability(answer: httpx.Response) -> float:
    return answer.json()["predictions"][0][0]


def test_a_number_that_the_type_cannot_hold(placed: Path, start: Callable[..., Server]):
    server = start(placed).ready()
    for month in (2**70, 1e30):
        answer = server.predict([ROW | {"month": month}])
        assert (answer.status_code, answer.json()["error"]) == (400, "feature 'month': a number is out of the range of int64")
    assert server.predict([ROW | {"month": 3.0}]).json() == server.predict([ROW | {"month": 3}]).json()


def test_a_model_that_is_written_to_while_it_is_loaded_is_not_served(placed: Path, start: Callable[..., Server]):
    """Here with the bytes that it has; it is unknown whether others were read in between."""
    server = start(placed, "--fingerprint", fingerprint(placed))
    file, stopped = placed / "saved_model.pb", threading.Event()

    def write() -> None:
        while not stopped.wait(0.01):
            os.utime(file)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert server.process.wait(120) == 1
    finally:
        stopped.set()
        writer.join()
    assert "changed while it was loaded" in server.log.read_text().splitlines()[-1]


def test_the_fingerprint_is_that_of_the_bytes(placed: Path, start: Callable[..., Server]):
    server = start(placed, "--fingerprint", fingerprint(placed), PENSTOCK_MODEL_VERSION="9").ready()
    assert f'fingerprint="{fingerprint(placed)}",model_name="flights",version="9"' in server.http.get("/metrics").text


def test_it_does_not_start_on_another_model_than_it_was_started_for(placed: Path, start: Callable[..., Server]):
    approved = fingerprint(placed)
    (placed.parent / "release.json").unlink()
    _change_weights(placed)
    server = start(placed, "--fingerprint", approved)
    assert server.process.wait(60) == 1
    (last,) = server.log.read_text().strip().splitlines()[-1:]
    assert last.startswith(f"error: cannot serve flights: this server was started for the model {approved[:12]}, but ")
    assert fingerprint(placed)[:12] in last


def test_it_does_not_start_on_another_model_than_the_record_beside_it_speaks_of(placed: Path, start: Callable[..., Server]):
    _change_weights(placed)
    server = start(placed)
    assert server.process.wait(60) == 1
    assert "release.json speaks of the model" in server.log.read_text().strip().splitlines()[-1]


def _change_weights(model: Path) -> None:
    """Changes one bit of a model that loads all the same."""
    (data,) = model.glob("variables/*.data-*")
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)


def test_a_model_without_a_record_is_warmed_up_by_its_signature(saved_models: Path, start: Callable[..., Server]):
    server = start(saved_models / "two_outputs" / "model").ready()
    assert server.predict([ROW]).status_code == 200


@pytest.mark.parametrize("model", ["nowhere", "empty", "file:///nowhere"])
def test_a_model_that_does_not_load_ends_the_server_in_one_line(model: str, tmp_path: Path, start: Callable[..., Server]):
    (tmp_path / "empty").mkdir()
    server = start(model if "://" in model else tmp_path / model)
    assert server.process.wait(60) == 1
    assert server.log.read_text().strip().splitlines()[-1].startswith("error: cannot serve flights: ")


def test_sigterm_drains(placed: Path, start: Callable[..., Server]):
    server = start(placed, "--drain_seconds", "4").ready()
    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.http.get("/v2/health/ready").status_code != 200)
    assert server.http.get("/v2/health/ready").status_code == 503
    answer = server.predict([ROW])
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert server.process.wait(60) == 0


def test_no_request_is_lost_while_it_drains(placed: Path, start: Callable[..., Server]):
    server = start(placed, "--drain_seconds", "4").ready()
    codes: list[int] = []
    stopped = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.http.base_url, trust_env=False, timeout=30) as client:
            while not stopped.is_set():
                codes.append(client.post(f"/v1/models/{NAME}:predict", json={"instances": [ROW]}).status_code)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        until(lambda: len(codes) > 50)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.http.get("/v2/health/ready").status_code == 503)  # what a load balancer asks
        before = len(codes)
        until(lambda: len(codes) > before + 50)
        stopped.set()
        for one in asked:
            one.result(60)
    assert set(codes) == {200}
    assert server.process.wait(60) == 0


def test_vertex(placed: Path, tmp_path: Path, family_environment: dict[str, str], free_port: int):
    variables = {
        "AIP_HTTP_PORT": str(free_port),
        "AIP_HEALTH_ROUTE": "/ping",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
        "AIP_STORAGE_URI": f"file://{placed}",
    }
    server = Server(tmp_path, family_environment | variables, free_port)
    try:
        server.ready("/ping")
        answer = server.predict([ROW], variables["AIP_PREDICT_ROUTE"])
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["predictions"]) == 1
        assert server.predict([{}], variables["AIP_PREDICT_ROUTE"]).status_code == 400
        assert f'fingerprint="{fingerprint(placed)}"' in server.http.get("/metrics").text
    finally:
        assert server.stop() == 0


def test_two_servers_do_not_share_a_grpc_port(placed: Path, start: Callable[..., Server], free_port: int):
    start(placed, "--grpc_port", str(free_port)).ready()
    second = start(placed, "--grpc_port", str(free_port))
    assert second.process.wait(60) == 1
    assert f"cannot listen on port {free_port}" in second.log.read_text()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["serving", "--model_dir", "model"],
        ["serving", "--prediction_log_sample", "0"],
        ["--model_dir", "model", "--fingerprint", "3fa9"],
        *(["--model_dir", "model", "--model_name", name] for name in ("..", "a/b", "/etc", "a@candidate", "a\nb", "", "a" * 129)),
    ],
)
def test_arguments_that_make_no_sense(options: list[str], family_environment: dict[str, str]):
    command = [sys.executable, "-m", "penstock.server", *options]
    done = subprocess.run(command, env=family_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: " in done.stderr


def test_the_prediction_log(placed: Path, tmp_path: Path, start: Callable[..., Server]):
    logged = tmp_path / "log"
    server = start(placed, "--prediction_log", str(logged), "--prediction_log_sample", "1", "--prediction_log_mib", "0.001").ready()
    answers = [server.predict([ROW | {"distance": float(number)}]).json()["predictions"][0] for number in range(20)]
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
        for name, kind in {"distance": "FP32", "carrier": "BYTES", "month": "INT64"}.items()
    ]
    assert server.http.post("/v2/models/flights/infer", json={"inputs": inputs}).status_code == 200
    answers += server.predict([ROW]).json()["predictions"]
    assert server.predict([{}]).status_code == 400
    assert server.stop() == 0
    files = sorted(logged.glob(f"{NAME}/*/*.jsonl"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))
    assert len(files) > 1
    assert not list(logged.rglob("*.partial"))
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert {path.stat().st_mode & 0o777 for path in (files[0].parent, files[0].parent.parent)} == {0o750}
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [*answers, answers[-1]]
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["fingerprint"] for row in rows} == {fingerprint(placed)}
    assert rows[-1]["instance"] == ROW


def test_a_row_s_id_is_returned_and_logged(placed: Path, tmp_path: Path, start: Callable[..., Server], free_port: int):
    """By the key that the client gives, which the model does not see, or else by an id that the answer has; over every protocol."""
    logged = tmp_path / "log"
    options = ["--prediction_log", str(logged), "--prediction_log_sample", "1", "--prediction_log_key", "flight"]
    server = start(placed, *options, "--grpc_port", str(free_port)).ready()
    keys = ["UA 7", 8, None, ["9"]]
    first = server.predict([ROW | ({"flight": key} if key else {}) for key in keys])
    expected = ["UA 7", "8", f"{first.headers[REQUEST_ID]}/2", "9"]

    second = server.http.post(V2, json=v2(ROW))
    assert second.headers[REQUEST_ID] == second.json()["id"]
    named = v2(ROW, ROW)
    named["inputs"].append({"name": "flight", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]})
    third = server.http.post(V2, json=named | {"id": "mine"})
    assert third.json()["id"] == "mine"
    expected += [f"{second.headers[REQUEST_ID]}/0", "a", "b"]

    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "test", "content-type": "application/json"}
    fourth = server.http.post(V1, json={"instances": [ROW]}, headers=event)
    expected.append(f"{fourth.headers[REQUEST_ID]}/0")

    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        columns = {name: [value] for name, value in ROW.items()}
        answer, call = GRPCInferenceServiceStub(channel).ModelInfer.with_call(_infer(columns))
    assert dict(call.trailing_metadata())[REQUEST_ID] == answer.id
    expected.append(f"{answer.id}/0")

    assert server.stop() == 0
    rows = [json.loads(line) for path in logged.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == expected
    assert [row["instance"] for row in rows] == [ROW] * len(expected)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"instances": [ROW | {"flight": 1.5}]}, "'flight', the key of each row, must be text or a whole number, not 1.5"),
        ({"instances": [ROW | {"flight": True}]}, "must be text or a whole number, not True"),
        ({"instances": [ROW | {"flight": ""}]}, "must be text or a whole number, not ''"),
        ({"instances": [ROW | {"flight": ["a", "b"]}]}, "must be text or a whole number, not ['a', 'b']"),
        ({"instances": [ROW | {"other": 1}]}, "unknown feature in instance 0: other"),
        (("BYTES", [2], ["a", "b"]), "'flight', the key of each row, must have the shape [1], not [2]"),
        (("FP32", [1], [1.5]), "must be text or a whole number, not 1.5"),
        (("BYTES", [1], [{"b64": "/w=="}]), "must be text or a whole number, not b'\\xff'"),
    ],
)
def test_a_key_that_is_none_is_refused(body: Any, refusal: str, keyed: Server):
    if isinstance(body, tuple):
        kind, shape, data = body
        request = v2(ROW)
        request["inputs"].append({"name": "flight", "shape": shape, "datatype": kind, "data": data})
        answer = keyed.http.post(V2, json=request)
    else:
        answer = keyed.http.post(V1, json=body)
    assert answer.status_code == 400
    assert refusal in answer.json()["error"]


@pytest.fixture(scope="module")
def keyed(
    saved_models: Path, tmp_path_factory: pytest.TempPathFactory, family_environment: dict[str, str], free_ports: Callable[[], int]
) -> Iterator[Server]:
    """A server that takes keys out of requests, and keeps no log."""
    model, folder = saved_models / "first" / "model", tmp_path_factory.mktemp("keyed")
    with serving(model, folder, family_environment, free_ports, "--prediction_log_key", "flight") as server:
        yield server


def test_all_rows_of_an_id_are_logged_or_none(placed: Path, tmp_path: Path, start: Callable[..., Server]):
    logged = tmp_path / "log"
    server = start(placed, "--prediction_log", str(logged), "--prediction_log_sample", "0.3", "--prediction_log_key", "flight").ready()
    for _ in range(2):
        assert server.predict([ROW | {"flight": number} for number in range(1000)]).status_code == 200
    unnamed = [server.predict([ROW, ROW]).headers[REQUEST_ID] for _ in range(40)]
    assert server.stop() == 0
    ids = Counter(json.loads(line)["id"] for path in logged.rglob("*.jsonl") for line in path.read_text().splitlines())
    keys = {identity for identity in ids if "/" not in identity}
    assert 250 < len(keys) < 350
    assert {ids[key] for key in keys} == {2}
    kept = {identity.split("/")[0] for identity in ids.keys() - keys}
    assert 0 < len(kept) < 30
    assert kept < set(unnamed)
    assert all(ids[f"{request}/{row}"] == 1 for request in kept for row in range(2))


def test_a_prediction_log_that_cannot_be_written_fails_no_answer(placed: Path, tmp_path: Path, start: Callable[..., Server]):
    (tmp_path / "file").write_text("")
    server = start(placed, "--prediction_log", str(tmp_path / "file" / "log"), "--prediction_log_sample", "1").ready()
    assert server.predict([ROW]).status_code == 200
    assert server.stop() == 0
    assert "cannot write the prediction log" in server.log.read_text()
