"""google.cloud.aiplatform.v1.PredictionService: each request goes to one of the deployed models' servers, by the traffic split."""

import json

import grpc
import httpx
from google.api.httpbody_pb2 import HttpBody
from google.cloud.aiplatform_v1 import types
from google.protobuf.json_format import MessageToDict

from .errors import ApiError, precondition
from .methods import Methods
from .state import EndpointState, State

# https://cloud.google.com/vertex-ai/docs/quotas: the limit of a public endpoint.
_MOST_BYTES = 1_500_000
_ANSWER_SECONDS = 60.0


class PredictionService:
    """Predictions through endpoints."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._client = httpx.Client(trust_env=False, timeout=_ANSWER_SECONDS)
        self.methods: Methods = {"Predict": (self.predict, types.PredictRequest), "RawPredict": (self.raw_predict, types.RawPredictRequest)}

    def predict(self, request: types.PredictRequest, _: grpc.ServicerContext | None = None) -> types.PredictResponse:
        """Answers Predict."""
        message = types.PredictRequest.pb(request)
        body = {"instances": [MessageToDict(value) for value in message.instances]}
        if message.HasField("parameters"):
            body["parameters"] = MessageToDict(message.parameters)
        deployed, answer = self._ask(request.endpoint, json.dumps(body).encode(), "application/json")
        response = types.PredictResponse(
            deployed_model_id=deployed.id,
            model=deployed.model,
            model_version_id=deployed.model_version_id,
            model_display_name=self._state.models[deployed.model.rpartition("/")[2]].common.display_name,
        )
        response.predictions.extend(answer.json()["predictions"])
        return response

    def raw_predict(self, request: types.RawPredictRequest, context: grpc.ServicerContext) -> HttpBody:
        """Answers RawPredict; what has answered stands in the headers."""
        kind = request.http_body.content_type or "application/json"
        deployed, answer = self._ask(request.endpoint, request.http_body.data, kind)
        context.send_initial_metadata(
            [
                ("x-vertex-ai-deployed-model-id", deployed.id),
                ("x-vertex-ai-model", deployed.model),
                ("x-vertex-ai-model-version-id", deployed.model_version_id),
            ]
        )
        return HttpBody(content_type=answer.headers.get("content-type", ""), data=answer.content)

    def close(self) -> None:
        """Ends the connections to the model servers."""
        self._client.close()

    def _ask(self, endpoint_name: str, body: bytes, kind: str) -> tuple[types.DeployedModel, httpx.Response]:
        if len(body) > _MOST_BYTES:
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, f"Request payload size exceeds the limit: {_MOST_BYTES} bytes.")
        with self._state.lock:
            deployed, url = _choose(self._state.endpoint(endpoint_name, "endpoint"))
        try:
            answer = self._client.post(url, content=body, headers={"content-type": kind})
        except httpx.TransportError as error:
            raise ApiError(grpc.StatusCode.UNAVAILABLE, f"The model server of DeployedModel {deployed.id} cannot be reached.") from error
        if answer.status_code >= 500:
            code = grpc.StatusCode.UNAVAILABLE if answer.status_code == 503 else grpc.StatusCode.INTERNAL
            raise ApiError(code, answer.text)
        if answer.status_code >= 400:
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, answer.text)
        return deployed, answer


def _choose(endpoint: EndpointState) -> tuple[types.DeployedModel, str]:
    """Chooses by smooth weighted round-robin: of any 100 requests in a row, each model gets exactly its share, well spread."""
    split = {key: share for key, share in endpoint.message.traffic_split.items() if share}
    if not split:
        raise precondition(f"Endpoint {endpoint.message.name} doesn't have traffic_split.")
    endpoint.credits = {key: endpoint.credits.get(key, 0) + share for key, share in split.items()}
    chosen = max(sorted(split), key=endpoint.credits.__getitem__)
    endpoint.credits[chosen] -= 100
    deployed = next(item for item in endpoint.message.deployed_models if item.id == chosen)
    return types.DeployedModel(deployed), endpoint.servers[chosen]
