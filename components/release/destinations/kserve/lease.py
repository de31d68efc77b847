"""One push at a time: a Lease of the cluster, beside the InferenceService.

It is not an annotation of the InferenceService, which KServe would copy into its pods: each renewal would restart them all.

Two machines' clocks differ. So an observer treats a lease as expired when it has seen no renewal for the lease's duration by its own monotonic
clock, as client-go's leader election does. `renewTime` shows people the time, and observers that there was a renewal.
"""

import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from penstock.components.protocol import TaskError, figure
from penstock.components.release.kubernetes import ClusterError, Conflict, NotFound, OutcomeUnknown

from .api import Cluster

_logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0


class Lease:
    """The right to change an InferenceService, for some seconds at a time."""

    def __init__(self, cluster: Cluster, seconds: int) -> None:
        self._cluster, self._seconds = cluster, seconds
        self._where = f"kserve://{cluster.namespace}/{cluster.name}"
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._held: dict[str, Any] | None = None
        self._renewed = 0.0
        self._lost = ""
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Takes the lease; one that is held is watched for as long as it lasts, for its holder may be dead.

        Raises:
            TaskError: Its holder is alive: it has renewed the lease meanwhile. Or another push was faster.
            ClusterError: The cluster cannot be asked.
        """
        seen: dict[str, Any] | None = None
        until = 0.0
        while True:
            found = self._read()
            if found is None or _holder(found) in ("", self._holder):  # ours, if the answer to our request was lost
                left = 0.0
            elif seen is None:
                seen, left = found["spec"], self._duration(found)
                until = time.monotonic() + left
                figure(f"wait for the lease of {_holder(found)}, which this push takes over in {left:.0f} s unless that push renews it")
            elif found["spec"] == seen:
                left = until - time.monotonic()
            else:
                raise TaskError(f"another push to {self._where} is in progress ({_holder(found)}); push again when it has finished")
            if left > 0:
                time.sleep(min(WAIT_SECONDS, left))
            elif self._take(found):
                self._thread = threading.Thread(target=self._keep_in_background, daemon=True)
                self._thread.start()
                return

    def keep(self) -> None:
        """Renews the lease once half of its time is over.

        Raises:
            TaskError: Another push has taken it, or it has run out while the cluster gave no answer.
        """
        with self._lock:
            if not self._lost and time.monotonic() - self._renewed >= self._seconds / 2:
                self._lost = self._renew()
            if self._lost:
                raise TaskError(self._lost)

    def release(self) -> None:
        """Releases the lease. If that fails, the lease expires by itself."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
        if self._held is None or self._lost:
            return
        self._held["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            self._replace(self._held)
        except ClusterError as failure:
            _logger.warning("could not release the lease on %s, which expires by itself: %s", self._where, failure)

    def _keep_in_background(self) -> None:
        """Renews the lease while its holder copies a model or waits."""
        while not self._lost and not self._stopping.wait(self._seconds / 4):
            with suppress(TaskError):  # which the holder notices at its next change
                self.keep()

    def _renew(self) -> str:
        """Renews the lease; returns why that is not possible any more, or nothing."""
        try:
            if self._take(self._held):
                return ""
            found = self._read()  # our renewal may have succeeded although the answer was an error
            if found and _holder(found) == self._holder and self._take(found):
                return ""
        except ClusterError as failure:
            has_time = isinstance(failure, OutcomeUnknown) and time.monotonic() - self._renewed < self._seconds
            return "" if has_time else f"this push can no longer keep others out of {self._where}: {failure}"
        return f"another push has taken {self._where} over; this one stops and changes nothing more"

    def _read(self) -> dict[str, Any] | None:
        api = self._cluster
        try:
            lease = api.call(api.leases.read_namespaced_lease, self._name, api.namespace)
        except NotFound:
            return None
        return api.as_json(lease)

    def _take(self, found: dict[str, Any] | None) -> bool:
        """Writes this holder into the lease; False if another client was faster."""
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": self._seconds, "renewTime": _now()}
        started = time.monotonic()
        try:
            if found is None:
                body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
                api = self._cluster
                taken = api.call(api.leases.create_namespaced_lease, api.namespace, body)
            else:
                taken = self._replace(found | {"spec": found.get("spec", {}) | spec})
        except (Conflict, NotFound) as lost:
            if isinstance(lost, NotFound) and found is None:  # the namespace
                raise
            return False
        self._held, self._renewed = self._cluster.as_json(taken), started
        return True

    def _replace(self, lease: dict[str, Any]) -> Any:
        api = self._cluster
        return api.call(api.leases.replace_namespaced_lease, self._name, api.namespace, lease)

    def _duration(self, lease: dict[str, Any]) -> float:
        """Returns for how long a lease lasts, as its holder says; for as long as one of ours where it does not say."""
        return float(lease["spec"].get("leaseDurationSeconds") or self._seconds)

    @property
    def _name(self) -> str:
        return f"penstock-{self._cluster.name}"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _holder(lease: dict[str, Any] | None) -> str:
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""
