"""The models by name, and the version that answers for each."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from kserve import InferRequest, InferResponse, Model, ModelRepository
from kserve.errors import InvalidInput, ModelNotFound, ServerNotReady
from kserve.metrics import PREDICT_HIST_TIME, get_labels

from .checks import v1_instances
from .connection import count_refused
from .metrics import SERVED
from .row_keys import Keys, keys_of_arrays, keys_of_rows
from .saved_model import Arrays, SavedModel, some
from .tensors import to_arrays
from .v2_answer import v2_answer, v2_datatype
from .version import LoadedVersion

if TYPE_CHECKING:
    from .online_features import Fetched, OnlineFeatures
    from .prediction_log import PredictionLog

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
# A shadow that is slower than the traffic misses requests rather than filling the memory.
_SHADOWED_AT_ONCE = 64
# The header, over gRPC the trailing metadata, that says under which id the prediction log has a request.
REQUEST_ID = "x-request-id"


class ServedModel(Model):
    """A model under the name by which clients ask for it.

    Args:
        name: The name.
        stable: The version that answers.
        log: Where some of the requests and answers are kept.
        candidate: Another version.
        percent: Its share of the requests; they are spread evenly, so that a small share meets no burst.
        shadow: Whether it gets a copy of every request instead, and answers no client.
        key: The field of a request that names a row and that the model does not see. Empty: none.
        features: What adds features to requests.
    """

    def __init__(
        self,
        name: str,
        stable: LoadedVersion,
        log: "PredictionLog | None" = None,
        candidate: LoadedVersion | None = None,
        percent: int = 0,
        shadow: bool = False,
        key: str = "",
        features: "OnlineFeatures | None" = None,
    ) -> None:
        super().__init__(name, return_response_headers=True)
        self.stable, self.candidate = stable, candidate
        self._percent, self._shadow, self._log = percent if candidate and not shadow else 0, shadow, log
        self._key, self._features = key, features
        self._due = 0
        self._copies: set[asyncio.Task] = set()
        self.seconds = PREDICT_HIST_TIME.labels(
            **get_labels(name)
        )  # KServe's; to look its labels up each time costs as much as to read a body
        self.ready = True

    @property
    def versions(self) -> list[LoadedVersion]:
        """The versions that answer under this name."""
        return [self.stable, self.candidate] if self.candidate and self._percent else [self.stable]

    async def predict_rows(self, instances: Any, response_headers: dict[str, str], asked: str = "") -> list[Any]:
        """Answers the `instances` of a V1 request.

        Args:
            instances: The rows.
            response_headers: What to say with the answer; the request's id is added where it is logged.
            asked: The version that has to answer; empty for whichever it falls to.

        Raises:
            InvalidInput: They do not fit the signature.
            FeaturesUnavailable: They lack features, and the feature service gives none.
            ModelNotFound: The version does not answer under this name.
        """
        keys = self._keys(keys_of_rows, instances)
        fetched = await self._fetch(self._features.fetch_for_rows(instances, self._models)) if self._features else None

        def ask(version: LoadedVersion) -> Awaitable[list[Any]]:
            return version.predict_rows(_filled(fetched.fill_rows, instances, version) if fetched else instances)

        version, predictions = await self._answer(ask, asked)
        self._keep(version, keys, instances, predictions, response_headers, fetched)
        return predictions

    async def predict(self, payload: Any, headers: Any, response_headers: dict[str, str]) -> dict[str, Any] | InferResponse:
        """Answers a V1 body or a V2 request."""
        if isinstance(payload, InferRequest):
            arrays = self._arrays(payload)
            keys = self._keys(keys_of_arrays, arrays)
            fetched = await self._fetch(self._features.fetch_for_arrays(arrays, self._models)) if self._features else None

            def ask(version: LoadedVersion) -> Awaitable[Arrays]:
                return version.predict_arrays(_filled(fetched.fill_arrays, arrays, version) if fetched else arrays)

            version, outputs = await self._answer(ask, payload.model_version)
            self._keep(version, keys, arrays, outputs, response_headers, fetched)
            payload.id = payload.id or response_headers.get(REQUEST_ID, payload.id)
            return v2_answer(payload, self.name, version.version, outputs)
        try:
            instances = v1_instances(payload)
        except InvalidInput as refusal:
            raise self.stable.refuse(refusal.reason) from refusal
        return {"predictions": await self.predict_rows(instances, response_headers)}

    def require_version(self, asked: str) -> None:
        """Makes sure that a version answers under this name.

        Raises:
            ModelNotFound: It does not.
        """
        self._chosen(asked)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Returns the inputs as V2's metadata has them."""
        return _tensor_types(self.stable.model.inputs)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Returns the outputs as V2's metadata has them."""
        return _tensor_types(self.stable.model.outputs)

    def _keys(self, take: Callable[[Any, str, bool], Keys], rows: Any) -> Keys:
        """Takes the rows' keys out of a request."""
        if not self._key:
            return []
        try:
            stays = self._key in self.stable.model.inputs or (self._features is not None and self._features.takes(self._key))
            return take(rows, self._key, stays)
        except InvalidInput as refusal:
            raise self.stable.refuse(refusal.reason) from refusal

    async def _fetch(self, fetching: Awaitable["Fetched"]) -> "Fetched":
        with _refused_for(self.stable):
            return await fetching

    @property
    def _models(self) -> list[SavedModel]:
        """The models that may be asked: a candidate or a shadow may take other features."""
        return [version.model for version in (self.stable, self.candidate) if version]

    def _keep(
        self,
        version: LoadedVersion,
        keys: Keys,
        rows: Any,
        predictions: Any,
        response_headers: dict[str, str],
        fetched: "Fetched | None",
    ) -> None:
        if self._log:
            # Never the client's own: many a client gives all of its requests one id.
            response_headers[REQUEST_ID] = request_id = str(uuid.uuid4())
            self._log.offer(version, request_id, keys, rows, predictions, fetched)

    async def _answer(self, ask: Callable[[LoadedVersion], Awaitable[Answer]], asked: str | None) -> tuple[LoadedVersion, Answer]:
        version = self._chosen(asked) if asked else self._next()
        answer = await ask(version)
        if self._shadow and self.candidate and len(self._copies) < _SHADOWED_AT_ONCE:  # once the client's own answer is there
            copy = asyncio.ensure_future(_dropped(ask, self.candidate))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)
        return version, answer

    def _chosen(self, asked: str) -> LoadedVersion:
        for version in self.versions:
            if version.version == asked:
                return version
        raise ModelNotFound(f"{self.name}, version {asked}")

    def _next(self) -> LoadedVersion:
        """Spreads the candidate's share evenly: at 25 % it is every fourth request."""
        self._due += self._percent
        if self.candidate is None or self._due < 100:
            return self.stable
        self._due -= 100
        return self.candidate

    def _arrays(self, request: InferRequest) -> Arrays:
        try:
            names = [asked.name for asked in request.request_outputs or []]
            if len(set(names)) < len(names):
                raise InvalidInput("an output is requested twice")
            unknown = set(names) - self.stable.model.outputs.keys()
            if unknown:
                raise InvalidInput(f"unknown output: {some(unknown)}; the model has {', '.join(sorted(self.stable.model.outputs))}")
            return to_arrays(request)
        except InvalidInput as refusal:
            raise self.stable.refuse(refusal.reason) from refusal


