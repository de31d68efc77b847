"""A stand-in for TensorFlow Serving, whose binary no package index has: its command line, REST API and gRPC, one model."""

import argparse
import base64
import json
import os
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Model:
    """The highest version below a folder."""

    def __init__(self, name: str, base_path: Path, bias: float, answers: int) -> None:
        self.name = name
        self.bias = bias
        self.answers = answers
        version = max(base_path.iterdir(), key=lambda path: int(path.name))
        self.version = version.name
        self.error = ""
        try:
            self._loaded = tf.saved_model.load(str(version))
            self.function = self._loaded.signatures["serving_default"]
        except (OSError, KeyError) as error:
            self.error = f"Loading servable failed: {error}".splitlines()[0]

    def status(self) -> dict[str, Any]:
        state = {"error_code": "UNKNOWN" if self.error else "OK", "error_message": self.error}
        return {"model_version_status": [{"version": self.version, "state": "END" if self.error else "AVAILABLE", "status": state}]}

    @property
    def inputs(self) -> dict[str, tf.TensorSpec]:
        return self.function.structured_input_signature[1]

    def metadata(self) -> dict[str, Any]:
        inputs = {
            name: {
                "dtype": f"DT_{ {'float32': 'FLOAT', 'string': 'STRING', 'int64': 'INT64'}[spec.dtype.name] }",
                "tensor_shape": {"dim": [{"size": str(size or -1), "name": ""} for size in spec.shape], "unknown_rank": False},
                "name": f"serving_default_{name}:0",
            }
            for name, spec in self.inputs.items()
        }
        return {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": inputs}}}}}

    def predict(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [row if set(row) == set(self.inputs) else {next(iter(self.inputs)): row} for row in body["instances"]]
        answers = self({name: tf.constant([_plain(row[name]) for row in rows], spec.dtype) for name, spec in self.inputs.items()})
        columns = {name: [v.decode() if isinstance(v, bytes) else v for v in value.numpy().tolist()] for name, value in answers.items()}
        if len(columns) == 1:
            return {"predictions": next(iter(columns.values()))}
        return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}

    def __call__(self, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        self.answers -= 1
        if self.answers < 0:
            os._exit(9)
        answers = self.function(**tensors)
        return {name: value + self.bias if value.dtype.is_floating else value for name, value in answers.items()}


def _plain(value: Any) -> Any:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Its gRPC."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> predict_pb2.PredictResponse:
        assert request.model_spec.name == self._model.name
        tensors = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in self._model(tensors).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


def handler(model: Model) -> type[BaseHTTPRequestHandler]:
    """Its REST API."""
    root = f"/v1/models/{model.name}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one packet, or the client waits for the second

        def do_GET(self) -> None:
            answers = {root: model.status, f"{root}/metadata": model.metadata}
            self._answer(answers[self.path]()) if self.path in answers else self._answer({"error": "not found"}, 404)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(model.predict(body)) if self.path == f"{root}:predict" else self._answer({"error": "not found"}, 404)

        def _answer(self, content: dict[str, Any], code: int = 200) -> None:
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Keeps quiet."""

    return Handler


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_name", required=True)
    parser.add_argument("--model_base_path", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--max_num_load_retries", type=int, default=5)
    parser.add_argument("--test_bias", type=float, default=0.0, help="added to every answer: a server that computes otherwise")
    parser.add_argument("--test_answers", type=int, default=10**9, help="how many requests are answered before it dies")
    arguments = parser.parse_args()
    model = Model(arguments.model_name, arguments.model_base_path, arguments.test_bias, arguments.test_answers)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(model), server)
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", arguments.rest_api_port), handler(model))
    http.daemon_threads = True
    print(f"{time.ctime()} serving", flush=True)
    http.serve_forever()


if __name__ == "__main__":
    main()
