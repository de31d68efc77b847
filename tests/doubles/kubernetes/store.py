"""The objects in a cluster, as a controller sees and changes them: what it reads was watched, and costs no call."""

import datetime
import logging
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3

from ...apiserver.api import MERGE, Api, ApiError

_log = logging.getLogger(__name__)
Object = dict[str, Any]
_STRICT = "Strict"  # a field that the real API does not know is a fault of the double
_PAUSE_SECONDS = 0.1
_CONFLICT = 409


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

    def path(self, namespace: str, name: str = "") -> str:
        """Returns the path of one object, or of all in a namespace."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{place}/{self.plural}{'/' if name else ''}{name}"


class Store:
    """The objects of a cluster; every method may be called from any thread."""

    def __init__(self, api: Api) -> None:
        """Sees and changes objects with a user's rights."""
        self._api = api

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Returns an object.

        Raises:
            ApiError: There is none.
        """
        return self._api.call("GET", resource.path(namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Returns the objects of a kind, of one namespace or of all, by name."""
        listed = self._api.call("GET", resource.path(namespace))
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return sorted((kind | item for item in listed["items"]), key=lambda item: item["metadata"]["name"])

    def create(self, resource: Resource, namespace: str, item: Object) -> Object:
        """Adds an object, with its status if it says one.

        Raises:
            ApiError: There is one of its name, or it is not as it must be.
        """
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        status = item.get("status")
        body = {key: value for key, value in item.items() if key != "status"} | kind
        made = self._api.call("POST", resource.path(namespace), body, fieldValidation=_STRICT)
        return self.replace(resource, namespace, made | {"status": status}, status=True) if status and resource.has_status else made

    def replace(self, resource: Resource, namespace: str, item: Object, *, status: bool = False) -> Object:
        """Replaces an object, or only its status: the version that the given one is of, or whichever there is if it names none.

        Raises:
            ApiError: There is none, or it is newer than the given one, or it is not as it must be.
        """
        path = resource.path(namespace, item["metadata"]["name"])
        if "resourceVersion" in item["metadata"]:
            return self._put(resource, path, item, status)
        while True:
            now_there = self._api.call("GET", path)
            over = now_there | {key: value for key, value in item.items() if key != "metadata"} if status else _over(item, now_there)
            try:
                return self._put(resource, path, over, status)
            except ApiError as error:
                if error.code != _CONFLICT:
                    raise

    def _put(self, resource: Resource, path: str, item: Object, status: bool) -> Object:
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | item
        return self._api.call("PUT", f"{path}/status" if status else path, body, fieldValidation=_STRICT)

    def change(self, resource: Resource, namespace: str, name: str, change: Object) -> Object:
        """Merges a change into an object, whichever version there is: concurrent writes do not hinder it.

        Raises:
            ApiError: There is none, or it is not as it must be.
        """
        return self._api.call("PATCH", resource.path(namespace, name), change, content=MERGE, fieldValidation=_STRICT)

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Removes an object, or leaves that to the owners of its finalizers.

        Raises:
            ApiError: There is none.
        """
        self._api.call("DELETE", resource.path(namespace, name))


class Cache(Store):
    """The same, but what is read was watched; what was written here is read immediately."""

    def __init__(self, api: Api, namespace: str) -> None:
        """Watches what is read, from when it is read first, in one namespace, or in all."""
        super().__init__(api)
        self._namespace = namespace
        self._changed = threading.Event()
        self._watched: dict[Resource, _Watched] = {}
        self._written: dict[tuple[Resource, str, str, bool], tuple[Any, Any]] = {}

    def close(self) -> None:
        """Ends all watches."""
        for watched in self._watched.values():
            watched.closed.set()

    def await_change(self, seconds: float) -> None:
        """Waits for a change since the last call, and no longer than so many seconds."""
        self._changed.wait(seconds)
        self._changed.clear()

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self._of(resource).find(namespace, name)
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return found

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        return self._of(resource).items(namespace)

    def create(self, resource: Resource, namespace: str, item: Object) -> Object:
        made = super().create(resource, namespace, item)
        for status in (False, True):
            self._written[resource, namespace, item["metadata"]["name"], status] = _part(item, status), _part(made, status)
        return self._of(resource).put(made)

    def replace(self, resource: Resource, namespace: str, item: Object, *, status: bool = False) -> Object:
        """Does nothing if this was the last write, and the object has not changed since."""
        watched, name = self._of(resource), item["metadata"]["name"]
        key, asked = (resource, namespace, name, status), _part(item, status)
        there = watched.find(namespace, name)
        if there and self._written.get(key) == (asked, _part(there, status)):
            return there
        made = super().replace(resource, namespace, item, status=status)
        self._written[key] = asked, _part(made, status)
        return watched.put(made)

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        super().delete(resource, namespace, name)
        self._of(resource).drop(namespace, name)

    def _of(self, resource: Resource) -> "_Watched":
        if resource not in self._watched:
            self._watched[resource] = _Watched(self._api, resource, self._namespace, self._changed)
        return self._watched[resource]


class _Watched:
    """The objects of one kind, as the API's last event has them.

    Attributes:
        closed: Set when the watch ends.
    """

    def __init__(self, api: Api, resource: Resource, namespace: str, changed: threading.Event) -> None:
        self.closed = threading.Event()
        self._changed = changed
        self._fault: Exception | None = None
        self._api, self._resource, self._path = api, resource, resource.path(namespace)
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], Object] = {}
        self._gone: set[str] = set()
        self._since = self._read()
        threading.Thread(target=self._run, daemon=True).start()

    def items(self, namespace: str) -> list[Object]:
        with self._now():
            return _copied([item for key, item in sorted(self._objects.items()) if namespace in ("", key[0])])

    def find(self, namespace: str, name: str) -> Object | None:
        with self._now():
            return _copied(self._objects.get((namespace, name)))

    def put(self, item: Object) -> Object:
        """Takes an object as it was written, unless a newer one is there or it is gone."""
        item = {"apiVersion": self._resource.api_version, "kind": self._resource.kind} | _lean(item)
        metadata = item["metadata"]
        with self._lock:
            known = self._objects.get(_key(item), {"metadata": {"resourceVersion": "0"}})
            if metadata["uid"] not in self._gone and int(metadata["resourceVersion"]) > int(known["metadata"]["resourceVersion"]):
                self._objects[_key(item)] = item
                self._changed.set()
        return _copied(item)

    def drop(self, namespace: str, name: str) -> None:
        """Forgets an object that was deleted, unless a finalizer keeps it."""
        with self._lock:
            item = self._objects.get((namespace, name))
            if item and not item["metadata"].get("finalizers"):
                self._forget(item)

    def _read(self) -> str:
        listed = self._api.call("GET", self._path)
        kind = {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
        with self._lock:
            self._objects = {_key(item): kind | _lean(item) for item in listed["items"]}
            self._changed.set()
        return listed["metadata"]["resourceVersion"]

    @contextmanager
    def _now(self) -> Iterator[None]:
        """Holds what there is; raises what has ended the watch, for what was true then may not be any more."""
        if self._fault:
            raise self._fault
        with self._lock:
            yield

    def _run(self) -> None:
        pause = 0.0
        while not self.closed.wait(pause):
            try:
                self._follow()
                pause = 0.0
            except ApiError as error:  # too much has happened since then, or the API is busy
                _log.info("what there is is read again: %s", error)
                self._since, pause = "", _PAUSE_SECONDS
            except urllib3.exceptions.HTTPError as error:  # the API has ended, or this watch has
                _log.info("a watch begins again: %s", error)
                pause = _PAUSE_SECONDS
            except Exception as error:
                self._fault = error
                return

    def _follow(self) -> None:
        """Takes what happens until the API ends the watch; reads first what there is if it is not known since when."""
        self._since = self._since or self._read()
        for event in self._api.watch(self._path, resourceVersion=self._since, timeoutSeconds="60"):
            if self.closed.is_set():
                return
            self._take(event["type"], event["object"])

    def _take(self, kind: str, item: Object) -> None:
        self._since = item["metadata"]["resourceVersion"]
        if kind != "DELETED":
            self.put(item)
            return
        with self._lock:
            self._forget(item)

    def _forget(self, item: Object) -> None:
        """Forgets an object for good: a watch may still tell of it."""
        self._gone.add(item["metadata"]["uid"])
        if (known := self._objects.get(_key(item))) and known["metadata"]["uid"] == item["metadata"]["uid"]:
            del self._objects[_key(item)]
            self._changed.set()


def now() -> str:
    """Returns the time as objects have it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _copied(item: Any) -> Any:
    """Copies what is of JSON, many times faster than `deepcopy`: controllers look at everything many times a second."""
    return pickle.loads(pickle.dumps(item))


def _lean(item: Object) -> Object:
    """Returns an object without what the API notes of who has written what, which is most of it, and which the API keeps for itself."""
    return item | {"metadata": {key: value for key, value in item["metadata"].items() if key != "managedFields"}}


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _over(item: Object, there: Object) -> Object:
    """Returns an object as a change of the one that is there."""
    return item | {"metadata": {"resourceVersion": there["metadata"]["resourceVersion"]} | item["metadata"]}


def _part(item: Object, status: bool) -> Object:
    """Returns a copy of the status of an object, or of all that is not: what one write changes."""
    if status:
        return _copied(item.get("status", {}))
    written = {key: value for key, value in item.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    metadata = {key: item["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences", "finalizers")}
    return _copied(written | metadata)
