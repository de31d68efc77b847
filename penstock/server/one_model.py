"""One SavedModel under one name, as KServe and Vertex AI start a server: a new version is a new process."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kserve.errors import ModelNotFound

from penstock.components.runtime.fingerprint import fingerprint
from penstock.components.runtime.release import Release

from .models import Models, ServedModel
from .saved_model import SavedModel
from .version import LoadedVersion
from .warm_up import warm_up

if TYPE_CHECKING:
    from .prediction_log import PredictionLog

logger = logging.getLogger(__name__)
VERSION = "PENSTOCK_MODEL_VERSION"


class OneModel(Models):
    """The model that the server was started with."""

    def load(self, name: str) -> bool:
        """Finds it loaded.

        Raises:
            ModelNotFound: It has another name.
        """
        if name not in self.models:
            raise ModelNotFound(name)
        return True


def load_one(name: str, folder: Path, log: "PredictionLog | None") -> OneModel:
    """Loads a SavedModel and warms it up.

    Raises:
        ValueError: There is none that can be served.
        InvalidInput: It refuses its own probe.
    """
    model = SavedModel(folder)
    release = _release(folder)
    warm_up(model, release)
    models = OneModel(str(folder))
    models.serve(ServedModel(name, LoadedVersion(name, release.model_version or release.fingerprint[:12], release, model), log))
    return models


def _release(folder: Path) -> Release:
    """Returns what is known of the model: what lies beside it counts if it speaks of these bytes."""
    release = Release(fingerprint(folder))
    record = folder.parent / "release.json"
    if record.is_file():
        known = Release(**json.loads(record.read_text(encoding="utf-8")))
        if known.fingerprint == release.fingerprint:
            release = known
        else:
            logger.warning("%s speaks of other bytes (%s) than the model's (%s)", record, known.fingerprint[:12], release.fingerprint[:12])
    return replace(release, model_version=os.environ.get(VERSION, "") or release.model_version)
