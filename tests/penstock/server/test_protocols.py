"""The protocols field by field: what a client asks for is done as they say, or refused in words."""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
import tensorflow as tf
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from .processes import NAME, V1, V2, Server, serving

JSON_LENGTH = "Inference-Header-Content-Length"
NO_TEXT = b"\x80\xff\x00"
SPECS = {"s": tf.TensorSpec([None], tf.string), "x": tf.TensorSpec([None], tf.float32), "n": tf.TensorSpec([None], tf.int64)}


def outputs(s: tf.Tensor, x: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
    return {
        "up": tf.strings.upper(s),
        "raw": tf.where(tf.equal(s, "raw"), NO_TEXT, s),
        "up_bytes": tf.strings.upper(s),
        "inverse": 1.0 / x,
        "same": n,
        "half": tf.cast(x, tf.float16),
        "brain": tf.cast(x, tf.bfloat16),
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, family_environment: dict[str, str], free_ports: Callable[[], int]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("protocols")
    functions = {"serving_default": outputs, "embed": lambda s, x, n: {"e": x * 100.0}}
    signatures = {name: tf.function(function).get_concrete_function(**SPECS) for name, function in functions.items()}
    tf.saved_model.save(tf.Module(), str(folder / "model"), signatures)
    with serving(folder / "model", folder, family_environment, free_ports) as server:
        yield server


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


ROW = {"s": "a", "x": 2.0, "n": 3}


def ask_v1(server: Server, *rows: dict[str, Any], **more: Any) -> tuple[int, Any]:
    answer = server.http.post(V1, json={"instances": rows or [ROW], **more})
    return answer.status_code, answer.json()


def tensors(**columns: list[Any]) -> list[dict[str, Any]]:
    types = {"s": "BYTES", "x": "FP32", "n": "INT64"}
    given = {name: [value] for name, value in ROW.items()} | columns
    return [{"name": name, "shape": [len(values)], "datatype": types[name], "data": values} for name, values in given.items()]


def ask_v2(server: Server, path: str = V2, **body: Any) -> httpx.Response:
    return server.http.post(path, json={"inputs": tensors()} | body)


def read_v2(answer: httpx.Response) -> dict[str, Any]:
    """Reads each output of an answer: its values, or its bytes."""
    assert answer.status_code == 200, answer.text
    end = int(answer.headers.get(JSON_LENGTH, len(answer.content)))
    found, head = {}, json.loads(answer.content[:end])
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        assert (size is None) == ("data" in output)
        found[output["name"]] = output["data"] if size is None else answer.content[end : end + size]
        end += size or 0
    assert end == len(answer.content)
    return found


# V1


@pytest.mark.parametrize("name", ["", "serving_default"])
def test_v1_signature_that_is_served(server: Server, name: str):
    assert ask_v1(server, signature_name=name)[0] == 200


@pytest.mark.parametrize("name", ["embed", "nonsense", None, 7, ["serving_default"], {"a": 1}])
def test_v1_signature_that_is_not(server: Server, name: Any):
    status, output = ask_v1(server, signature_name=name)
    assert (status, "uses only 'serving_default'" in output["error"]) == (400, True)


def test_v1_columns_are_refused(server: Server):
    for more in ({}, {"instances": [ROW]}):
        answer = server.http.post(V1, json={"inputs": {"s": ["a"], "x": [1.0], "n": [1]}} | more)
        assert (answer.status_code, answer.json()["error"][:8]) == (400, '"inputs"')


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": 1e300}, "feature 'x': a number is out of the range of float32"),
        ({"x": -(10**60)}, "feature 'x': a number is out of the range of float32"),
        ({"x": [1e39]}, "feature 'x': a number is out of the range of float32"),
        ({"n": 2**63}, "feature 'n': a number is out of the range of int64"),
        ({"n": [2**63]}, "feature 'n': a number is out of the range of int64"),
        ({"n": 1e19}, "feature 'n': a number is out of the range of int64"),
        ({"n": 2.0**53}, "is an ambiguous integer"),
        ({"n": -(2**63) - 1}, "is an ambiguous integer"),
        ({"x": 0.0}, "output 'inverse' is infinite, which JSON cannot represent"),
    ],
)
def test_v1_numbers_that_would_change(server: Server, changes: dict[str, Any], message: str):
    status, output = ask_v1(server, ROW | changes)
    assert (status, message in output["error"]) == (400, True), output


