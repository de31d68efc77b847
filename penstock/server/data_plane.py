"""KServe's data plane with the additions of this server."""

from collections.abc import Callable
from typing import Any

from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane

from .checks import check_request
from .limits import Limits
from .models import Models


class VersionedDataPlane(DataPlane):
    """Says the version in V2's model metadata, and that the server is not ready without a model, and once it drains.

    Args:
        models: What is served.
        is_draining: Whether the server is about to end.
        limits: What a request may have.
    """

    def __init__(self, models: Models, is_draining: Callable[[], bool], limits: Limits) -> None:
        super().__init__(models)
        self._is_draining, self._limits = is_draining, limits

    async def ready(self) -> bool:
        """Tells whether requests should come here."""
        return bool(self.model_registry.get_models()) and not self._is_draining() and await super().ready()

    def metadata(self) -> dict[str, Any]:
        """Returns V2's server metadata. KServe's would offer everybody to load and unload models."""
        return super().metadata() | {"extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Returns V2's model metadata."""
        metadata = await super().model_metadata(model_name)
        versions = [version.version for version in self.get_model_from_registry(model_name).versions]
        return metadata | {"versions": versions, "platform": "tensorflow_savedmodel"}

    def require_version(self, model_name: str, version: str) -> None:
        """Makes sure that a version of a model answers; an empty one is any.

        Raises:
            ModelNotFound: It does not, or there is no such model.
        """
        model = self.get_model_from_registry(model_name)
        if version:
            model.require_version(version)

    def decode(self, body: Any, headers: Any, *arguments: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        """Reads a request that did not come by the fast path: a CloudEvent.

        Raises:
            InvalidInput: It cannot be read; KServe knows only some of the reasons.
        """
        try:
            return super().decode(body, headers, *arguments, **named)
        except InvalidInput:
            raise
        except Exception as error:
            raise InvalidInput(f"the request cannot be read: {error!r:.200}") from error

    async def infer(self, model_name: str, request: Any, headers: dict[str, str] | None = None) -> tuple[Any, dict[str, str]]:
        """Answers a request.

        Raises:
            InvalidInput: It has more than it may have, or does not fit the model.
        """
        model = self.get_model_from_registry(model_name)
        try:
            check_request(request, self._limits)
        except InvalidInput as refusal:
            raise model.stable.refuse(refusal.reason) from refusal
        return await super().infer(model_name, request, headers)
