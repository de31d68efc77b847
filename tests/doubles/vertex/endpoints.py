"""google.cloud.aiplatform.v1.EndpointService."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1 import types
from google.protobuf.empty_pb2 import Empty

from . import fields
from .errors import ApiError, already_exists, invalid, not_found, precondition, stale_etag
from .lists import page
from .machines import check_quotas, check_resources
from .methods import Methods
from .operations import Operations
from .state import EndpointState, State

_UPDATABLE = ("display_name", "description", "labels", "traffic_split")
_MUTABLE = tuple(
    f"dedicated_resources.{name}"
    for name in ("min_replica_count", "max_replica_count", "required_replica_count", "autoscaling_metric_specs")
)
# The model that a DeployModel call brings, in its traffic split.
_INCOMING = "0"
_SERVICE_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class EndpointService:
    """The endpoints.

    Attributes:
        quotas: The most that all deployments together may use, by metric such as `custom_model_serving_cpus`; no limit where it is not named.
        start_server: Starts a server for a model's artifact, which its container expects to have a fingerprint or none, and gives the URL
            that answers V1 predictions.
    """

    def __init__(self, state: State, operations: Operations, start_server: Callable[[Path, str], str]) -> None:
        self.quotas: dict[str, int] = {}
        self.start_server = start_server
        self._state = state
        self._operations = operations
        self.methods: Methods = {
            "CreateEndpoint": (self.create, types.CreateEndpointRequest),
            "GetEndpoint": (self.get, types.GetEndpointRequest),
            "ListEndpoints": (self.list, types.ListEndpointsRequest),
            "UpdateEndpoint": (self.update, types.UpdateEndpointRequest),
            "DeleteEndpoint": (self.delete, types.DeleteEndpointRequest),
            "DeployModel": (self.deploy, types.DeployModelRequest),
            "UndeployModel": (self.undeploy, types.UndeployModelRequest),
            "MutateDeployedModel": (self.mutate, types.MutateDeployedModelRequest),
        }

    def create(self, request: types.CreateEndpointRequest) -> Any:
        """Answers CreateEndpoint."""
        self._state.names.check_parent(request.parent)
        given = request.endpoint
        fields.check_display_name(given.display_name, "endpoint.display_name")
        fields.check_labels(given.labels, "endpoint.labels")
        fields.check_traffic_split(given.traffic_split, (), "endpoint.traffic_split")
        if given.dedicated_endpoint_enabled:  # it answers only at a name of its own, over REST
            raise ApiError(grpc.StatusCode.UNIMPLEMENTED, "this stand-in has no dedicated endpoints")
        if request.endpoint_id:
            fields.check_endpoint_id(request.endpoint_id)
        key = request.endpoint_id or self._state.new_number()
        name = self._state.names.full("endpoints", key)
        if key in self._state.endpoints:
            raise already_exists("Endpoint", name)

        def add() -> types.Endpoint:
            with self._state.lock:
                if key in self._state.endpoints:
                    raise already_exists("Endpoint", name)
                endpoint = types.Endpoint(given)
                endpoint.name, endpoint.deployed_models, endpoint.create_time = name, [], self._state.now()
                self._state.endpoints[key] = EndpointState(endpoint)
                self._state.touch(self._state.endpoints[key])
                return types.Endpoint(endpoint)

        return self._operations.begin("CreateEndpoint", request, name, types.CreateEndpointOperationMetadata(), add)

    def get(self, request: types.GetEndpointRequest) -> types.Endpoint:
        """Answers GetEndpoint."""
        return types.Endpoint(self._state.endpoint(request.name, "name").message)

    def list(self, request: types.ListEndpointsRequest) -> types.ListEndpointsResponse:
        """Answers ListEndpoints, the latest first."""
        self._state.names.check_parent(request.parent)
        endpoints = sorted((state.message for state in self._state.endpoints.values()), key=lambda item: item.create_time, reverse=True)
        readers = {"endpoint": lambda item: item.name.rpartition("/")[2], "display_name": lambda item: item.display_name}
        found, token = page(endpoints, request, readers)
        return types.ListEndpointsResponse(endpoints=found, next_page_token=token)

    def update(self, request: types.UpdateEndpointRequest) -> types.Endpoint:
        """Answers UpdateEndpoint: with an etag only if nothing was changed since it was read, without one at any rate."""
        endpoint = self._state.endpoint(request.endpoint.name, "endpoint.name")
        given = request.endpoint
        paths = fields.check_mask(request.update_mask.paths, _UPDATABLE)
        if given.etag and given.etag != endpoint.message.etag:
            raise stale_etag(given.etag)
        fields.check_display_name(given.display_name, "endpoint.display_name", required="display_name" in paths)
        fields.check_labels(given.labels, "endpoint.labels")
        if "traffic_split" in paths:
            fields.check_traffic_split(given.traffic_split, _deployed(endpoint), "endpoint.traffic_split")
        for path in paths:
            setattr(endpoint.message, path, getattr(given, path))
        self._state.touch(endpoint)
        return types.Endpoint(endpoint.message)

    def delete(self, request: types.DeleteEndpointRequest) -> Any:
        """Answers DeleteEndpoint."""
        endpoint = self._state.endpoint(request.name, "name")
        name = endpoint.message.name
        self._operations.check_none_runs(name)
        if deployed := _deployed(endpoint):
            raise precondition(f'The Endpoint "{name}" has deployed or being-deployed DeployedModel(s): {", ".join(deployed)}.')

        def remove() -> Empty:
            with self._state.lock:
                self._state.endpoints.pop(name.rpartition("/")[2], None)
            return Empty()

        return self._operations.begin("DeleteEndpoint", request, name, types.DeleteOperationMetadata(), remove)

    def deploy(self, request: types.DeployModelRequest) -> Any:
        """Answers DeployModel: starts a model server, which answers once it is ready."""
        endpoint = self._state.endpoint(request.endpoint, "endpoint")
        name = endpoint.message.name
        self._operations.check_none_runs(name)
        deployed, artifact, expected = self._check_deployed_model(endpoint, request.deployed_model)
        fields.check_traffic_split(request.traffic_split, [*_deployed(endpoint), _INCOMING])
        running = [item.dedicated_resources for state in self._state.endpoints.values() for item in state.message.deployed_models]
        check_quotas(self.quotas, [*running, deployed.dedicated_resources])
        split = {deployed.id if key == _INCOMING else key: share for key, share in request.traffic_split.items()}

        def add() -> types.DeployModelResponse:
            url = self._start(artifact, expected)
            with self._state.lock:
                deployed.create_time = self._state.now()
                endpoint.message.deployed_models.append(deployed)
                endpoint.servers[deployed.id] = url
                if split:
                    endpoint.message.traffic_split = split
                self._state.touch(endpoint)
            return types.DeployModelResponse(deployed_model=deployed)

        return self._operations.begin("DeployModel", request, name, types.DeployModelOperationMetadata(), add)

    def undeploy(self, request: types.UndeployModelRequest) -> Any:
        """Answers UndeployModel."""
        endpoint = self._state.endpoint(request.endpoint, "endpoint")
        name, key = endpoint.message.name, request.deployed_model_id
        self._operations.check_none_runs(name)
        others = [other for other in _deployed(endpoint) if other != key]
        self._find(endpoint, key)
        fields.check_traffic_split(request.traffic_split, [*others, key])
        split = dict(request.traffic_split) or dict(endpoint.message.traffic_split)
        if others and split.get(key):
            raise precondition(
                f"DeployedModel {key} of Endpoint {name} has {split[key]}% of the traffic; give it a traffic split without it."
            )

        def remove() -> types.UndeployModelResponse:
            with self._state.lock:
                left = dict(request.traffic_split) or dict(endpoint.message.traffic_split)
                left.pop(key, None)
                endpoint.message.deployed_models = [item for item in endpoint.message.deployed_models if item.id != key]
                endpoint.message.traffic_split = left if endpoint.message.deployed_models else {}
                endpoint.servers.pop(key, None)
                self._state.touch(endpoint)
            return types.UndeployModelResponse()

        return self._operations.begin("UndeployModel", request, name, types.UndeployModelOperationMetadata(), remove)

    def mutate(self, request: types.MutateDeployedModelRequest) -> Any:
        """Answers MutateDeployedModel: other replicas, of the same deployment."""
        endpoint = self._state.endpoint(request.endpoint, "endpoint")
        self._operations.check_none_runs(endpoint.message.name)
        paths = fields.check_mask(request.update_mask.paths, _MUTABLE)
        changed = types.DeployedModel(self._find(endpoint, request.deployed_model.id))
        for path in paths:
            name = path.partition(".")[2]
            setattr(changed.dedicated_resources, name, getattr(request.deployed_model.dedicated_resources, name))
        check_resources(changed.dedicated_resources)

        def change() -> types.MutateDeployedModelResponse:
            with self._state.lock:
                self._find(endpoint, changed.id).dedicated_resources = changed.dedicated_resources
                self._state.touch(endpoint)
            return types.MutateDeployedModelResponse(deployed_model=changed)

        metadata = types.MutateDeployedModelOperationMetadata()
        return self._operations.begin("MutateDeployedModel", request, endpoint.message.name, metadata, change)

    def _check_deployed_model(self, endpoint: EndpointState, given: types.DeployedModel) -> tuple[types.DeployedModel, Path | None, str]:
        fields.required(given.model, "deployed_model.model")
        model, version = self._state.model(given.model, "deployed_model.model")
        kind = types.DeployedModel.pb(given).WhichOneof("prediction_resources")
        if kind is None:
            raise invalid("deployed_model.prediction_resources", "Required field is not set.")
        if kind != "dedicated_resources":
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, f"'{kind}' is not supported for Model {model.common.name}@{version}.")
        deployed = types.DeployedModel(given)
        check_resources(deployed.dedicated_resources)
        fields.check_display_name(given.display_name, "deployed_model.display_name", required=False)
        if given.service_account and not _SERVICE_ACCOUNT.fullmatch(given.service_account):
            raise invalid("deployed_model.service_account", f"'{given.service_account}' is no email address of a service account.")
        if given.id and not re.fullmatch(r"[0-9]{1,10}", given.id):
            raise invalid("deployed_model.id", "should be 1-10 characters, and valid characters are /[0-9]/.")
        if given.id in endpoint.servers:
            raise already_exists("DeployedModel", given.id)
        deployed.id = given.id or self._state.new_number()
        deployed.model, deployed.model_version_id = model.common.name, version
        deployed.display_name = given.display_name or model.common.display_name
        return deployed, model.artifacts.get(version), _option(model.versions[version].container_spec, "--fingerprint")

    def _start(self, artifact: Path | None, expected: str) -> str:
        try:
            return self.start_server(artifact, expected) if artifact else ""
        except Exception as error:  # whatever keeps a container from becoming ready
            logs = f"https://console.cloud.google.com/logs/viewer?project={self._state.names.number}&resource=aiplatform.googleapis.com%2FEndpoint"
            raise precondition(f"Model server exited unexpectedly. Model server logs can be found at {logs}. ({error})") from error

    def _find(self, endpoint: EndpointState, key: str) -> types.DeployedModel:
        found = [item for item in endpoint.message.deployed_models if item.id == key]
        if not found:
            raise not_found("DeployedModel", f"{endpoint.message.name}/deployedModels/{key}")
        return found[0]


def _option(container: types.ModelContainerSpec, option: str) -> str:
    """Returns what a container's arguments say of an option; empty if nothing."""
    arguments = list(container.args)
    return arguments[arguments.index(option) + 1] if option in arguments else ""


def _deployed(endpoint: EndpointState) -> list[str]:
    return [item.id for item in endpoint.message.deployed_models]
