"""A repository of Feast: its settings, its definitions and its stores. Only the `feast` family has Feast."""

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from feast import FeatureStore
from feast.diff.property_diff import TransitionType
from feast.diff.registry_diff import FeastObjectDiff, diff_between
from feast.infra.registry.registry import FeastObjectType
from feast.protos.feast.core.DataSource_pb2 import DataSource
from feast.repo_config import RepoConfig
from feast.repo_contents import RepoContents
from feast.repo_operations import parse_repo

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.errors import TaskError

from .user_code import refuse_end
from .user_module import REPOSITORY_SUFFIXES, UserModule, read_module

_WHAT = "feature_repository"
_SETTINGS = "feature_store.yaml"
# What decides about the values of features.
_DEFINING = (
    FeastObjectType.ENTITY,
    FeastObjectType.FEATURE_VIEW,
    FeastObjectType.ON_DEMAND_FEATURE_VIEW,
    FeastObjectType.STREAM_FEATURE_VIEW,
    FeastObjectType.FEATURE_SERVICE,
)


@dataclass(frozen=True)
class FeatureRepository:
    """An open repository, whose folder is the working folder.

    Attributes:
        files: Its definitions and settings; their SHA-256 identifies it.
        folder: Where they are.
        lasts: Whether what is written to the folder outlasts the task.
        settings: What its `feature_store.yaml` says.
        scratch: A folder that does not last.
    """

    files: UserModule
    folder: Path
    lasts: bool
    settings: dict[str, Any]
    scratch: Path

    def defined(self) -> FeatureStore:
        """Returns a store with the definitions of the repository's Python files, which are the registry's if it has no such files.

        Its registry and its online store are empty ones of its own.

        Raises:
            TaskError: The definitions cannot be imported, or do not fit the tables that they name.
        """
        return self._applied()[0] if self.files.sources else self.registered()

    def not_applied(self, store: FeatureStore) -> list[str]:
        """Returns the names of what the Python files define and a store's registry lacks, or has otherwise.

        Raises:
            TaskError: As `defined` does.
        """
        if not self.files.sources:
            return []
        diff = diff_between(store.registry, store.project, self._applied()[1])
        return [each.name for each in diff.feast_object_diffs if each.feast_object_type in _DEFINING and _is_changed(each)]

    def _applied(self) -> tuple[FeatureStore, RepoContents]:
        """Returns a store of the definitions with a registry of its own, and the definitions, with the types that Feast has inferred."""
        own = {"registry": str(self.scratch / "registry.db"), "online_store": {"type": "sqlite", "path": str(self.scratch / "online.db")}}
        store = self._store(self.settings | own)
        with self.explaining("cannot be imported"):
            contents = parse_repo(self.folder)
        with self.explaining("does not fit its tables"):
            store.apply([item for items in contents for item in items])
        return store, contents

    def registered(self) -> FeatureStore:
        """Returns the store with the registry and the online store that the settings name.

        Raises:
            TaskError: The registry cannot be read, or does not exist.
        """
        store = self._store(self.settings)
        registry = store.config.registry.path
        if "://" not in registry and not (self.folder / registry).exists():
            raise TaskError(f"{_WHAT} has no registry at {registry}; run `feast apply` in it, or name another registry in {_SETTINGS}")
        with self.explaining("has a registry that cannot be read"):
            store.refresh_registry()
        return store

    def _store(self, settings: dict[str, Any]) -> FeatureStore:
        with self.explaining(f"has an invalid {_SETTINGS}"):
            config = RepoConfig(**settings)
            config.repo_path = self.folder
            return FeatureStore(config=config)

    @contextmanager
    def explaining(self, problem: str) -> Iterator[None]:
        """Makes what Feast or a definition raises one line, with the line of the definition.

        Raises:
            TaskError: What the block raised.
        """
        try:
            yield
        except TaskError:
            raise
        except SystemExit as end:
            refuse_end(end, f"{_WHAT} {problem}:")
        except Exception as error:  # Feast raises whatever its libraries do
            where = [line for frame in traceback.extract_tb(error.__traceback__) if (line := self._line(frame))]
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            raise TaskError(f"{_WHAT} {problem}: {reason}" + (f" ({where[-1]})" if where else "") + "; correct it") from error

    def _line(self, frame: traceback.FrameSummary) -> str:
        path = Path(frame.filename)
        return f"{path.relative_to(self.folder)}, line {frame.lineno}" if path.is_relative_to(self.folder) else ""


@contextmanager
def open_repository(place: str) -> Iterator[FeatureRepository]:
    """Opens a repository; meanwhile its folder is the working folder, and imports find its files.

    Args:
        place: The path or URI of its folder, or its packed files. A folder of this machine is used where it is, anything else is copied.

    Raises:
        TaskError: It cannot be read, or has no valid settings.
    """
    files = read_module(place, _WHAT, REPOSITORY_SUFFIXES)
    settings = _settings(files)
    lasts = os.path.isdir(local_path(place))  # noqa: PTH112 - takes any text
    with tempfile.TemporaryDirectory(prefix="penstock-features-") as name:
        scratch = Path(name).resolve()
        folder = Path(local_path(place)).resolve() if lasts else scratch / "repository"
        if not lasts:
            files.write(folder)
        with _working_in(folder):
            yield FeatureRepository(files, folder, lasts, settings, scratch)


def _is_changed(found: FeastObjectDiff) -> bool:
    properties = [(_without_times(each.val_existing), _without_times(each.val_declared)) for each in found.feast_object_property_diffs]
    return found.transition_type is TransitionType.CREATE or any(existing != declared for existing, declared in properties)


def _without_times(value: Any) -> Any:
    """Returns a source without the times at which a registry took it; anything else as it is."""
    if not isinstance(value, DataSource):
        return value
    source = DataSource()
    source.CopyFrom(value)
    source.ClearField("meta")
    return source


def _settings(files: UserModule) -> dict[str, Any]:
    if _SETTINGS not in files.files:
        raise TaskError(f"{_WHAT} has no {_SETTINGS}; give the folder that contains it")
    try:
        settings = yaml.safe_load(os.path.expandvars(files.files[_SETTINGS].decode()))  # as Feast reads it
    except (ValueError, yaml.YAMLError) as error:
        raise TaskError(f"{_WHAT}: {_SETTINGS} is no valid YAML ({' '.join(str(error).split())[:300]}); correct it") from error
    if not isinstance(settings, dict):
        raise TaskError(f"{_WHAT}: {_SETTINGS} is not a mapping; write it as Feast's documentation says")
    store = settings.get("offline_store", "dask")
    kind = store.get("type") if isinstance(store, dict) else store
    if kind != "duckdb":
        raise TaskError(
            f"{_WHAT} has the offline_store {str(kind)!r:.60}, but only DuckDB is known to lose no row here; write "
            f"`offline_store: {{type: duckdb}}` in {_SETTINGS}"
        )
    return settings


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Works in a folder, from which modules are imported, and forgets them afterwards."""
    before, known = Path.cwd(), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
        for name in set(sys.modules) - known:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]