def test_v1_whole_numbers_are_exact_whatever_comes_beside_them(server: Server):
    numbers = [2**53 + 1, 1.0, -(2**63), 2**63 - 1]
    status, output = ask_v1(server, *({**ROW, "n": number} for number in numbers))
    assert (status, [row["same"] for row in output["predictions"]]) == (200, numbers)


def test_v1_bytes(server: Server):
    for text, given in ((b"abc", "abc"), (b"abc", {"b64": "YWJj"}), (b"raw", "raw")):
        (prediction,) = ask_v1(server, ROW | {"s": given})[1]["predictions"]
        assert prediction["up"] == text.upper().decode()
        assert prediction["up_bytes"] == {"b64": base64.b64encode(text.upper()).decode()}, "TensorFlow Serving's rule for names"
        assert prediction["raw"] == ({"b64": base64.b64encode(NO_TEXT).decode()} if text == b"raw" else text.decode())


def test_v1_nan_is_null_both_ways(server: Server):
    (prediction,) = ask_v1(server, ROW | {"x": None})[1]["predictions"]
    assert (prediction["inverse"], prediction["half"], prediction["brain"]) == (None, None, None)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_v1_tokens_that_are_no_json(server: Server, token: str):
    answer = server.http.post(V1, content=f'{{"instances": [{{"s": "a", "x": {token}, "n": 1}}]}}')
    assert (answer.status_code, "is not JSON" in answer.json()["error"]) == (400, True)


# V2 over REST


def test_v2_outputs_that_are_asked_for(server: Server):
    assert read_v2(ask_v2(server, outputs=[{"name": "same"}, {"name": "up"}])) == {"same": [3], "up": ["A"]}
    assert list(read_v2(ask_v2(server, outputs=[{"name": "up"}, {"name": "same"}]))) == ["up", "same"]


def test_v2_outputs_as_bytes(server: Server):
    text, number = struct.pack("<I", 1) + b"A", struct.pack("<q", 3)
    chosen = [
        {"name": "up"},
        {"name": "same", "parameters": {"binary_data": True}},
        {"name": "inverse", "parameters": {"binary_data": False}},
    ]
    assert read_v2(ask_v2(server, outputs=chosen)) == {"up": ["A"], "same": number, "inverse": [0.5]}
    for asked in (True, False):
        found = read_v2(ask_v2(server, outputs=chosen, parameters={"binary_data_output": asked}))
        assert found == {"up": text if asked else ["A"], "same": number, "inverse": [0.5]}, "an output's own parameter counts for more"


def test_v2_all_outputs_as_bytes_hold_what_json_does_not(server: Server):
    wanted = [{"name": name} for name in ("raw", "half", "inverse")]
    answer = ask_v2(server, inputs=tensors(s=["raw"], x=[0.0]), outputs=wanted, parameters={"binary_data_output": True})
    assert read_v2(answer) == {"raw": struct.pack("<I", 3) + NO_TEXT, "half": b"\0\0", "inverse": struct.pack("<f", float("inf"))}
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": [{"name": "nope"}]}, "unknown output: nope; the model has brain, half, inverse"),
        ({"outputs": [{"name": "up"}, {"name": "up"}]}, "an output is requested twice"),
        ({"outputs": [{}]}, "outputs.0.name"),
        ({"outputs": ["up"]}, "outputs.0"),
        ({"outputs": [{"name": "up", "parameters": {"binary_data": "yes"}}]}, "binary_data must be true or false"),
        ({"parameters": {"binary_data_output": 1}}, "binary_data_output must be true or false"),
        ({"parameters": {"nested": {"a": 1}}}, "parameters.nested"),
        ({"outputs": [{"name": "half"}]}, "output 'half' is FP16, which V2 supports only as binary data"),
        ({"outputs": [{"name": "brain"}]}, "output 'brain' is bfloat16, for which V2 has no datatype"),
        ({"outputs": [{"name": "raw"}], "inputs": tensors(s=["raw"])}, "output 'raw' is not text, and JSON cannot represent other bytes"),
        ({"outputs": [{"name": "inverse"}], "inputs": tensors(x=[0.0])}, "output 'inverse' is infinite"),
        ({"inputs": tensors(x=[1e300])}, "a number is out of the range of float32"),
        ({"inputs": tensors(s=[5])}, "feature 's' must be a string, not 5"),
        ({"inputs": tensors(s=["a", "b"], x=[1.0], n=[1])}, "the features differ in their number of rows"),
        ({"inputs": tensors(s=[], x=[], n=[])}, "at least one row"),
        ({"inputs": []}, "missing feature: n, s, x"),
        ({"inputs": [*tensors(), {"name": "y", "shape": [1], "datatype": "FP32", "data": [1]}]}, "unknown feature: y"),
        ({"inputs": tensors() + tensors()}, "occurs twice"),
        ({"id": 5}, "id"),
    ],
)
def test_v2_requests_that_are_refused(server: Server, changes: dict[str, Any], message: str):
    answer = ask_v2(server, **changes)
    assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text


