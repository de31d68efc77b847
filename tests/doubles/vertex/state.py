"""What the service remembers."""

import base64
import copy
import itertools
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from google.cloud.aiplatform_v1.types import DeployedModelRef, Endpoint, Model

from .errors import not_found
from .fields import DEFAULT_ALIAS
from .names import Names


@dataclass
class ModelState:
    """A registered model.

    Attributes:
        common: What all its versions share: name, display name, description, labels, times.
        versions: The versions, by id; labels of its own, no name.
        aliases: The version of each alias.
        artifacts: The copy that the service keeps of each version's artifact; no entry for a version without one.
    """

    common: Model
    versions: dict[str, Model] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)


@dataclass
class EndpointState:
    """An endpoint.

    Attributes:
        message: What the service answers.
        servers: The URL that answers V1 predictions, by deployed model.
        credits: Where the spreading of the traffic stands, by deployed model.
    """

    message: Endpoint
    servers: dict[str, str] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)


class State:
    """All models and endpoints of one project in one region.

    Attributes:
        names: The project and the region.
        lock: Held while anything here is read or changed.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lock = threading.RLock()
        self.models: dict[str, ModelState] = {}
        self.endpoints: dict[str, EndpointState] = {}
        self._numbers = itertools.count(1)
        self._last = datetime.now(timezone.utc)

    def now(self) -> datetime:
        """Returns the time; later at each call, so that nothing is as old as anything else."""
        self._last = max(datetime.now(timezone.utc), self._last + timedelta(microseconds=1))
        return self._last

    def new_number(self) -> str:
        """Returns an id of 19 digits, as the service makes them."""
        return str(4_000_000_000_000_000_000 + next(self._numbers) * 7_919_000_000_000_000 % 999_999_999_999_999_989)

    def new_etag(self) -> str:
        """Returns an etag that there has not been."""
        return "AMEw9y" + base64.urlsafe_b64encode(next(self._numbers).to_bytes(24, "big")).decode()

    def endpoint(self, name: str, field: str) -> EndpointState:
        """Finds an endpoint.

        Raises:
            ApiError: The name is none of this location's, or nothing has it.
        """
        key, _ = self.names.key(name, "endpoints", field)
        if key not in self.endpoints:
            raise not_found("Endpoint", self.names.full("endpoints", key))
        return self.endpoints[key]

    def model(self, name: str, field: str) -> tuple[ModelState, str]:
        """Finds a model, and the version that its name means: an id, an alias, or the default one.

        Raises:
            ApiError: The name is none of this location's, or nothing has it.
        """
        key, version = self.names.key(name, "models", field)
        full = self.names.full("models", key)
        if key not in self.models:
            raise not_found("Model", full)
        model = self.models[key]
        version = DEFAULT_ALIAS if version in ("", "-") else version
        version = model.aliases.get(version, version)
        if version not in model.versions:
            raise not_found("Model", f"{full}@{version}")
        return model, version

    def view(self, model: ModelState, version: str, *, with_version: bool = False) -> Model:
        """Returns what the service answers for a version; its name ends with the version where versions are listed."""
        view, own = Model(model.common), Model(model.versions[version])
        own.labels = dict(model.common.labels) | dict(own.labels)
        type(view).pb(view).MergeFrom(type(own).pb(own))
        view.version_aliases = sorted(alias for alias, target in model.aliases.items() if target == version)
        view.deployed_models = self.deployments(model.common.name, version)
        if with_version:
            view.name = f"{view.name}@{version}"
        return view

    def deployments(self, model: str, version: str = "") -> list[DeployedModelRef]:
        """Returns where a model, or one version of it, is deployed."""
        return [
            DeployedModelRef(endpoint=endpoint.message.name, deployed_model_id=deployed.id)
            for endpoint in self.endpoints.values()
            for deployed in endpoint.message.deployed_models
            if deployed.model == model and version in ("", deployed.model_version_id)
        ]

    def saved(self) -> tuple[dict[str, ModelState], dict[str, EndpointState]]:
        """Returns a copy of all models and endpoints."""
        return copy.deepcopy((self.models, self.endpoints))

    def load(self, models: dict[str, ModelState], endpoints: dict[str, EndpointState]) -> None:
        """Makes models and endpoints as they were when they were saved."""
        self.models, self.endpoints = copy.deepcopy((models, endpoints))

    def touch(self, endpoint: EndpointState) -> None:
        """Writes down that an endpoint was changed."""
        endpoint.message.update_time = self.now()
        endpoint.message.etag = self.new_etag()
