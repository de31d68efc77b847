"""Deploying to an endpoint, and undeploying from it, without ever changing who has its traffic."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import DeployedModel, Endpoint

from penstock.components.protocol import figure
from penstock.components.release.vertex import VertexApi

from .record import deployed_id


@dataclass(frozen=True)
class Deployments:
    """The deployments on one endpoint. Methods raise GoogleAPICallError or GoogleAuthError where the API refuses.

    Attributes:
        api: Where the endpoint is.
        endpoint: Its resource name.
        timeout: For how many seconds an operation may take.
        meanwhile: Called again and again as long as one does.
    """

    api: VertexApi
    endpoint: str
    timeout: float
    meanwhile: Callable[[], None]

    def deploy(self, deployed: DeployedModel) -> None:
        """Deploys a model without traffic, unless one with this ID is there; waits for what an interrupted push has begun."""
        self._settle()
        if self.has(deployed.id):
            return
        try:
            begun = self.api.call(self.api.endpoints.deploy_model, {"endpoint": self.endpoint, "deployed_model": deployed})
            self.api.finish(begun.operation.name, self.timeout, self.meanwhile)
        except (exceptions.AlreadyExists, exceptions.FailedPrecondition):  # perhaps by this call's first try, whose answer was lost
            self._settle()
            if not self.has(deployed.id):
                raise

    def undeploy_idle(self, keep: Collection[str]) -> None:
        """Undeploys what Penstock has deployed, has no traffic and is not to be kept."""
        self._settle()
        endpoint = self._read()
        for deployed in endpoint.deployed_models:
            is_ours = deployed.id == deployed_id(self.endpoint, f"{deployed.model.partition('@')[0]}@{deployed.model_version_id}")
            if is_ours and deployed.id not in keep and not endpoint.traffic_split.get(deployed.id):
                with suppress(exceptions.NotFound):  # by this call's first try
                    request = {"endpoint": self.endpoint, "deployed_model_id": deployed.id}
                    begun = self.api.call(self.api.endpoints.undeploy_model, request)
                    self.api.finish(begun.operation.name, self.timeout, self.meanwhile)

    def has(self, deployed_id: str) -> bool:
        """Tells whether a deployment with this ID is there."""
        return deployed_id in [deployed.id for deployed in self._read().deployed_models]

    def direct(self, split: dict[str, int]) -> None:
        """Sets the traffic split of an endpoint without other traffic."""
        endpoint = self._read()
        if dict(endpoint.traffic_split) != split:
            changed = Endpoint(name=endpoint.name, traffic_split=split)
            self.api.call(self.api.endpoints.update_endpoint, {"endpoint": changed, "update_mask": {"paths": ["traffic_split"]}})

    def _read(self) -> Endpoint:
        return self.api.call(self.api.endpoints.get_endpoint, {"name": self.endpoint})

    def _settle(self) -> None:
        """Waits until no operation runs on the endpoint, however it ends: Vertex AI takes one at a time."""
        for name in self.api.running(self.endpoint):
            try:
                self.api.finish(name, self.timeout, self.meanwhile)
            except exceptions.GoogleAPICallError as error:
                figure(f"an operation of an interrupted push failed: {error.message}")
