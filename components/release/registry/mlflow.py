"""MLflow's model registry: a server's, or a local database's."""

import functools
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

from ..tracking import IS_LOCAL, connect
from .registry import RegisteredVersion, Registry

if IS_LOCAL:
    importlib.import_module("mlflow.store.model_registry.sqlalchemy_store")

_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_TAG_LENGTH = 5000  # the longest value that MLflow's database stores
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _mendable(method: _Method) -> _Method:
    """Turns an exception of MLflow into an error that a user can fix."""

    @functools.wraps(method)
    def call(self: "MlflowRegistry", *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except MlflowException as error:
            raise TaskError(
                f"the model registry at {self.uri} rejects the request: {error}; check tracking_uri and that the server runs"
            ) from error

    return call  # type: ignore[return-value]


class MlflowRegistry(Registry):
    """The versions and aliases of one registered model.

    Attributes:
        uri: The tracking server's URI.
    """

    def __init__(self, model_name: str, tracking_uri: str = "") -> None:
        """Opens the registry.

        Args:
            model_name: The registered model's name.
            tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.

        Raises:
            TaskError: Neither is given, or the server does not answer.
        """
        self._mlflow, self.uri = connect(tracking_uri)
        self._name = model_name

    @_mendable
    def aliases(self) -> dict[str, str]:
        """Returns the version behind each alias; empty where the model is not registered."""
        try:
            return {alias: str(version) for alias, version in self._mlflow.get_registered_model(self._name).aliases.items()}
        except MlflowException as error:
            if error.error_code != _NOT_FOUND:
                raise
            return {}

    @_mendable
    def version(self, version: str) -> RegisteredVersion | None:
        """Returns a version; None where it does not exist."""
        try:
            found = self._mlflow.get_model_version(self._name, version)
        except MlflowException as error:
            if error.error_code != _NOT_FOUND:
                raise
            return None
        tags = dict(found.tags)
        registered = found.creation_timestamp / 1000 if found.creation_timestamp else None
        return RegisteredVersion(str(found.version), tags.get("fingerprint", ""), found.source, tags, found.run_id or "", registered)

    @_mendable
    def register(self, fingerprint: str, source: str, tags: dict[str, str], run_id: str = "") -> str:
        """Registers a model's bytes, or finds the version that they have; values of tags are cut at 5,000 characters."""
        tags = {key: redact(value)[:_TAG_LENGTH] for key, value in (tags | {"fingerprint": fingerprint}).items()}
        if (known := self._find(fingerprint)) is None:
            return str(self._mlflow.create_model_version(self._name, source, run_id=run_id or None, tags=tags).version)
        for key, value in tags.items():
            if known.tags.get(key) != value:
                self._mlflow.set_model_version_tag(self._name, known.version, key, value)
        return str(known.version)

    def _find(self, fingerprint: str) -> ModelVersion | None:
        """Returns the version that has these bytes, and makes the registered model if it is new."""
        try:
            self._mlflow.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != _NOT_FOUND:
                raise
            self._mlflow.create_registered_model(self._name)
        found = self._mlflow.search_model_versions(f"name = '{self._name}' AND tags.fingerprint = '{fingerprint}'")
        return min(found, key=lambda version: int(version.version), default=None)

    @_mendable
    def point(self, alias: str, version: str) -> None:
        """Makes an alias point to a version."""
        self._mlflow.set_registered_model_alias(self._name, alias, version)

    @_mendable
    def tag(self, version: str, key: str, value: str) -> None:
        """Sets a tag of a version, cut at 5,000 characters."""
        self._mlflow.set_model_version_tag(self._name, version, key, redact(value)[:_TAG_LENGTH])
