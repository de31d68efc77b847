"""An endpoint of Vertex AI."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1.types import PredictResponse
from google.protobuf.json_format import MessageToDict

from ..doubles.models import ModelServers
from ..doubles.vertex.double import VertexDouble
from ..doubles.vertex.errors import ApiError
from ..doubles.vertex.faults import Call, Fault
from .site import ENDS, Boundaries, NoAnswer, Rows

_ENDPOINT = "flights"
# Any call, and unlike `*` the work of operations too: `DeployModel.run`.
_ANYTHING = "?*"
_CODES = (
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "ABORTED",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNAVAILABLE",
)


class VertexSite:
    """One endpoint; the models travel through a bucket."""

    name = "vertex"
    faults: dict[str, dict[str, Any]] = {
        "kill-before": {"hang": True},
        "kill-after": {"after": True},
        "term-before": {"hang": True},
        "term-after": {"after": True},
        "hang-before": {"hang": True},
        "hang-after": {"hang": True, "after": True},
        **{code: {"code": grpc.StatusCode[code]} for code in _CODES},
        "UNAVAILABLE-after": {"code": grpc.StatusCode.UNAVAILABLE, "after": True},
        "PERMISSION_DENIED-on": {"code": grpc.StatusCode.PERMISSION_DENIED},
    }

    def __init__(self, servers: ModelServers, folder: Path) -> None:
        """Starts Vertex AI.

        Args:
            servers: What the model servers come from.
            folder: For its certificate and what it keeps.
        """
        self._double = VertexDouble(folder / "vertex", servers)
        self._saved: Any = None

    def destination(self, storage: str) -> str:
        place = f"{self._double.project}/{self._double.location}/{_ENDPOINT}"
        options = f"lease=3&timeout=10&call_timeout=3&api_endpoint={self._double.api_endpoint}"
        return f"vertex://{place}?storage=gs://models/{storage}&{options}"

    def environment(self) -> dict[str, str]:
        return self._double.environment()

    def save(self) -> None:
        self._saved = self._double.saved()

    def restore(self) -> None:
        self._double.reset(self._saved)

    def inject(self, fault: str, boundaries: Boundaries, kill: Callable[[], None]) -> None:
        def meets(call: Call) -> bool:
            return boundaries(call.name)

        hook = {"hook": lambda _: kill()} if fault.startswith(ENDS) else {}
        self._double.faults.add(Fault(_ANYTHING, when=meets, times=sys.maxsize, **self.faults.get(fault, {}), **hook))

    def clear(self) -> None:
        self._double.faults.clear()

    def ask(self, instances: Rows) -> Rows:
        try:
            (name,) = [endpoint.name for endpoint in self._double.endpoints() if endpoint.display_name == _ENDPOINT]
            answer = self._double.predict(name, instances)
        except ApiError as error:
            raise NoAnswer(f"{error.code.name} {error.message[:100]}") from error
        return MessageToDict(PredictResponse.pb(answer))["predictions"]

    def left_over(self) -> list[str]:
        deployed = [(endpoint.display_name, one) for endpoint in self._double.endpoints() for one in endpoint.deployed_models]
        return [f"version {one.model_version_id} on {name}" for name, one in deployed if name != _ENDPOINT] + [
            f"version {one.model_version_id}" for name, one in deployed if name == _ENDPOINT
        ][:-1]

    def close(self) -> None:
        self._double.close()
