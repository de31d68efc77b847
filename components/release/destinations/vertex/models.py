"""The versions of a Model in the Vertex AI Model Registry."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Model, ModelContainerSpec, UploadModelResponse

from penstock.components.data import stored
from penstock.components.data.stored import Stored
from penstock.components.protocol import TaskError
from penstock.components.release.vertex import TIMEOUT_SECONDS, VertexApi
from penstock.components.release.vertex_labels import run_labels

_LABEL_LENGTH = 63


@dataclass(frozen=True)
class Note(Stored):
    """What is known of a version: its version description, as JSON, which no other version shares.

    Attributes:
        fingerprint: The SHA-256 of the model's bytes; empty where another client has uploaded it.
        source: The URI of the model artifact.
        image: The serving container: its image and its options.
        run_id: The run that made it; empty for none.
        tags: What else to know.
    """

    fingerprint: str = ""
    source: str = ""
    image: str = ""
    run_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)


class VertexModels:
    """One Model and its versions. A method raises GoogleAPICallError or GoogleAuthError where the API refuses."""

    def __init__(self, api: VertexApi, model_name: str, timeout: float = TIMEOUT_SECONDS) -> None:
        """Names the Model, and asks nothing yet.

        Args:
            api: Where it is.
            model_name: Its display name.
            timeout: For how many seconds an upload may take.
        """
        self._api, self._name, self._timeout = api, model_name, timeout

    def versions(self) -> list[Model]:
        """Returns all versions, the oldest first; none where there is no such Model."""
        if (parent := self._parent()) is None:
            return []
        found = self._api.call(self._api.models.list_model_versions, {"name": parent})
        return sorted(found, key=lambda model: int(model.version_id))

    def version(self, version: str) -> Model | None:
        """Returns a version; None where it does not exist."""
        return next((model for model in self.versions() if model.version_id == version), None)

    def find(self, fingerprint: str, image: str = "") -> Model | None:
        """Returns the first version that has these bytes, and this serving container if one is named."""
        notes = ((model, read_note(model)) for model in self.versions())
        return next((model for model, note in notes if note.fingerprint == fingerprint and image in ("", note.image)), None)

    def upload(self, note: Note, container: ModelContainerSpec, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Uploads a version, unless one with these bytes and this container is there.

        Args:
            note: What is known of it; its source is where Vertex AI finds the SavedModel.
            container: The serving container.
            meanwhile: Called again and again as long as it takes.

        Returns:
            The version's resource name, which ends with `@VERSION`.

        Raises:
            TaskError: The source is not on Cloud Storage.
        """
        if not note.source.startswith("gs://"):
            raise TaskError(
                f"Vertex AI reads models from Cloud Storage only, not from {note.source!r}; name a bucket by storage=gs://BUCKET/PATH"
            )
        note = replace(note, image=" ".join([container.image_uri, *container.args]))
        if found := self.find(note.fingerprint, note.image):
            return version_name(found)
        model = Model(
            display_name=self._name,
            artifact_uri=note.source,
            container_spec=container,
            version_description=write_note(note),
            labels=run_labels() | {"penstock_fingerprint": note.fingerprint[:_LABEL_LENGTH]},
        )
        parent = self._parent()
        target = {"parent_model": parent} if parent else {"model_id": stable_id(self._name, "[^a-z0-9_-]")}
        request = {"parent": self._api.parent, "model": model, **target}
        try:
            begun = self._api.call(self._api.models.upload_model, request)
            operation = self._api.finish(begun.operation.name, self._timeout, meanwhile)
        except exceptions.AlreadyExists:  # the first version of this Model, from another upload or this one's first try
            return self.upload(note, container, meanwhile)
        response = UploadModelResponse.pb(UploadModelResponse())
        operation.response.Unpack(response)
        return f"{response.model}@{response.model_version_id}"

    def describe(self, model: Model, note: Note) -> None:
        """Replaces what is known of a version, if it is still as it was read."""
        changed = Model(name=version_name(model), version_description=write_note(note), etag=model.etag)
        self._api.call(self._api.models.update_model, {"model": changed, "update_mask": {"paths": ["version_description"]}})

    def disown(self, name: str) -> None:
        """Removes the fingerprint of a version, so that no search finds it."""
        model = self._api.call(self._api.models.get_model, {"name": name})
        self.describe(model, replace(read_note(model), fingerprint=""))

    def merge_aliases(self, model: Model, *aliases: str) -> None:
        """Gives a version aliases, or takes those away that have a `-` in front."""
        self._api.call(self._api.models.merge_version_aliases, {"name": version_name(model), "version_aliases": aliases})

    def _parent(self) -> str | None:
        """Returns the Model's resource name: the one that Penstock made, or else the oldest with this display name."""
        name = f"{self._api.parent}/models/{stable_id(self._name, '[^a-z0-9_-]')}"
        try:
            return self._api.call(self._api.models.get_model, {"name": name}).name.partition("@")[0]
        except exceptions.NotFound:
            request = {"parent": self._api.parent, "filter": f"display_name={json.dumps(self._name)}"}
            found = sorted(self._api.call(self._api.models.list_models, request), key=lambda model: model.create_time)
            return found[0].name.partition("@")[0] if found else None


def version_name(model: Model) -> str:
    """Returns the resource name of a version, which ends with `@VERSION` whatever the API's answer had."""
    return f"{model.name.partition('@')[0]}@{model.version_id}"


def read_note(model: Model) -> Note:
    """Reads what is known of a version; nothing where another client has described it.

    Raises:
        TaskError: It is malformed, or a newer version of Penstock has written it.
    """
    what, remedy = f"the description of version {model.version_id} of {model.name}", "restore it, or delete the version"
    try:
        content = stored.load(model.version_description, what, remedy)
    except stored.Malformed:
        return Note()
    return stored.from_object(Note, content, what, remedy) if "fingerprint" in content else Note()


def write_note(note: Note) -> str:
    """Writes what `read_note` reads."""
    return stored.dump(note, sort_keys=True)


def stable_id(name: str, forbidden: str) -> str:
    """Makes the same resource ID of the same name, and others of others: at most 63 characters, the first a letter.

    Args:
        name: Any text.
        forbidden: A regular expression for characters that an ID of this kind cannot have.
    """
    plain = re.sub(forbidden, "-", name.lower())
    if plain == name and len(plain) <= _LABEL_LENGTH and re.fullmatch("[a-z](.*[a-z0-9])?", plain):
        return plain
    return f"m-{plain[:48].strip('-_')}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
