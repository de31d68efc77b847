"""TensorFlow Serving's own gRPC protocol, through the stubs that it publishes."""

from typing import Any

import grpc
import httpx
import numpy as np

from .clients import MODEL, called, get_json
from .tensors import InputSpec, to_arrays, to_predictions


class PredictionServiceClient:
    """`tensorflow.serving.PredictionService.Predict`."""

    def __init__(self, channel: grpc.aio.Channel, specs: list[InputSpec]) -> None:
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

        self._call = PredictionServiceStub(channel).Predict
        self._specs = specs

    def encode(self, instances: list[Any]) -> Any:
        """Makes a `PredictRequest`."""
        import tensorflow as tf
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = PredictRequest()
        request.model_spec.name = MODEL
        for name, values in to_arrays(instances, self._specs).items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        return request

    async def send(self, request: Any) -> Any:
        """Calls `Predict`."""
        return await called(self._call, request)

    def decode(self, answer: Any) -> list[Any]:
        """Reads the predictions from a `PredictResponse`."""
        import tensorflow as tf

        return to_predictions({name: tf.make_ndarray(tensor) for name, tensor in sorted(answer.outputs.items())})


async def serving_default_inputs(http: httpx.AsyncClient) -> list[InputSpec]:
    """Asks for the inputs of `serving_default`, as TensorFlow Serving's REST API describes them."""
    import tensorflow as tf
    from tensorflow.core.framework.types_pb2 import DataType

    described = await get_json(http, f"/v1/models/{MODEL}/metadata")
    inputs = described["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    return [
        InputSpec(name, np.dtype(tf.dtypes.as_dtype(DataType.Value(given["dtype"])).as_numpy_dtype), len(given["tensor_shape"]["dim"]))
        for name, given in inputs.items()
    ]
