"""The objects of a cluster, their versions, and what has happened to them.

`resourceVersion` is one counter for the whole store, `generation` counts changes of anything but metadata and status, and a change
that changes nothing makes no new version: as etcd and the API server have it.
"""

import copy
import datetime
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import errors

Object = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """A kind of object.

    Attributes:
        group: Its API group; empty for the core.
        version: The group's version.
        plural: Its name in paths.
        kind: Its name in objects.
        namespaced: Whether it lies in a namespace.
        has_status: Whether its status is written through a path of its own only.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    has_status: bool = False

    @property
    def api_version(self) -> str:
        """What objects have as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Event:
    """Something that happened to an object: `ADDED`, `MODIFIED` or `DELETED`."""

    number: int
    type: str
    resource: Resource
    object: Object


class Store:
    """Keeps objects; every method may be called from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._objects: dict[tuple[str, str, str, str], Object] = {}
        self._events: list[Event] = []
        self._version = 0
        self._forgotten = 0

    @property
    def version(self) -> int:
        """The newest version of anything."""
        return self._version

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Returns an object.

        Raises:
            ApiError: There is none.
        """
        with self.changed:
            if found := self._objects.get(_key(resource, namespace, name)):
                return copy.deepcopy(found)
        raise errors.not_found(resource.plural, resource.group, name)

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Returns the objects of a kind, of one namespace or of all, by name."""
        with self.changed:
            found = sorted(self._objects.items())
            mine = [item for key, item in found if key[:2] == (resource.group, resource.plural) and namespace in ("", key[2])]
            return copy.deepcopy(mine)

    def create(self, resource: Resource, namespace: str, item: Object) -> Object:
        """Adds an object.

        Raises:
            ApiError: There is one of its name.
        """
        with self.changed:
            item = copy.deepcopy(item)
            metadata = item["metadata"]
            key = _key(resource, namespace, metadata["name"])
            if key in self._objects:
                raise errors.already_exists(resource.plural, resource.group, metadata["name"])
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
            if resource.namespaced:
                metadata["namespace"] = namespace
            item |= {"apiVersion": resource.api_version, "kind": resource.kind}
            return self._put(key, "ADDED", resource, item)

    def replace(self, resource: Resource, namespace: str, item: Object, *, status: bool = False) -> Object:
        """Replaces an object, or only its status; what the server manages stays as it is.

        Raises:
            ApiError: There is none, or it is newer than the given one.
        """
        with self.changed:
            name = item["metadata"]["name"]
            key = _key(resource, namespace, name)
            old = self.get(resource, namespace, name)
            asked = item["metadata"].get("resourceVersion")
            if asked and asked != old["metadata"]["resourceVersion"]:
                raise errors.conflict(resource.plural, resource.group, name)
            new = old | {"status": item.get("status", {})} if status else _keep_managed(resource, old, copy.deepcopy(item))
            if new == old:
                return old
            if _content(new) != _content(old):
                new["metadata"]["generation"] += 1
            return self._put(key, "MODIFIED", resource, new)

    def delete(self, resource: Resource, namespace: str, name: str, expected: Object | None = None) -> Object:
        """Takes an object away, if it is as expected (`uid`, `resourceVersion`).

        Raises:
            ApiError: There is none, or it is another.
        """
        with self.changed:
            old = self.get(resource, namespace, name)
            if any(old["metadata"][field] != value for field, value in (expected or {}).items()):
                raise errors.conflict(resource.plural, resource.group, name)
            del self._objects[_key(resource, namespace, name)]
            return self._record("DELETED", resource, old)

    def mark_deleted(self, resource: Resource, namespace: str, name: str) -> Object:
        """Gives an object its deletion time; whoever has a finalizer on it takes it away.

        Raises:
            ApiError: There is none.
        """
        with self.changed:
            item = self.get(resource, namespace, name)
            if "deletionTimestamp" in item["metadata"]:
                return item
            item["metadata"]["deletionTimestamp"] = now()
            return self._put(_key(resource, namespace, name), "MODIFIED", resource, item)

    def forget(self) -> None:
        """Drops the history, as etcd's compaction does: a watch from before now is answered with 410 Gone."""
        with self.changed:
            self._forgotten = self._version
            self._events.clear()

    def watch(self, since: int, seconds: float, stopping: threading.Event) -> Iterator[Event | None]:
        """Yields what happens after a version until the time is over; None while nothing does.

        Raises:
            ApiError: That version is forgotten.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not stopping.is_set():
            with self.changed:
                if since < self._forgotten:
                    raise errors.expired(since, self._forgotten)
                news = [event for event in self._events if event.number > since]
                if not news:
                    self.changed.wait(min(0.2, max(0.0, deadline - time.monotonic())))
            if not news:
                yield None
            for event in news:
                since = event.number
                yield event

    def _put(self, key: tuple[str, str, str, str], event: str, resource: Resource, item: Object) -> Object:
        self._objects[key] = item
        return self._record(event, resource, item)

    def _record(self, event: str, resource: Resource, item: Object) -> Object:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self._events.append(Event(self._version, event, resource, copy.deepcopy(item)))
        self.changed.notify_all()
        return copy.deepcopy(item)


def now() -> str:
    """Returns the time as objects have it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _keep_managed(resource: Resource, old: Object, new: Object) -> Object:
    for field in ("uid", "creationTimestamp", "generation", "resourceVersion", "namespace", "deletionTimestamp"):
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    if resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new | {"apiVersion": resource.api_version, "kind": resource.kind}


def _content(item: Object) -> Object:
    return {key: value for key, value in item.items() if key not in ("metadata", "status")}


def _key(resource: Resource, namespace: str, name: str) -> tuple[str, str, str, str]:
    return resource.group, resource.plural, namespace if resource.namespaced else "", name
