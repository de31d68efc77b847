"""A stand-in for Vertex AI in one project and one region."""

from pathlib import Path
from typing import Any, Protocol

from google.cloud.aiplatform_v1.types import Endpoint, Model, PredictRequest, PredictResponse

from ...certificate import write_certificate
from .artifacts import Artifacts
from .buckets import Buckets
from .custom_jobs import CustomJobService
from .endpoints import EndpointService
from .faults import Faults
from .identity import Identity
from .logs import Logs, lines_of
from .metadata import MetadataService
from .models import ModelService
from .names import Names
from .operations import Operations
from .pipelines import PipelineService
from .prediction import PredictionService
from .rest import Rest
from .schedules import ScheduleService
from .server import Server
from .state import State
from .web import WebServer

_PACKAGE = "google.cloud.aiplatform.v1"
# The name of the model at its server; callers of an endpoint never see it.
SERVED_NAME = "model"


class RunningServer(Protocol):
    """A model server that is ready."""

    @property
    def url(self) -> str:
        """Where it listens."""


class ModelServers(Protocol):
    """Where model servers come from, such as `doubles.models.ModelServers`."""

    def get(self, model: Path, name: str, expected: str = "") -> RunningServer:
        """Returns a server that is ready with a model under a name; raises if it does not load, or expects another fingerprint."""


class NoServers:
    """Model servers for tests that deploy nothing."""

    def get(self, model: Path, name: str, expected: str = "") -> RunningServer:
        """Never asked."""
        raise AssertionError(f"no model is to be deployed here, and {name} is")