class Models(ModelRepository):
    """The models that are served, by name."""

    def serve(self, model: ServedModel) -> None:
        """Serves a model under its name, atomically. Requests in progress finish on the old version."""
        self.update(model)
        self._count()

    def get(self, name: str) -> ServedModel | None:
        """Returns what serves under a name."""
        return self.models.get(name)

    def unload(self, name: str) -> None:
        """Takes a name away; requests under way still end well."""
        if name not in self.models:
            raise ModelNotFound(name)
        del self.models[name]
        self._count()

    def _count(self) -> None:
        SERVED.clear()
        for model in self.models.values():
            for loaded in model.versions:
                SERVED.labels(model.name, loaded.version, loaded.fingerprint).set(1)


def _filled(fill: Callable[[Any, SavedModel], Any], rows: Any, version: LoadedVersion) -> Any:
    """Returns rows with the features that a version takes."""
    with _refused_for(version):
        return fill(rows, version.model)


@contextmanager
def _refused_for(version: LoadedVersion) -> Iterator[None]:
    """Counts a request that gets no features: as the version's if the request is at fault."""
    try:
        yield
    except InvalidInput as refusal:
        raise version.refuse(refusal.reason) from refusal
    except ServerNotReady:
        count_refused(HTTPStatus.SERVICE_UNAVAILABLE)
        raise


async def _dropped(ask: Callable[[LoadedVersion], Awaitable[Any]], version: LoadedVersion) -> None:
    try:
        await ask(version)
    except InvalidInput:  # it is counted as any other
        return
    except Exception as error:
        logger.warning("the shadow failed: %s: %s", type(error).__name__, error)


def _tensor_types(specs: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": v2_datatype(np.dtype(spec.dtype.as_numpy_dtype)), "shape": _sizes(spec)} for name, spec in specs.items()
    ]


def _sizes(spec: Any) -> Iterable[int]:
    if spec.shape.rank is None:
        return [-1]
    return [-1 if size is None else size for size in spec.shape.as_list()]
