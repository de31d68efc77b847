"""The API of Vertex AI Pipelines: its clients, and messages for its errors."""

import concurrent.futures
import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud import aiplatform_v1

from penstock.components.protocol.logs import is_verbose
from penstock.components.release.vertex import VertexApi, is_passing, message_of

from ...errors import UserError
from ..settings import VertexSettings
from ..target import BackendUnavailable

# What they log comes as an exception too, or is tried again.
_TALKATIVE = ("google.auth", "urllib3")


class PipelinesApi(VertexApi):
    """What Vertex AI Pipelines is asked through.

    Not `aiplatform.PipelineJob`'s and `PipelineJobSchedule`'s own methods: `submit` first makes the bucket if there is none and asks
    Resource Manager for its owner, which few may and which takes a minute where that cannot be reached, to do no more than log the
    answer; `list` reads every page before it gives the first run; `resume` leaves `catch_up` out.

    Args:
        settings: The project and the region.
    """

    def __init__(self, settings: VertexSettings) -> None:
        super().__init__(settings.project, settings.location, settings.api_endpoint)
        self.transport = settings.api_transport
        self.encryption_key = settings.encryption_key
        for library in () if is_verbose() else _TALKATIVE:
            logging.getLogger(library).setLevel(logging.ERROR)

    @functools.cached_property
    def jobs(self) -> aiplatform_v1.PipelineServiceClient:
        """The client for runs."""
        return aiplatform_v1.PipelineServiceClient(**self._options)

    @functools.cached_property
    def schedules(self) -> aiplatform_v1.ScheduleServiceClient:
        """The client for schedules."""
        return aiplatform_v1.ScheduleServiceClient(**self._options)

    @functools.cached_property
    def metadata(self) -> aiplatform_v1.MetadataServiceClient:
        """The client for ML Metadata, where experiments lie."""
        return aiplatform_v1.MetadataServiceClient(**self._options)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Makes what goes wrong one line; `BackendUnavailable` where the same may go well later."""
        try:
            yield
        except requests.RequestException as error:
            raise BackendUnavailable(f"{self.uri}: cannot {what}: {_host(error)} cannot be reached ({_innermost(error)})") from error
        except concurrent.futures.TimeoutError as error:  # of `Operation.result`; another than `TimeoutError` in Python 3.10
            raise BackendUnavailable(f"{self.uri}: cannot {what}: it has started and not finished yet") from error
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            kind = BackendUnavailable if is_passing(error) or isinstance(error, TransportError) else UserError
            raise kind(f"{self.uri}: cannot {what}: {self.explain(error)}") from error

    def explain(self, error: Exception) -> str:
        """Says why a call failed; what is wrong with a request, in the service's own words."""
        text = message_of(error)
        if isinstance(error, DefaultCredentialsError):
            return f"there are no credentials; run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS ({text})"
        if isinstance(error, TransportError):
            return f"cannot get a new token; check the network ({text})"
        if isinstance(error, exceptions.BadRequest):
            return text
        return super().explain(error)

    @property
    def _options(self) -> dict[str, Any]:
        return {"credentials": self.credentials, "transport": self.transport, "client_options": {"api_endpoint": self.host}}


def _host(error: requests.RequestException) -> str:
    return urlsplit(error.request.url).netloc if error.request and error.request.url else "the service"


def _innermost(error: BaseException) -> BaseException:
    """Returns the error that the others were raised for."""
    return _innermost(error.__context__) if error.__context__ else error
