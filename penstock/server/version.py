"""One loaded version of a model: it answers, counted and in batches."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kserve.errors import InvalidInput

from penstock.components.release.release import Release

from .batching import Batcher
from .metrics import VersionMetrics
from .saved_model import Arrays, SavedModel, count_rows

_MAX_ROWS = 1024
_POOL = ThreadPoolExecutor(max(4, os.cpu_count() or 1), thread_name_prefix="predict")


class LoadedVersion:
    """A version of a model, ready to answer.

    Attributes:
        model_name: The name of the model.
        version: The name of the version.
        fingerprint: The SHA-256 of its bytes.
        model: The SavedModel.
        is_batched: Whether requests are computed together.
    """

    def __init__(self, model_name: str, version: str, release: Release, model: SavedModel, is_batched: bool) -> None:
        self.model_name, self.version, self.fingerprint = model_name, version, release.fingerprint
        self.model, self.is_batched = model, is_batched
        self._metrics = VersionMetrics(model_name, version, release.fingerprint)
        max_rows = _MAX_ROWS if is_batched else 1
        self._rows = Batcher(model.predict_rows, _POOL, max_rows, self._metrics.observe_rows)
        self._arrays = Batcher(model.predict_arrays, _POOL, max_rows, self._metrics.observe_rows)

    async def predict_rows(self, instances: Any) -> list[Any]:
        """Answers the `instances` of a V1 request.

        Raises:
            InvalidInput: They do not fit the signature.
        """
        with self._metrics.request():
            rows = self.model.check_rows(instances)
            return await self._rows.ask(rows, len(rows))

    async def predict_arrays(self, arrays: Arrays) -> Arrays:
        """Answers the tensors of a V2 request.

        Raises:
            InvalidInput: They do not fit the signature.
        """
        with self._metrics.request():
            fitting = self.model.check_arrays(arrays)
            return await self._arrays.ask(fitting, count_rows(fitting))

    def refuse(self, reason: str) -> InvalidInput:
        """Counts a request that could not even be read, and returns the error for it."""
        error = InvalidInput(reason)
        try:
            with self._metrics.request():
                raise error
        except InvalidInput:
            return error