@pytest.mark.parametrize("identity", ["mine", "", "é\n"])
def test_v2_gives_the_id_back(server: Server, identity: str):
    assert ask_v2(server, id=identity, outputs=[{"name": "up"}]).json()["id"] == identity


def test_v2_whole_numbers_are_exact(server: Server):
    numbers = [2**53 + 1, -(2**63), 2**63 - 1]
    inputs = tensors(n=numbers, s=["a"] * 3, x=[1.0] * 3)
    assert read_v2(ask_v2(server, inputs=inputs, outputs=[{"name": "same"}])) == {"same": numbers}


def test_v2_metadata(server: Server):
    about = server.http.get(f"/v2/models/{NAME}").json()
    (version,) = about["versions"]
    types = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in about["inputs"] + about["outputs"]}
    assert types["n"] == ("INT64", [-1])
    assert (types["half"][0], types["brain"][0], types["up"][0]) == ("FP16", "BFLOAT16", "BYTES")
    assert server.http.get(f"/v2/models/{NAME}/versions/{version}").json() == about
    assert server.http.get(f"/v2/models/{NAME}/versions/{version}/ready").json() == {"name": NAME, "ready": True}
    assert server.http.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in (f"/v2/models/{NAME}/versions/none", f"/v2/models/{NAME}/versions/none/ready", "/v2/models/none", "/v2/models/none/ready"):
        answer = server.http.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path


def test_a_version_that_is_asked_for(server: Server):
    version = server.http.get(f"/v2/models/{NAME}").json()["versions"][0]
    wanted = [{"name": "up"}]
    assert ask_v2(server, f"/v2/models/{NAME}/versions/{version}/infer", outputs=wanted).json()["model_version"] == version
    assert server.http.post(f"/v1/models/{NAME}/versions/{version}:predict", json={"instances": [ROW]}).status_code == 200
    refused = [
        ask_v2(server, f"/v2/models/{NAME}/versions/none/infer"),
        server.http.post(f"/v1/models/{NAME}/versions/none:predict", json={"instances": [ROW]}),
        server.http.post("/v1/models/none:predict", json={"instances": [ROW]}),
    ]
    assert [answer.status_code for answer in refused] == [404] * 3
    assert refused[0].json() == refused[1].json() == {"error": f"Model with name {NAME}, version none does not exist."}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v3"), ("PUT", V2), ("POST", f"/v1/models/{NAME}:classify")])
def test_what_is_not_there_is_an_error_object(server: Server, method: str, path: str):
    answer = server.http.request(method, path)
    assert answer.status_code in (404, 405)
    assert list(answer.json()) == ["error"]


# V2 over gRPC


def message(raw: bool = False, **more: Any) -> pb.ModelInferRequest:
    tensor, contents = pb.ModelInferRequest.InferInputTensor, pb.InferTensorContents
    given = [
        ("s", "BYTES", contents(bytes_contents=[b"raw"]), struct.pack("<I", 3) + b"raw"),
        ("x", "FP32", contents(fp32_contents=[0.0]), struct.pack("<f", 0.0)),
        ("n", "INT64", contents(int64_contents=[2**53 + 1]), struct.pack("<q", 2**53 + 1)),
    ]
    inputs = [tensor(name=name, datatype=kind, shape=[1], contents=None if raw else values) for name, kind, values, _ in given]
    return pb.ModelInferRequest(
        **{"model_name": NAME, "inputs": inputs, "raw_input_contents": [one[3] for one in given] if raw else []} | more
    )


