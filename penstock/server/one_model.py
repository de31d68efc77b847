"""One SavedModel under one name, as KServe and Vertex AI start a server: a new version is a new process."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kserve.errors import ModelNotFound

from penstock.components.data import stored
from penstock.components.protocol.fingerprint import fingerprint
from penstock.components.release.release import Release

from .models import Models, ServedModel
from .saved_model import SavedModel
from .unchanged import unchanged
from .version import LoadedVersion
from .warm_up import warm_up

if TYPE_CHECKING:
    from .online_features import OnlineFeatures
    from .prediction_log import PredictionLog

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


def load_one(
    name: str,
    folder: Path,
    log: "PredictionLog | None",
    key: str,
    expected: str,
    batching: str,
    features: "OnlineFeatures | None" = None,
) -> OneModel:
    """Loads a SavedModel and warms it up.

    Args:
        name: Its name in URLs.
        folder: Where it is.
        log: Where some of the requests and answers are kept.
        key: The field of a request that says what a row is called; empty for none.
        expected: The fingerprint that it must have; empty: any.
        batching: Whether requests are computed together: `auto`, `always`, `never`.
        features: What adds features to requests.

    Raises:
        ValueError: There is no loadable model, or it has another fingerprint.
        TaskError: The folder was written to in the meantime, or the model lacks the defaults of features.
        InvalidInput: It refuses its own probe.
    """
    with unchanged(folder):
        release = _release(folder, expected)
        model = SavedModel(folder)
    if features:
        features.require_defaults(model)
    is_batched = warm_up(model, release, batching)
    models = OneModel(str(folder))
    version = LoadedVersion(name, release.model_version or release.fingerprint[:12], release, model, is_batched)
    models.serve(ServedModel(name, version, log, key=key, features=features))
    return models


def _release(folder: Path, expected: str) -> Release:
    """Returns what is known of the model: its own fingerprint, and what lies beside it."""
    release = Release(fingerprint(folder))
    _require(release, expected or release.fingerprint, "this server was started for")
    record = folder.parent / "release.json"
    if record.is_file():
        known = stored.load_as(Release, record.read_bytes(), f"the record {record}", "push the model again")
        _require(release, known.fingerprint, f"{record} speaks of")
        release = known
    return replace(release, model_version=os.environ.get(VERSION, "") or release.model_version)


def _require(found: Release, wanted: str, who: str) -> None:
    if found.fingerprint != wanted:
        raise ValueError(f"{who} the model {wanted[:12]}, but these are the bytes of {found.fingerprint[:12]}; push the model again")