class VertexDouble:
    """Vertex AI: models, endpoints, predictions, pipelines, schedules, custom jobs, operations over gRPC and TLS, and over plain HTTP as REST; with
    what clients of pipelines need of Cloud Storage and Cloud Logging. Use it as a context manager.

    Args:
        folder: Where the certificate, the credentials and copies of artifacts lie.
        servers: Where model servers come from. What is deployed from an artifact predicts there.
        project: The id of the project that there is.
        location: The region that there is.
        port: Where to listen; 0 for any free port.
        rest_port: Where to listen for plain HTTP; 0 for any free port.

    Attributes:
        api_endpoint: What clients take as `api_endpoint`.
        rest_endpoint: What clients take as `api_endpoint` with `api_transport="rest"`.
        parent: The location's name, as answers have it: with the project's number.
        faults: What is to go wrong, and what was called.
        identity: The tokens.
        artifacts: What lies at gs:// URIs.
        buckets: The buckets, for what pipelines write.
        operations: How long operations take.
        custom_jobs: The custom jobs.
        quotas: The most that deployments and custom jobs may use, by metric.
        denied: The permissions that the caller lacks, such as `aiplatform.endpoints.deploy`.
    """

    def __init__(
        self,
        folder: Path,
        servers: ModelServers,
        *,
        project: str = "my-project",
        location: str = "us-central1",
        port: int = 0,
        rest_port: int = 0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = Names(project, "123456789012", location)
        self.parent = names.parent
        self.project = project
        self.location = location
        self.faults = Faults()
        self.identity = Identity(folder, project)
        self.artifacts = Artifacts(folder)
        self.buckets = Buckets(folder, self.artifacts, names)
        self._state = State(names)
        self.operations = Operations(self._state, self.faults)
        self._endpoints = EndpointService(self._state, self.operations, lambda model, expected: _predict_url(servers, model, expected))
        self.quotas = self._endpoints.quotas
        self.custom_jobs = CustomJobService(self._state, self.quotas)
        self._predictions = PredictionService(self._state)
        self._server = Server(self._state, self.operations, self.faults, self.identity)
        self.denied = self._server.denied
        models = ModelService(self._state, self.operations, self.artifacts.copy)
        self._server.add(f"{_PACKAGE}.ModelService", models.methods, locked=True)
        self._server.add(f"{_PACKAGE}.EndpointService", self._endpoints.methods, locked=True)
        self._server.add(f"{_PACKAGE}.PredictionService", self._predictions.methods)
        self._server.add(f"{_PACKAGE}.JobService", self.custom_jobs.methods, locked=True)
        self._server.add("google.longrunning.Operations", self.operations.methods)
        self._metadata = MetadataService(self._state, self.operations)
        self._pipelines = PipelineService(self._state, self.operations, self.buckets, self._metadata)
        self._server.add(f"{_PACKAGE}.MetadataService", self._metadata.methods, locked=True)
        self._schedules = ScheduleService(self._state, self.operations, self._pipelines)
        self._server.add(f"{_PACKAGE}.PipelineService", self._pipelines.methods, locked=True)
        self._server.add(f"{_PACKAGE}.ScheduleService", self._schedules.methods, locked=True)
        self._certificate, key = write_certificate(folder)
        self._server.start(self._certificate, key, port)
        self.api_endpoint = f"localhost:{self._server.port}"
        logs = Logs(names, self.identity, self.denied, lambda job: lines_of(self._pipelines.log(job)), self.custom_jobs.log)
        self._web = WebServer(rest_port, self.buckets.answer, logs.answer, Rest(self._server).answer)
        self.rest_endpoint = f"http://{self._web.address}"

    def __enter__(self) -> "VertexDouble":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Stops it."""
        self.close()

    def close(self) -> None:
        """Stops it, and lets go of what hangs."""
        self.faults.clear()
        self._web.close()
        self._server.stop()
        self._pipelines.clear()
        self.custom_jobs.clear()
        self.identity.close()
        self._predictions.close()

    def environment(self, *, metadata_server: bool = False, storage: bool = False) -> dict[str, str]:
        """Returns the variables with which unpatched clients trust it and find their credentials; set before gRPC is first used.

        Args:
            metadata_server: Whether credentials come from the machine, as in a pod, with tokens that can expire and be refused; from a
                service account's key file otherwise.
            storage: Whether Cloud Storage's clients come here too; it knows buckets, but no objects.
        """
        common = {
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self._certificate),
            "GOOGLE_CLOUD_PROJECT": self.project,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": f"{self.rest_endpoint}/",
        } | ({"STORAGE_EMULATOR_HOST": self.rest_endpoint} if storage else {})
        if metadata_server:
            return common | {"GCE_METADATA_HOST": self.identity.address, "GCE_METADATA_IP": self.identity.address}
        return common | {"GOOGLE_APPLICATION_CREDENTIALS": str(self.identity.key_file)}

    def reset(self, to: Any = None) -> None:
        """Makes all models and endpoints as they were when `saved` was called, none by default.

        Ends and forgets pipeline jobs, schedules and custom jobs; forgets metadata, buckets that clients made, operations and how long they take,
        faults, recorded calls, denials and quotas; keeps the address and the credentials.
        """
        self.faults.clear()
        self.operations.clear()
        self._schedules.clear()
        self._pipelines.clear()
        self.custom_jobs.clear()
        self._metadata.clear()
        self.buckets.clear()
        with self._state.lock:
            self._state.load(*(to or ({}, {})))
            self.quotas.clear()
            self.denied.clear()

    def saved(self) -> Any:
        """Returns all models and endpoints, for `reset`."""
        with self._state.lock:
            return self._state.saved()

    def predict(self, endpoint: str, instances: list[Any]) -> PredictResponse:
        """Asks an endpoint outside the recording: without faults, and the call is not recorded.

        Raises:
            ApiError: It does not answer.
        """
        request = PredictRequest(endpoint=endpoint)
        request.instances.extend(instances)
        return self._predictions.predict(request)

    def fire(self, schedule: str) -> list[str]:
        """Does what Vertex AI does when a schedule's time has come; returns the names of the pipeline jobs that have begun.

        Where as many of its jobs go on as may, a new one waits if the schedule allows queueing, and is left out if not. Those that wait
        are begun by a later call, before the new one.
        """
        with self._state.lock:
            return list(self._schedules.fire(schedule))

    def runs_of(self, experiment: str) -> list[str]:
        """Returns the ids of the pipeline jobs in an experiment, without a call."""
        return self._metadata.children(f"{self.parent}/metadataStores/default/contexts/{experiment}")

    def endpoints(self) -> list[Endpoint]:
        """Returns the endpoints that there are, without a call."""
        with self._state.lock:
            return [Endpoint(endpoint.message) for endpoint in self._state.endpoints.values()]

    def models(self) -> list[Model]:
        """Returns every version of every model, without a call; their names end with the version."""
        with self._state.lock:
            return [
                self._state.view(model, version, with_version=True) for model in self._state.models.values() for version in model.versions
            ]


def _predict_url(servers: ModelServers, model: Path, expected: str) -> str:
    return f"{servers.get(model, SERVED_NAME, expected).url}/v1/models/{SERVED_NAME}:predict"
