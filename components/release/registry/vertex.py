"""The Vertex AI Model Registry."""

import re
from dataclasses import replace

from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Model

from penstock.components.protocol.errors import TaskError

from ..destinations.uri import check_options, split
from ..destinations.vertex.models import Note, VertexModels, read_note
from ..destinations.vertex.spec import Serving
from ..vertex import VertexApi
from .registry import RegisteredVersion, Registry

# It is not documented how long a version description may be; this leaves room for all that a release has to say.
_TAG_LENGTH = 1000
# https://cloud.google.com/vertex-ai/docs/reference/rpc/google.cloud.aiplatform.v1#mergeversionaliasesrequest
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")


class VertexRegistry(Registry):
    """The versions and aliases of one Model.

    URI: `vertex://PROJECT/LOCATION`, with Application Default Credentials that have roles/aiplatform.user. Options:
        api_endpoint: `HOST:PORT` to ask instead of `LOCATION-aiplatform.googleapis.com`.

    What is known of a version, its fingerprint and its tags, is JSON in its version description. The alias `default` is Vertex AI's:
    the first version has it until it is moved, and it cannot be removed. A version is registered with Vertex AI's prebuilt TensorFlow
    container, so that a push that wants no other one deploys this very version.

    Attributes:
        uri: The registry's URI.
    """

    def __init__(self, model_name: str, registry_uri: str) -> None:
        """Names the registry, and asks nothing yet.

        Args:
            model_name: The Model's display name.
            registry_uri: `vertex://PROJECT/LOCATION`.

        Raises:
            TaskError: The URI is invalid.
        """
        _, path, options = split(registry_uri)
        check_options(options, {"api_endpoint"}, "vertex", "registry option")
        project, _, location = path.partition("/")
        self._api = VertexApi(project, location, options.get("api_endpoint", ""))
        self._models = VertexModels(self._api, model_name)
        self._name = model_name
        self.uri = registry_uri

    def aliases(self) -> dict[str, str]:
        """Returns the version behind each alias; empty where the model is not registered."""
        with self._api.errors_as(TaskError, f"read the versions of {self._name}"):
            return {alias: model.version_id for model in self._models.versions() for alias in model.version_aliases}

    def version(self, version: str) -> RegisteredVersion | None:
        """Returns a version; None where it does not exist."""
        with self._api.errors_as(TaskError, f"read version {version} of {self._name}"):
            found = self._models.version(version)
        if found is None:
            return None
        note = read_note(found)
        registered = found.version_create_time.timestamp() if found.version_create_time else None
        source = note.source or found.artifact_uri
        return RegisteredVersion(found.version_id, note.fingerprint, source, dict(note.tags), note.run_id, registered)

    def register(self, fingerprint: str, source: str, tags: dict[str, str], run_id: str = "") -> str:
        """Registers a model's bytes, or finds the version that they have; values of tags are cut at 1,000 characters.

        Raises:
            TaskError: The source is not on Cloud Storage, or the registry refuses.
        """
        known = tags | {"fingerprint": fingerprint}
        note = Note(fingerprint, source, run_id=run_id, tags={key: value[:_TAG_LENGTH] for key, value in known.items()})
        with self._api.errors_as(TaskError, f"register {self._name}"):
            if (found := self._models.find(fingerprint)) is None:
                name = self._models.upload(note, Serving().container(self._api.location, self._name))
                return name.rpartition("@")[2]
        self._change(found, note.tags)
        return found.version_id

    def point(self, alias: str, version: str) -> None:
        """Makes an alias point to a version.

        Raises:
            TaskError: It cannot be an alias of Vertex AI's, there is no such version, or the registry refuses.
        """
        if not _ALIAS.fullmatch(alias):
            raise TaskError(
                f"Vertex AI does not accept the alias {alias!r}; use letters, digits and '-', starting with a lowercase letter and ending "
                "with a lowercase letter or a digit"
            )
        model = self._required(version)
        if alias in model.version_aliases:
            return
        with self._api.errors_as(TaskError, f"make {alias} point to version {version} of {self._name}"):
            try:
                self._models.merge_aliases(model, alias)
            except (exceptions.AlreadyExists, exceptions.FailedPrecondition):  # another version has it
                self._models.merge_aliases(self._required(self.aliases()[alias]), f"-{alias}")
                self._models.merge_aliases(model, alias)

    def tag(self, version: str, key: str, value: str) -> None:
        """Sets a tag of a version, cut at 1,000 characters."""
        self._change(self._required(version), {key: value[:_TAG_LENGTH]})

    def _required(self, version: str) -> Model:
        with self._api.errors_as(TaskError, f"read version {version} of {self._name}"):
            found = self._models.version(version)
        if found is None:
            raise TaskError(f"the registry at {self.uri} has no version {version} of {self._name}; register it with register_model")
        return found

    def _change(self, model: Model, tags: dict[str, str]) -> None:
        note = read_note(model)
        if (changed := replace(note, tags=note.tags | tags)) != note:
            with self._api.errors_as(TaskError, f"tag version {model.version_id} of {self._name}"):
                self._models.describe(model, changed)
