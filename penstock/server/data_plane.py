"""KServe's data plane, with what this server knows beyond it."""

from collections.abc import Callable
from typing import Any

from kserve import InferRequest
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.protocol.dataplane import DataPlane

from .binary_request import read_binary_request
from .models import Models


class VersionedDataPlane(DataPlane):
    """Says the version in V2's model metadata, and that the server is not ready without a model, and once it drains.

    Args:
        models: What is served.
        is_draining: Whether the server is about to end.
    """

    def __init__(self, models: Models, is_draining: Callable[[], bool]) -> None:
        super().__init__(models)
        self._is_draining = is_draining

    async def ready(self) -> bool:
        """Tells whether requests should come here."""
        return bool(self.model_registry.get_models()) and not self._is_draining() and await super().ready()

    def metadata(self) -> dict[str, Any]:
        """Returns V2's server metadata. KServe's would offer everybody to load and unload models."""
        return super().metadata() | {"extensions": []}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Returns V2's model metadata."""
        metadata = await super().model_metadata(model_name)
        return metadata | {"versions": [self.get_model_from_registry(model_name).stable.version], "platform": "tensorflow_savedmodel"}

    def decode_inference_request(self, body: Any, headers: Any, model_name: str) -> InferRequest:
        """Reads a V2 request."""
        length = headers.get(INFERENCE_CONTENT_LENGTH_HEADER, "")
        if isinstance(body, bytes) and length.isdecimal():
            return read_binary_request(body, int(length), model_name)
        return super().decode_inference_request(body, headers, model_name)
