"""V2 requests over REST whose tensors follow the JSON as bytes: the binary tensor data extension.

KServe's own reader makes text of such bytes, and fails where they are none, as serialized tf.Examples.
"""

import itertools

import orjson
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import RequestedOutput


def read_binary_request(body: bytes, json_length: int, model_name: str) -> InferRequest:
    """Reads a request; one with values in its JSON is left to KServe's reader.

    Args:
        body: The JSON, and after it the tensors' bytes.
        json_length: Where the JSON ends: the header `Inference-Header-Content-Length`.
        model_name: The model that is asked.

    Raises:
        InvalidInput: It is malformed.
    """
    try:
        head = orjson.loads(body[:json_length])
        inputs, outputs = head["inputs"], head.get("outputs") or []
        if any("data" in given for given in inputs):
            return InferRequest.from_bytes(body, json_length, model_name)
        ends = list(itertools.accumulate((given["parameters"]["binary_data_size"] for given in inputs), initial=json_length))
        return InferRequest(
            model_name,
            [InferInput(given["name"], given["shape"], given["datatype"], parameters=given["parameters"]) for given in inputs],
            request_id=head.get("id"),
            raw_inputs=[body[start:end] for start, end in itertools.pairwise(ends)],
            parameters=head.get("parameters"),
            request_outputs=[RequestedOutput(asked["name"], asked.get("parameters")) for asked in outputs] or None,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"the binary request cannot be read: {error!r:.200}") from error
