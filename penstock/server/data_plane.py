"""KServe's data plane, with what this server knows beyond it."""

from collections.abc import Callable
from typing import Any

from kserve.protocol.dataplane import DataPlane

from .models import Models


class VersionedDataPlane(DataPlane):
    """Says the version in V2's model metadata, and that the server is not ready once it drains.

    Args:
        models: What is served.
        is_draining: Whether the server is about to end.
    """

    def __init__(self, models: Models, is_draining: Callable[[], bool]) -> None:
        super().__init__(models)
        self._is_draining = is_draining

    async def ready(self) -> bool:
        """Tells whether requests should come here."""
        return not self._is_draining() and await super().ready()

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Returns V2's model metadata."""
        metadata = await super().model_metadata(model_name)
        return metadata | {"versions": [self.get_model_from_registry(model_name).stable.version], "platform": "tensorflow_savedmodel"}