def requested(*names: str) -> list[pb.ModelInferRequest.InferRequestedOutputTensor]:
    return [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in names]


def test_grpc_contents(stub: GRPCInferenceServiceStub):
    answer = stub.ModelInfer(message(id="mine", outputs=requested("raw", "inverse", "same")))
    raw, inverse, same = answer.outputs
    assert (list(raw.contents.bytes_contents), list(inverse.contents.fp32_contents)) == ([NO_TEXT], [float("inf")])
    assert (list(same.contents.int64_contents), answer.id, list(answer.raw_output_contents)) == ([2**53 + 1], "mine", [])


def test_grpc_raw_contents(stub: GRPCInferenceServiceStub):
    answer = stub.ModelInfer(message(raw=True, outputs=requested("same", "raw")))
    assert list(answer.raw_output_contents) == [struct.pack("<q", 2**53 + 1), struct.pack("<I", 3) + NO_TEXT]
    assert not any(output.HasField("contents") for output in answer.outputs)
    halves = stub.ModelInfer(message(outputs=requested("half", "same")))
    assert list(halves.raw_output_contents) == [b"\0\0", struct.pack("<q", 2**53 + 1)], "FP16 has no contents"


def wrong_field() -> pb.ModelInferRequest:
    request = message()
    request.inputs[1].contents.CopyFrom(pb.InferTensorContents(fp32_contents=[1.0], int64_contents=[1]))
    return request


def raw_beside_contents() -> pb.ModelInferRequest:
    request = message(raw=True)
    request.inputs[0].contents.bytes_contents.append(b"a")
    return request


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (message(model_version="none"), grpc.StatusCode.NOT_FOUND, "version none"),
        (message(model_name="none"), grpc.StatusCode.NOT_FOUND, "none"),
        (message(outputs=requested("nope")), grpc.StatusCode.INVALID_ARGUMENT, "unknown output: nope"),
        (message(outputs=requested("up", "up")), grpc.StatusCode.INVALID_ARGUMENT, "requested twice"),
        (message(outputs=requested("brain")), grpc.StatusCode.INVALID_ARGUMENT, "no datatype"),
        (wrong_field(), grpc.StatusCode.INVALID_ARGUMENT, "has int64_contents, which do not belong to 'FP32'"),
        (raw_beside_contents(), grpc.StatusCode.INVALID_ARGUMENT, "contents field must not be specified"),
        (message(raw=True, raw_input_contents=[b""] * 2), grpc.StatusCode.INVALID_ARGUMENT, "number of inputs"),
        (message(raw=True, raw_input_contents=[b"\3\0\0\0ra", b"\0" * 4, b"\0" * 8]), grpc.StatusCode.INVALID_ARGUMENT, "not BYTES"),
        (message(raw=True, raw_input_contents=[b"\0" * 4, b"\0" * 3, b"\0" * 8]), grpc.StatusCode.INVALID_ARGUMENT, "not FP32"),
    ],
)
def test_grpc_requests_that_are_refused(stub: GRPCInferenceServiceStub, request_: Any, code: grpc.StatusCode, words: str):
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request_)
    assert refused.value.code() == code
    assert words in refused.value.details()


def test_grpc_versions(server: Server, stub: GRPCInferenceServiceStub):
    version = server.http.get(f"/v2/models/{NAME}").json()["versions"][0]
    assert list(stub.ModelMetadata(pb.ModelMetadataRequest(name=NAME)).versions) == [version]
    assert stub.ModelReady(pb.ModelReadyRequest(name=NAME, version=version)).ready
    assert stub.ModelInfer(message(model_version=version, outputs=requested("up"))).model_version == version
    for call, asked in ((stub.ModelReady, pb.ModelReadyRequest), (stub.ModelMetadata, pb.ModelMetadataRequest)):
        with pytest.raises(grpc.RpcError) as refused:
            call(asked(name=NAME, version="none"))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_none_of_it_is_the_servers_fault(server: Server):
    samples = server.samples("penstock_requests_total")
    assert {count for key, count in samples.items() if key[1] == "500"} == {0}
    assert "Traceback" not in server.log.read_text()
