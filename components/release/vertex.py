"""The API of Vertex AI: its clients, calls that are patient but never wait for ever, and its errors in plain words."""

import functools
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
from google.api_core import exceptions
from google.api_core.retry import Retry, exponential_sleep_generator
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import aiplatform_v1
from google.longrunning.operations_pb2 import Operation

from penstock.components.protocol import TaskError

# The maximum time for retries of a transient failure, as a multiple of the timeout of a call.
PATIENCE = 2.5
# For how long an operation, such as a deployment or an upload, may take.
TIMEOUT_SECONDS = 1800.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.1, 5.0
_PASSING = (exceptions.TooManyRequests, exceptions.ServerError)
_LASTING = (exceptions.MethodNotImplemented, exceptions.DataLoss)
_QUESTION = re.compile(r"^[A-Z]+ https?://\S+: ")  # what an error over REST begins with
_UNSIGNED = "metadata from plugin failed"  # how gRPC says that the credentials gave no token
_QUOTA = re.compile(r"exceeds? quota|quota (limits|metrics)", re.IGNORECASE)
_PERMISSION = re.compile(r"([a-z][A-Za-z]*\.[A-Za-z]+\.[A-Za-z]+)")
_ACT_AS = re.compile(r"permission to act as service.account", re.IGNORECASE)  # the answer does not name the permission
_ROLES = {
    "storage": "roles/storage.objectViewer",
    "artifactregistry": "roles/artifactregistry.reader",
    "iam": "roles/iam.serviceAccountUser",
    "logging": "roles/logging.viewer",
}
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
_LOCATION = re.compile(r"[a-z]+(-[a-z]+)+[0-9]+")
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class VertexApi:
    """One location of a project, with Application Default Credentials (https://cloud.google.com/docs/authentication/application-default-credentials).

    Attributes:
        location: The region.
        parent: The location's resource name.
        host: The address that answers.
        uri: `vertex://PROJECT/LOCATION`, for messages.
    """

    def __init__(self, project: str, location: str, api_endpoint: str = "", call_timeout: float = 30.0) -> None:
        """Names what to ask, and asks nothing yet.

        Args:
            project: The project's ID or number.
            location: The region, such as `us-central1`.
            api_endpoint: `HOST:PORT` to ask instead of the region's public address.
            call_timeout: For how many seconds a call waits for its answer.

        Raises:
            TaskError: The project or the location cannot be one.
        """
        if not _PROJECT.fullmatch(project) or not _LOCATION.fullmatch(location):
            raise TaskError(
                f"vertex://{project}/{location} has no valid project and region; give them as in vertex://my-project/us-central1"
            )
        self.project, self.location = project, location
        self.parent = f"projects/{project}/locations/{location}"
        self.host = api_endpoint or f"{location}-aiplatform.googleapis.com"
        self.uri = f"vertex://{project}/{location}"
        self._call_timeout = call_timeout
        self._patiently = Retry(is_passing, initial=FIRST_LOOK_SECONDS, maximum=LONGEST_LOOK_SECONDS, multiplier=2.0)

    @functools.cached_property
    def credentials(self) -> Credentials:
        """Application Default Credentials, for what is asked without these clients."""
        with warnings.catch_warnings():  # that a user's own credentials name no quota project is no news to anybody here
            warnings.simplefilter("ignore", UserWarning)
            credentials, _ = google.auth.default(scopes=_SCOPES)
        return credentials

    @functools.cached_property
    def custom_jobs(self) -> aiplatform_v1.JobServiceClient:
        """The client for custom jobs."""
        return aiplatform_v1.JobServiceClient(client_options={"api_endpoint": self.host})

    @functools.cached_property
    def endpoints(self) -> aiplatform_v1.EndpointServiceClient:
        """The client for endpoints."""
        return aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": self.host})

    @functools.cached_property
    def models(self) -> aiplatform_v1.ModelServiceClient:
        """The client for models."""
        return aiplatform_v1.ModelServiceClient(client_options={"api_endpoint": self.host})

    @functools.cached_property
    def predictions(self) -> aiplatform_v1.PredictionServiceClient:
        """The client for predictions."""
        return aiplatform_v1.PredictionServiceClient(client_options={"api_endpoint": self.host})

    def call(self, method: Callable[..., Any], request: Any, patience: float = PATIENCE) -> Any:
        """Calls a method of a client, and retries transient failures until the time limit.

        Args:
            method: The method.
            request: Its request.
            patience: For how many times the call's timeout it is repeated.

        Raises:
            GoogleAPICallError: It fails.
            GoogleAuthError: The credentials do.
        """
        patiently = self._patiently.with_timeout(patience * self._call_timeout)
        try:
            return patiently(functools.partial(method, request=request, retry=None, timeout=self._call_timeout))()
        except exceptions.RetryError as error:
            raise error.cause or error from error

    def finish(self, name: str, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> Operation:
        """Waits for a long-running operation.

        Args:
            name: The operation's name.
            seconds: For how long.
            meanwhile: Called at every look at it.

        Returns:
            The operation, which has succeeded.

        Raises:
            GoogleAPICallError: It has failed, or is not done after this time.
        """
        until = time.monotonic() + seconds
        for pause in exponential_sleep_generator(FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS):
            operation = self.call(self.endpoints.get_operation, {"name": name})
            if operation.done:
                if operation.error.code:
                    raise exceptions.from_grpc_status(operation.error.code, operation.error.message)
                return operation
            if time.monotonic() > until:
                raise exceptions.GoogleAPICallError(f"the operation {name} has not finished after {seconds:g} s; raise the option timeout")
            meanwhile()
            time.sleep(pause)
        raise AssertionError("the generator has no end")

    def running(self, resource: str) -> list[str]:
        """Returns the names of the operations that run on a resource."""
        found = self.call(self.endpoints.list_operations, {"name": resource}).operations
        return [operation.name for operation in found if not operation.done]

    @contextmanager
    def errors_as(self, kind: type[Exception], doing: str) -> Iterator[None]:
        """Makes what the API raises an error of this kind, in words that help."""
        try:
            yield
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            raise kind(f"{self.uri}: cannot {doing}: {self.explain(error)}") from error

    def explain(self, error: Exception) -> str:
        """Says in plain words why a call failed, and what to do about it."""
        text = message_of(error)
        if isinstance(error, (GoogleAuthError, exceptions.Unauthorized)) or _UNSIGNED in text:
            return f"the credentials are missing, expired or rejected; run `gcloud auth application-default login`, or correct the service account ({text})"
        if isinstance(error, exceptions.Forbidden):
            return self._explain_denial(error, text)
        if isinstance(error, exceptions.TooManyRequests):
            return f"a quota is used up; ask for more at https://console.cloud.google.com/iam-admin/quotas?project={self.project}, or use less ({text})"
        if isinstance(error, exceptions.NotFound):
            return f"it is not there; check project, region and name ({text})"
        if isinstance(error, (exceptions.ServiceUnavailable, exceptions.GatewayTimeout)):
            return f"{self.host} does not answer in time; check the network and the region ({text})"
        if "location" in text.lower() and isinstance(error, exceptions.BadRequest):
            return f"{self.host} does not serve the region {self.location}; name the region where the endpoint is ({text})"
        return text

    def _explain_denial(self, error: exceptions.Forbidden, text: str) -> str:
        named = (error.metadata or {}).get("permission") or text.replace("aiplatform.googleapis.com", "")
        found = _PERMISSION.search("iam.serviceAccounts.actAs" if _ACT_AS.search(named) else named)
        if "SERVICE_DISABLED" in (error.reason or "") or "has not been used" in text:
            return f"the Vertex AI API is off; run `gcloud services enable aiplatform.googleapis.com --project {self.project}` ({text})"
        if found is None:
            return f"the caller may not use project {self.project}, or it does not exist; check its ID and grant roles/aiplatform.user ({text})"
        role = _ROLES.get(found[1].partition(".")[0], "roles/aiplatform.user")
        return f"the permission {found[1]} or the resource is missing; grant {role} in project {self.project} ({text})"


def check_accelerator(kind: str, count: int, what: str) -> None:
    """Rejects an accelerator that Vertex AI does not have, and a type without a number or a number without a type.

    Args:
        kind: One of Vertex AI's AcceleratorType, such as `NVIDIA_L4`; empty for none.
        count: How many of them each machine has.
        what: What the options are called, for the message.

    Raises:
        TaskError: It is one.
    """
    known = [name for name, number in aiplatform_v1.AcceleratorType.__members__.items() if number]
    if kind and kind not in known:
        raise TaskError(f"{what} accelerator_type {kind!r} is unknown; give one of {', '.join(known)}")
    if bool(kind) != (count > 0):
        raise TaskError(f"{what}s accelerator_type and accelerator_count belong together; give both, with a count above 0, or neither")


def message_of(error: Exception) -> str:
    """Returns what the service says, in one line."""
    return _QUESTION.sub("", " ".join(str(getattr(error, "message", error)).split()))


def is_passing(error: Exception) -> bool:
    """Returns whether a retry may succeed. Exhausted quotas and invalid credentials are not transient."""
    text = str(error)
    return isinstance(error, _PASSING) and not isinstance(error, _LASTING) and not _QUOTA.search(text) and _UNSIGNED not in text
