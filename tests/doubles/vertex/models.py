"""google.cloud.aiplatform.v1.ModelService."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf.empty_pb2 import Empty

from . import fields
from .errors import already_exists, invalid, not_found, precondition, stale_etag
from .lists import page
from .methods import Methods
from .operations import Operations
from .state import ModelState, State

_IMAGE = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)/[^\s]+")
_PREBUILT_TENSORFLOW = re.compile(r"(us|europe|asia)-docker\.pkg\.dev/vertex-ai(-restricted)?/prediction/tf")
_COMMON_FIELDS = ("display_name", "description", "labels")
_VERSION_FIELDS = ("version_description", "labels")


class ModelService:
    """The model registry.

    Attributes:
        artifacts: Gives the service's own copy of what lies at a gs:// URI; None if there is nothing.
    """

    def __init__(self, state: State, operations: Operations, artifacts: Callable[[str], Path | None]) -> None:
        self.artifacts = artifacts
        self._state = state
        self._operations = operations
        self.methods: Methods = {
            "UploadModel": (self.upload, types.UploadModelRequest),
            "GetModel": (self.get, types.GetModelRequest),
            "ListModels": (self.list, types.ListModelsRequest),
            "ListModelVersions": (self.list_versions, types.ListModelVersionsRequest),
            "UpdateModel": (self.update, types.UpdateModelRequest),
            "MergeVersionAliases": (self.merge_aliases, types.MergeVersionAliasesRequest),
            "DeleteModel": (self.delete, types.DeleteModelRequest),
            "DeleteModelVersion": (self.delete_version, types.DeleteModelVersionRequest),
        }

    def upload(self, request: types.UploadModelRequest) -> Any:
        """Answers UploadModel: a new model, or a new version of the parent model."""
        self._state.names.check_parent(request.parent)
        self._check_model(request.model)
        key = self._key(request)
        name = self._state.names.full("models", key)
        copy = self._copy(request.model)

        def register() -> types.UploadModelResponse:
            with self._state.lock:
                if bool(request.parent_model) != (key in self._state.models):  # a concurrent upload was faster
                    raise not_found("Model", name) if request.parent_model else already_exists("Model", name)
                model = self._state.models.setdefault(key, self._new(name, request.model))
                return types.UploadModelResponse(model=name, model_version_id=self._add(model, request.model, copy))

        return self._operations.begin("UploadModel", request, name, types.UploadModelOperationMetadata(), register)

    def get(self, request: types.GetModelRequest) -> types.Model:
        """Answers GetModel."""
        return self._state.view(*self._state.model(request.name, "name"))

    def list(self, request: types.ListModelsRequest) -> types.ListModelsResponse:
        """Answers ListModels: each model by its default version, the latest first."""
        self._state.names.check_parent(request.parent)
        models = [self._state.view(model, model.aliases[fields.DEFAULT_ALIAS]) for model in self._state.models.values()]
        readers = {"model": lambda model: model.name.rpartition("/")[2], "display_name": lambda model: model.display_name}
        found, token = page(sorted(models, key=lambda model: model.create_time, reverse=True), request, readers)
        return types.ListModelsResponse(models=found, next_page_token=token)

    def list_versions(self, request: types.ListModelVersionsRequest) -> types.ListModelVersionsResponse:
        """Answers ListModelVersions, the latest first."""
        model, _ = self._state.model(request.name, "name")
        versions = [self._state.view(model, version, with_version=True) for version in reversed(model.versions)]
        found, token = page(versions, request, {})
        return types.ListModelVersionsResponse(models=found, next_page_token=token)

    def update(self, request: types.UpdateModelRequest) -> types.Model:
        """Answers UpdateModel: of the model, or of the version if the name has one."""
        model, version = self._state.model(request.model.name, "model.name")
        of_version = "@" in request.model.name and not request.model.name.endswith("@-")
        paths = fields.check_mask(request.update_mask.paths, {*_COMMON_FIELDS, *_VERSION_FIELDS})
        if set(paths) - set(_VERSION_FIELDS if of_version else _COMMON_FIELDS):
            raise precondition(f"Fields {', '.join(paths)} do not belong to what '{request.model.name}' names, a model or a version.")
        fields.check_display_name(request.model.display_name, "model.display_name", required="display_name" in paths)
        fields.check_labels(request.model.labels, "model.labels")
        target = model.versions[version] if of_version else model.common
        if request.model.etag and request.model.etag != model.versions[version].etag:
            raise stale_etag(request.model.etag)
        for path in paths:
            setattr(target, path, getattr(request.model, path))
        self._touch(model, version)
        return self._state.view(model, version)

    def merge_aliases(self, request: types.MergeVersionAliasesRequest) -> types.Model:
        """Answers MergeVersionAliases: moves aliases to a version; a `-` before one takes it away."""
        model, version = self._version(request.name)
        fields.required(request.version_aliases, "version_aliases")
        for alias in request.version_aliases:
            fields.check_alias(alias.removeprefix("-"), "version_aliases")
        fields.check_default_stays(request.version_aliases)
        for alias in request.version_aliases:
            if not alias.startswith("-"):
                model.aliases[alias] = version
            elif model.aliases.get(alias[1:]) == version:
                del model.aliases[alias[1:]]
        self._touch(model, version)
        return self._state.view(model, version)

    def delete(self, request: types.DeleteModelRequest) -> Any:
        """Answers DeleteModel."""
        model, _ = self._state.model(request.name, "name")
        name = model.common.name
        self._check_not_deployed(name, "")

        def remove() -> Empty:
            with self._state.lock:
                self._state.models.pop(name.rpartition("/")[2], None)
            return Empty()

        return self._operations.begin("DeleteModel", request, name, types.DeleteOperationMetadata(), remove)

    def delete_version(self, request: types.DeleteModelVersionRequest) -> Any:
        """Answers DeleteModelVersion."""
        model, version = self._version(request.name)
        if model.aliases[fields.DEFAULT_ALIAS] == version:
            raise precondition(f'The version "{request.name}" is the default version, which cannot be deleted; delete the model instead.')
        self._check_not_deployed(model.common.name, version)

        def remove() -> Empty:
            with self._state.lock:
                model.versions.pop(version, None)
                model.aliases = {alias: target for alias, target in model.aliases.items() if target != version}
            return Empty()

        return self._operations.begin("DeleteModelVersion", request, model.common.name, types.DeleteOperationMetadata(), remove)

    def _key(self, request: types.UploadModelRequest) -> str:
        if request.parent_model:
            if "@" in request.parent_model:
                raise invalid("parent_model", f"'{request.parent_model}' must not name a version.")
            self._state.model(request.parent_model, "parent_model")
            return self._state.names.key(request.parent_model, "models")[0]
        if not request.model_id:
            return self._state.new_number()
        fields.check_model_id(request.model_id)
        if request.model_id in self._state.models:
            raise already_exists("Model", self._state.names.full("models", request.model_id))
        return request.model_id

    def _check_model(self, model: types.Model) -> None:
        fields.check_display_name(model.display_name, "model.display_name")
        fields.check_labels(model.labels, "model.labels")
        for alias in model.version_aliases:
            fields.check_alias(alias, "model.version_aliases")
        container = model.container_spec
        fields.required(container.image_uri, "model.container_spec.image_uri")
        if not _IMAGE.fullmatch(container.image_uri):
            text = f"Image '{container.image_uri}' must be in Artifact Registry or Container Registry."
            raise invalid("model.container_spec.image_uri", text)
        for field in ("predict_route", "health_route"):
            if (route := getattr(container, field)) and not route.startswith("/"):
                raise invalid(f"model.container_spec.{field}", f"The route '{route}' must start with '/'.")
        if any(not 1 <= port.container_port <= 65535 for port in container.ports):
            raise invalid("model.container_spec.ports", "The container port must be in [1, 65535].")

    def _copy(self, model: types.Model) -> Path | None:
        """Copies the artifact, as the service does: what becomes of the original later changes nothing."""
        if not model.artifact_uri:
            return None
        if not model.artifact_uri.startswith("gs://"):
            raise invalid("model.artifact_uri", f"'{model.artifact_uri}' must be a Cloud Storage URI that starts with gs://.")
        if (copy := self.artifacts(model.artifact_uri)) is None:
            raise precondition(f"Cannot find any objects under the artifact URI '{model.artifact_uri}'.")
        if _PREBUILT_TENSORFLOW.match(model.container_spec.image_uri) and not (copy / "saved_model.pb").exists():
            raise precondition(f"Model directory {model.artifact_uri} is expected to contain exactly one of: [saved_model.pb].")
        return copy

    def _new(self, name: str, model: types.Model) -> ModelState:
        now = self._state.now()
        return ModelState(
            types.Model(
                name=name,
                display_name=model.display_name,
                description=model.description,
                labels=model.labels,
                create_time=now,
                update_time=now,
            )
        )

    def _add(self, model: ModelState, given: types.Model, copy: Path | None) -> str:
        version = str(max(map(int, model.versions), default=0) + 1)
        now = self._state.now()
        model.versions[version] = types.Model(
            version_id=version,
            version_description=given.version_description,
            version_create_time=now,
            version_update_time=now,
            labels=given.labels,
            container_spec=given.container_spec,
            artifact_uri=given.artifact_uri,
            predict_schemata=given.predict_schemata,
            supported_deployment_resources_types=[types.Model.DeploymentResourcesType.DEDICATED_RESOURCES],
            etag=self._state.new_etag(),
        )
        if copy:
            model.artifacts[version] = copy
        for alias in [*given.version_aliases, *([] if model.aliases else [fields.DEFAULT_ALIAS])]:
            model.aliases[alias] = version
        model.common.update_time = now
        return version

    def _version(self, name: str) -> tuple[ModelState, str]:
        model, version = self._state.model(name, "name")
        if name.rpartition("@")[2] != version:
            raise invalid("name", f"'{name}' must have a version ID explicitly included.")
        return model, version

    def _touch(self, model: ModelState, version: str) -> None:
        model.common.update_time = model.versions[version].version_update_time = self._state.now()
        model.versions[version].etag = self._state.new_etag()

    def _check_not_deployed(self, name: str, version: str) -> None:
        if places := self._state.deployments(name, version):
            where = ", ".join(place.endpoint for place in places)
            raise precondition(f'The Model "{name}" is deployed or being deployed at the following Endpoint(s): {where}.')
