"""The models that a server has loaded, as the state files of its folder say."""

import asyncio
import logging
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelRepository
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.utils.numpy_codec import from_np_dtype
from prometheus_client import Gauge

from penstock.components.runtime import serving
from penstock.saved_model import SavedModel

logger = logging.getLogger(__name__)
_SERVED = Gauge("penstock_served_model", "1 for each version that serves", ["model_name", "version", "fingerprint"])


class ServedModel(Model):
    """A version of a model under the name by which clients ask for it."""

    def __init__(self, name: str, version: str, model: SavedModel) -> None:
        super().__init__(name)
        self.version, self.model = version, model
        self.ready = True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> dict[str, Any] | InferResponse:
        """Answers a V1 body or a V2 request, in a thread: TensorFlow lets go of the interpreter while it computes."""
        if isinstance(payload, InferRequest):
            return await asyncio.to_thread(self._infer, payload)
        if not isinstance(payload, dict):
            raise InvalidInput('the request must be a JSON object with "instances"')
        return {"predictions": await asyncio.to_thread(self.model.predict_rows, payload.get("instances"))}

    def _infer(self, request: InferRequest) -> InferResponse:
        outputs = []
        for name, values in self.model({tensor.name: tensor.as_numpy() for tensor in request.inputs}).items():
            output = InferOutput(name, list(values.shape), from_np_dtype(values.dtype))
            output.set_data_from_numpy(values, binary_data=request.use_binary_outputs)
            outputs.append(output)
        # KServe's own answer to a request without an id is refused by KServe's response model.
        return InferResponse(request.id or str(uuid.uuid4()), self.name, outputs, model_version=self.version)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Returns the inputs as V2's metadata has them."""
        return _tensor_types(self.model.inputs)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Returns the outputs as V2's metadata has them."""
        return _tensor_types(self.model.outputs)


def _tensor_types(specs: dict[str, Any]) -> list[dict[str, Any]]:
    def shape(spec: Any) -> list[int]:
        return [-1 if size is None else size for size in spec.shape.as_list()]

    return [
        {"name": name, "datatype": from_np_dtype(np.dtype(spec.dtype.as_numpy_dtype)), "shape": shape(spec)} for name, spec in specs.items()
    ]


class Models(ModelRepository):
    """The models that are loaded: what the state files name, and the version before, warm for a rollback."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder
        self._loading = asyncio.Lock()
        self._warm: dict[tuple[str, str], SavedModel] = {}

    async def load_stable(self) -> None:
        """Loads every model that serves. One that cannot be loaded is logged, and keeps no other from serving."""
        for name in serving.served_models(self._folder):
            try:
                await self.load(name)
            except Exception:
                logger.exception("cannot serve %s", name)

    async def load(self, name: str) -> bool:
        """Serves under a name the version that its state file says now."""
        async with self._loading:
            model = name.removesuffix(serving.CANDIDATE)
            state = serving.read_state(self._folder, model)
            version = state.candidate if name.endswith(serving.CANDIDATE) else state.stable
            if version is None:
                raise ModelNotFound(name)
            if name not in self.models or self.models[name].version != version:
                if (model, version) not in self._warm:
                    self._warm[model, version] = await asyncio.to_thread(_load_and_warm_up, self._folder, model, version)
                self.update(ServedModel(name, version, self._warm[model, version]))
                logger.warning("%s serves version %s", name, version)
            self._forget(model, {state.stable, state.candidate, *state.history[:1]})
            self._count()
            return True

    def unload(self, name: str) -> None:
        """Takes a name away; requests under way still end well."""
        if name not in self.models:
            raise ModelNotFound(name)
        del self.models[name]
        self._count()

    def _forget(self, model: str, kept: set[str | None]) -> None:
        self._warm = {key: saved for key, saved in self._warm.items() if key[0] != model or key[1] in kept}

    def _count(self) -> None:
        _SERVED.clear()
        for served in self.models.values():
            fingerprint = serving.read_release(self._folder, served.name.removesuffix(serving.CANDIDATE), served.version).fingerprint
            _SERVED.labels(served.name, served.version, fingerprint).set(1)


def _load_and_warm_up(folder: Path, model: str, version: str) -> SavedModel:
    """Loads a version and has it answer its probe once: the first answer compiles, and takes far longer than the next."""
    saved = SavedModel(folder / model / version / "model")
    saved.predict_rows(serving.read_release(folder, model, version).probe["instances"])
    return saved


class VersionedDataPlane(DataPlane):
    """KServe's data plane, with the version that serves in V2's model metadata."""

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Returns V2's model metadata."""
        metadata = await super().model_metadata(model_name)
        return metadata | {"versions": [self.get_model_from_registry(model_name).version], "platform": "tensorflow_savedmodel"}
