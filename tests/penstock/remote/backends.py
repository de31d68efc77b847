"""The two backends, as tests of the commands ask about them: the same questions, whichever it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf import json_format

from ...doubles.kubeflow.double import KubeflowDouble
from ...doubles.kubeflow.faults import Disconnect, Fail
from ...doubles.kubeflow.faults import Fault as KubeflowFault
from ...doubles.vertex.double import VertexDouble
from ...doubles.vertex.faults import Fault as VertexFault


@dataclass(frozen=True)
class Got:
    """A run, as the backend was sent it.

    Attributes:
        name: Its name.
        experiment: Its experiment.
        service_account: Whom it runs as.
        pipeline_root: Where its artifacts lie.
        parameters: Its parameters.
        spec: Its PipelineSpec.
    """

    name: str
    experiment: str
    service_account: str
    pipeline_root: str
    parameters: dict[str, Any]
    spec: dict[str, Any]


class Backend(Protocol):
    """A backend.

    Attributes:
        name: As in `--target`.
        settings: What a context says of it.
    """

    name: str
    settings: dict[str, str]

    def calls(self) -> list[str]:
        """Returns what it was asked."""

    def got(self) -> Got:
        """Returns the newest run."""

    def away(self, how: str) -> Any:
        """Makes it answer nothing about runs as long as the block runs: `drop` the connection, or say that it is `busy`."""


class Kubeflow:
    """Kubeflow Pipelines."""

    name = "kubeflow"

    def __init__(self, double: KubeflowDouble) -> None:
        self.double = double
        self.settings = {"host": double.url}

    def calls(self) -> list[str]:
        """Returns methods and paths."""
        return [f"{call.method} {call.path}" for call in self.double.calls]

    def got(self) -> Got:
        """Returns the newest run."""
        run = list(self.double.records.runs.values())[-1]
        source = run.source
        spec = source.template.spec
        return Got(run.name, run.experiment.name, run.service_account, source.pipeline_root, source.parameters, spec)

    @contextmanager
    def away(self, how: str) -> Iterator[None]:
        """Answers no call."""
        fault = KubeflowFault(Disconnect() if how == "drop" else Fail(503), times=0)
        self.double.faults.append(fault)
        yield
        self.double.faults.remove(fault)


class Vertex:
    """Vertex AI Pipelines."""

    name = "vertex"

    def __init__(self, double: VertexDouble) -> None:
        self.double = double
        self.settings = {
            "project": double.project,
            "location": double.location,
            "api_endpoint": double.api_endpoint,
            "pipeline_root": "gs://bucket/root",
        }

    def calls(self) -> list[str]:
        """Returns methods."""
        return [call.name for call in self.double.faults.calls]

    def got(self) -> Got:
        """Returns the newest run."""
        request = [call.request for call in self.double.faults.calls if call.name == "CreatePipelineJob"][-1]
        job = json_format.MessageToDict(type(request).pb(request))["pipelineJob"]
        experiments = [call.request.context for call in self.double.faults.calls if call.name == "AddContextChildren"]
        return Got(
            job["displayName"],
            experiments[-1].rpartition("/")[2] if experiments else "",
            job.get("serviceAccount", ""),
            job["runtimeConfig"]["gcsOutputDirectory"],
            job["runtimeConfig"].get("parameterValues", {}),
            job["pipelineSpec"],
        )

    @contextmanager
    def away(self, how: str) -> Iterator[None]:
        """Answers no call: gRPC tells a dropped connection as UNAVAILABLE."""
        code = grpc.StatusCode.UNAVAILABLE if how == "drop" else grpc.StatusCode.RESOURCE_EXHAUSTED
        fault = self.double.faults.add(VertexFault("GetPipelineJob", times=1_000_000, code=code))
        yield
        fault.times = 0
