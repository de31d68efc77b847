"""An endpoint that one push at a time changes."""

import json
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from google.api_core import exceptions
from google.api_core.retry import Retry
from google.cloud.aiplatform_v1.types import Endpoint

from penstock.components.protocol import TaskError, figure
from penstock.components.release.vertex import VertexApi
from penstock.components.release.vertex_labels import run_labels

from .models import stable_id

_HOLDER, _SECONDS, _UNTIL = "penstock_lease_holder", "penstock_lease_seconds", "penstock_lease_until"
_MASK = {"paths": ["labels", "description", "traffic_split"]}
_LOOK_SECONDS = 0.5
_NO_ID = "[^a-z0-9-]"
_BUSY = re.compile(r"etag|other operations running", re.IGNORECASE)


class LeaseLost(TaskError):
    """Another push has taken over."""


class VertexEndpoint:
    """One endpoint, by its ID or its display name. Methods raise GoogleAPICallError or GoogleAuthError where the API refuses.

    The lease that keeps other pushes out is three labels: who holds it, for how many seconds, and when it ends by the holder's clock. Two
    machines' clocks differ, so this time only shows whether there was a renewal (0.1.0 also takes it for the time of expiry): an observer
    treats a lease as expired when it has seen no renewal for the lease's duration by its own clock. `update` is guarded: it reads, makes
    sure that the lease is this push's, and writes with the etag of what it read, so that the API refuses after a concurrent change. DeployModel and UndeployModel take no etag;
    they are called in ways that never change the traffic: a model is deployed without any, and the API refuses to undeploy one that
    has some.
    """

    def __init__(self, api: VertexApi, name: str, lease_seconds: float, timeout: float) -> None:
        self._api, self._asked = api, name
        self._lease_seconds, self._timeout = lease_seconds, timeout
        self._holder = secrets.token_hex(8)
        self._renewed = 0.0
        self._busy = Retry(_is_busy, initial=0.05, maximum=5.0, multiplier=2.0, timeout=timeout)
        self.name = ""

    def find(self) -> Endpoint | None:
        """Reads the endpoint. Returns None if it does not exist.

        Raises:
            TaskError: Several have this display name, or it is one that only its own address reaches.
        """
        if self.name:
            return self._get(self.name)
        found = self._get(self.resource) or self._get_by_display_name()
        if found:
            _require_public(found)
            self.name = found.name
        return found

    def read(self) -> Endpoint:
        """Reads the endpoint.

        Raises:
            NotFound: It does not exist.
        """
        if (found := self.find()) is None:
            raise exceptions.NotFound(f"there is no endpoint {self._asked}")
        return found

    def ensure(self, labels: Mapping[str, str]) -> Endpoint:
        """Reads the endpoint, and creates it if it does not exist, with these labels and those of the run.

        Raises:
            TaskError: There is no endpoint with the given ID.
        """
        if found := self.find():
            return found
        if self._asked.isdecimal():
            raise TaskError(
                f"{self._api.uri} has no endpoint {self._asked}; an ID is valid only in its region: check it with `gcloud ai endpoints "
                f"list --region {self._api.location}`"
            )
        endpoint = {"display_name": self._asked, "labels": {**run_labels(), **labels}}
        request = {"parent": self._api.parent, "endpoint": endpoint, "endpoint_id": self.id}
        with suppress(exceptions.AlreadyExists):  # by another push, or this one's first try
            begun = self._api.call(self._api.endpoints.create_endpoint, request)
            self._api.finish(begun.operation.name, self._timeout)
        return self.read()

    def acquire(self) -> None:
        """Takes the lease; one that is held is watched for as long as it lasts, for its holder may be dead.

        Raises:
            TaskError: Another push is in progress.
        """
        started = time.monotonic()
        endpoint = self.ensure(self._lease())
        seen = _held(endpoint)
        until = time.monotonic() + self._duration(endpoint)
        while not self._is_mine(endpoint):
            if _held(endpoint) != seen and endpoint.labels.get(_HOLDER):
                raise TaskError(f"another push to {self._asked} at {self._api.uri} is in progress; push again when it has finished")
            if endpoint.labels.get(_HOLDER) and time.monotonic() < until:
                figure(
                    f"wait for the lease of {seen[0]}, which this push takes over in {until - time.monotonic():.0f} s unless that push "
                    "renews it"
                )
                time.sleep(_LOOK_SECONDS)
            else:
                started = time.monotonic()
                self._take(endpoint)
            endpoint = self.read()
        self._renewed = started

    def release(self) -> None:
        """Gives the lease back if it is still this push's."""

        def forget(endpoint: Endpoint) -> None:
            for label in (_HOLDER, _SECONDS, _UNTIL):
                endpoint.labels.pop(label, None)

        try:
            self.update(forget)
        except LeaseLost:
            return
        except exceptions.GoogleAPICallError as error:
            figure(f"could not release the lease ({error.message}); it expires in {self._lease_seconds:g} s")

    def renew(self) -> None:
        """Renews the lease once half of its time is over.

        Raises:
            LeaseLost: Another push has taken over.
        """
        if time.monotonic() - self._renewed > self._lease_seconds / 2:
            self.update(lambda _: None)

    def update(self, change: Callable[[Endpoint], None]) -> Endpoint:
        """Changes labels, description and traffic split in one call, and renews the lease. The change must be idempotent.

        Raises:
            LeaseLost: Another push has taken over; nothing was changed.
        """

        def attempt() -> Endpoint:
            endpoint = self.read()
            if not self._is_mine(endpoint):
                raise LeaseLost(f"another push to {self._asked} at {self._api.uri} has taken over; check its result, then push again")
            endpoint.labels.update(self._lease())
            change(endpoint)
            return self._write(endpoint)

        started = time.monotonic()
        endpoint = self._patiently(attempt)
        self._renewed = started
        return endpoint

    def _patiently(self, attempt: Callable[[], Endpoint]) -> Endpoint:
        try:
            return self._busy(attempt)()
        except exceptions.RetryError as error:
            raise error.cause or error from error

    def _write(self, endpoint: Endpoint) -> Endpoint:
        return self._api.call(self._api.endpoints.update_endpoint, {"endpoint": endpoint, "update_mask": _MASK})

    def _take(self, endpoint: Endpoint) -> None:
        endpoint.labels.update(self._lease())
        with suppress(exceptions.Aborted, exceptions.FailedPrecondition):  # another client was faster; the next read shows it
            self._write(endpoint)

    def _lease(self) -> dict[str, str]:
        until = int((time.time() + self._lease_seconds) * 1000)
        return {_HOLDER: self._holder, _SECONDS: str(math.ceil(self._lease_seconds)), _UNTIL: str(until)}

    def _duration(self, endpoint: Endpoint) -> float:
        """Returns for how long a lease lasts, as its holder says; for as long as one of ours where it does not say."""
        seconds = endpoint.labels.get(_SECONDS, "")
        return float(seconds) if seconds.isdecimal() else self._lease_seconds

    def _is_mine(self, endpoint: Endpoint) -> bool:
        return endpoint.labels.get(_HOLDER) == self._holder

    @property
    def id(self) -> str:
        """The endpoint's ID: the one that it has, or will have."""
        if self.name:
            return self.name.rpartition("/")[2]
        return self._asked if self._asked.isdecimal() else stable_id(self._asked, _NO_ID)

    @property
    def resource(self) -> str:
        """The endpoint's resource name, by the project's ID."""
        return f"{self._api.parent}/endpoints/{self.id}"

    def _get(self, name: str) -> Endpoint | None:
        try:
            return self._api.call(self._api.endpoints.get_endpoint, {"name": name})
        except exceptions.NotFound:
            return None

    def _get_by_display_name(self) -> Endpoint | None:
        request = {"parent": self._api.parent, "filter": f"display_name={json.dumps(self._asked)}"}
        found = list(self._api.call(self._api.endpoints.list_endpoints, request))
        if len(found) > 1:
            ids = ", ".join(endpoint.name.rpartition("/")[2] for endpoint in found)
            raise TaskError(f"{len(found)} endpoints of {self._api.uri} have the display name {self._asked!r}; give one of the IDs: {ids}")
        return found[0] if found else None


def _held(endpoint: Endpoint) -> tuple[str, str]:
    """Returns who holds a lease, and what is another with each renewal."""
    return endpoint.labels.get(_HOLDER, ""), endpoint.labels.get(_UNTIL, "")


def _is_busy(error: Exception) -> bool:
    """Tells whether another client was faster, or the endpoint has another operation to end first."""
    return isinstance(error, exceptions.Aborted) or (isinstance(error, exceptions.FailedPrecondition) and bool(_BUSY.search(str(error))))


def _require_public(endpoint: Endpoint) -> None:
    if endpoint.dedicated_endpoint_enabled or endpoint.network or endpoint.private_service_connect_config.enable_private_service_connect:
        raise TaskError(
            f"{endpoint.name} is a dedicated or private endpoint, which answers only at its own address; use a shared public one"
        )
