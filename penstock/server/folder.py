"""The folder of a local:// destination: the versions that its state files name."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from kserve.errors import ModelNotFound

from penstock.components.protocol import TaskError
from penstock.components.release import serving
from penstock.components.release.serving import CANDIDATE, ServingState

from .models import Models, ServedModel
from .saved_model import SavedModel
from .unchanged import unchanged
from .version import LoadedVersion
from .warm_up import warm_up

if TYPE_CHECKING:
    from .online_features import OnlineFeatures
    from .prediction_log import PredictionLog

logger = logging.getLogger(__name__)


class FolderModels(Models):
    """What the state files of a folder name, loaded; and the version before, where it is kept warm.

    Args:
        folder: The folder.
        log: Where some of the requests and answers are kept.
        key: The field of a request that says what a row is called; empty for none.
        batching: Whether requests are computed together: `auto`, `always`, `never`.
        features: What adds features to requests.

    Attributes:
        folder: The folder.
    """

    def __init__(
        self, folder: Path, log: "PredictionLog | None", key: str, batching: str, features: "OnlineFeatures | None" = None
    ) -> None:
        super().__init__(str(folder))
        self.folder, self._log, self._key, self._batching, self._features = folder, log, key, batching, features
        self._loading = asyncio.Lock()
        self._loaded: dict[tuple[str, str], LoadedVersion] = {}

    async def load_all(self) -> None:
        """Loads every model that serves. One that cannot be loaded is logged, and keeps no other from serving."""
        for model in serving.served_models(self.folder):
            names = [model, model + CANDIDATE] if serving.read_state(self.folder, model).candidate else [model]
            for name in names:
                try:
                    await self.load(name)
                except TaskError as error:
                    logger.error("cannot serve %s: %s", name, error)
                except Exception:
                    logger.exception("cannot serve %s", name)

    async def load(self, name: str) -> bool:
        """Serves under a name what its model's state file says now.

        Raises:
            ModelNotFound: It says nothing.
            TaskError: The version's files are not those that were released, or the model lacks the defaults of features.
        """
        async with self._loading:
            model = name.removesuffix(CANDIDATE)
            state = serving.read_state(self.folder, model)
            if name != model:
                self.serve(ServedModel(name, await self._version(name, model, state.candidate), key=self._key, features=self._features))
            else:
                await self._serve_stable(model, state)
            self._forget(model, {state.stable, state.candidate, *state.history[: int(state.warm)]})
            return True

    async def _serve_stable(self, model: str, state: ServingState) -> None:
        """Serves the stable version first and then adds the candidate, so that a candidate that does not load blocks no request."""
        stable = await self._version(model, model, state.stable)
        served = self.get(model)
        if served is None or served.stable is not stable:
            self.serve(ServedModel(model, stable, self._log, key=self._key, features=self._features))
            logger.warning("%s serves version %s", model, stable.version)
        shares = state.candidate if state.percent or state.shadow else None
        candidate = await self._version(model, model, shares) if shares else None
        self.serve(ServedModel(model, stable, self._log, candidate, state.percent, state.shadow, self._key, self._features))

    async def _version(self, name: str, model: str, version: str | None) -> LoadedVersion:
        if version is None:
            raise ModelNotFound(name)
        if (model, version) not in self._loaded:
            self._loaded[model, version] = await asyncio.to_thread(_load, self.folder, model, version, self._batching, self._features)
        return self._loaded[model, version]

    def _forget(self, model: str, kept: set[str | None]) -> None:
        self._loaded = {key: loaded for key, loaded in self._loaded.items() if key[0] != model or key[1] in kept}


def _load(folder: Path, model: str, version: str, batching: str, features: "OnlineFeatures | None") -> LoadedVersion:
    """Loads a version, if its files are those that were released, and warms it up: it takes its name without anybody waiting."""
    path = folder / model / version / "model"
    with unchanged(path):
        release = serving.verify_version(folder, model, version)
        saved = SavedModel(path)
    if features:
        features.require_defaults(saved)
    return LoadedVersion(model, version, release, saved, warm_up(saved, release, batching))
