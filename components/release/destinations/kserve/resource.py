"""The InferenceService as one push reads it, changes it and waits for it, while a lease keeps others out."""

import copy
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.release.kubernetes import ClusterError, Conflict
from penstock.components.release.names import check_kserve_name, longest_kserve_name

from ..destination import StepFailed
from .api import Cluster
from .complaints import Complaints
from .knative import Knative
from .lease import Lease
from .leftovers import clear_leftovers
from .plane import Address
from .seen import DEPLOYMENT, InferenceService
from .spec import KNATIVE, MODES, STANDARD, check_serving_options, mode_of
from .standard import Standard
from .steps import Mode, Step
from .wait import FIRST_LOOK_SECONDS, wait_until

# Another client may change the object as well: labels manually, the status by the controller.
_ATTEMPTS = 10
_OLD_NAMES = {"Serverless": KNATIVE, "RawDeployment": STANDARD}


class Resource:
    """An InferenceService.

    Attributes:
        cluster: The cluster that it is in.
        where: Its URI, for messages.
        mode_name: Its deployment mode; empty as long as that is unknown.
        mode: What the mode does.
        clients: Where clients are answered; None as long as that is unknown.
        url: Its URL at the gateway; empty as long as KServe has given none.
    """

    def __init__(self, namespace: str, name: str, mode: str, serving: dict[str, Any], timeout: float, call_timeout: float) -> None:
        self._namespace, self._name, self._serving, self._timeout = namespace, name, serving, timeout
        self.where = f"kserve://{namespace}/{name}"
        self.mode_name = ""
        self.mode: Mode
        if mode:
            self.use(mode)
        self.clients: Address | None = None
        self.url = ""
        self.cluster = Cluster(namespace, name, call_timeout)
        self._lease: Lease | None = None

    def acquire(self, seconds: float) -> None:
        """Keeps other pushes out.

        Raises:
            TaskError: Another push is in progress.
            ClusterError: The cluster cannot be asked.
        """
        lease = Lease(self.cluster, math.ceil(seconds))
        lease.acquire()
        self._lease = lease

    def keep(self) -> None:
        """Makes sure that other pushes are still kept out, if they are to be.

        Raises:
            TaskError: Another push has taken the lease.
        """
        if self._lease:
            self._lease.keep()

    def close(self) -> None:
        """Lets other pushes in."""
        if self._lease:
            self._lease.release()
        self.cluster.close()

    def use(self, mode: str) -> None:
        """Takes a mode.

        Raises:
            TaskError: The name is too long for it, or a serving option is nothing for it.
        """
        self.mode_name = _OLD_NAMES.get(mode, mode)
        if self.mode_name not in MODES.values():
            raise TaskError(
                f"{self.where} is deployed in mode {mode}, which Penstock does not support; push to another name with the destination "
                "option mode"
            )
        check_kserve_name("InferenceService", self._name, longest_kserve_name(self._namespace, self.mode_name))
        check_serving_options(self._serving, self.mode_name)
        self.mode = Knative() if self.mode_name == KNATIVE else Standard()

    def read(self) -> InferenceService | None:
        """Reads the InferenceService; one that is being deleted counts as absent, and a push waits until it is deleted.

        Raises:
            TaskError: It is of the other mode.
        """
        service = self.cluster.read()
        if service and "deletionTimestamp" in service["metadata"]:
            if self._lease:
                self.delete(service)
            return None
        if service is None:
            return None
        status = service.get("status", {})
        mode = status.get("deploymentMode", "")
        if not self.mode_name:
            self.use(mode or mode_of(service))
        if mode and _OLD_NAMES.get(mode, mode) != self.mode_name:
            raise TaskError(f"{self.where} is deployed in mode {mode}, which cannot be changed; give that mode")
        self.clients = self.mode.clients_address(service)
        if url := status.get("url", ""):  # of the InferenceService: status.address.url is, in mode standard, of what serves now
            self.url = url
        return service

    def required(self) -> InferenceService:
        """Reads the InferenceService.

        Raises:
            StepFailed: There is none any more, or the cluster cannot be asked.
        """
        service = or_fail(self.read)
        if service is None:
            raise StepFailed(f"{self.where} no longer exists")
        return service

    def write(self, change: Callable[[InferenceService], None]) -> None:
        """Changes the InferenceService as it is now; nothing is written where the change has been made.

        Raises:
            ClusterError: The change is refused, or its outcome is unknown.
        """
        for attempt in range(_ATTEMPTS):
            service = self.required()
            wanted = copy.deepcopy(service)
            change(wanted)
            if wanted == service:
                return
            self.keep()  # after reading: a push that takes over meanwhile changes the object, and this write is refused
            try:
                self.cluster.replace(wanted)
                return
            except Conflict:
                time.sleep(0.05 * attempt)
        raise Conflict(f"{self.where} is changed repeatedly by another client; find that client, then push again")

    def wait(self, step: Step, complaints: Complaints) -> None:
        """Waits until the cluster has followed a change.

        Args:
            step: The change.
            complaints: What KServe says in Events, since before the change.

        Raises:
            StepFailed: It has not, and why.
        """
        selector = self.mode.pod_selector if step.starts_pods else lambda _: ""
        wait_until(self.cluster, complaints, step.is_done, selector, self._timeout, self.keep)

    def take(self, steps: list[Step]) -> None:
        """Makes each change and waits until the cluster has followed.

        Raises:
            StepFailed: A change is refused, or the cluster does not follow.
        """
        for step in steps:
            complaints = Complaints(self.cluster, self.required())
            try:
                self.write(step.change)
            except ClusterError as failure:
                raise StepFailed(str(failure)) from failure
            self.wait(step, complaints)

    def delete(self, service: InferenceService) -> None:
        """Deletes the InferenceService and waits until it is gone."""
        deadline, uid = time.monotonic() + self._timeout, service["metadata"]["uid"]
        while (found := or_fail(self.cluster.read)) is not None and found["metadata"]["uid"] == uid:
            self.keep()
            if time.monotonic() > deadline:
                raise StepFailed(f"{self.where} still exists {self._timeout} s after its deletion")
            try:
                if "deletionTimestamp" not in found["metadata"]:
                    self.cluster.delete(found)
            except Conflict:
                continue
            except ClusterError as failure:
                raise StepFailed(str(failure)) from failure
            time.sleep(FIRST_LOOK_SECONDS)
        self.tidy()

    def tidy(self) -> None:
        """Removes what KServe leaves behind; it is no reason to go back where that fails."""
        if self.mode_name == STANDARD:
            with suppress(ClusterError):
                clear_leftovers(self.cluster, self.cluster.read())

    def check_can_see(self) -> None:
        """Makes sure that what says which pods run may be read, before anything is changed."""
        if self.mode_name == STANDARD:
            or_stop(lambda: self.cluster.see({}).read(DEPLOYMENT, f"{self._name}-predictor"))


def or_stop(act: Callable[[], Any]) -> Any:
    """Acts; a failure ends the task, for nothing has been changed."""
    try:
        return act()
    except ClusterError as failure:
        raise TaskError(str(failure)) from failure


def or_fail(act: Callable[[], Any]) -> Any:
    """Acts; a failure is a reason to roll back."""
    try:
        return act()
    except ClusterError as failure:
        raise StepFailed(str(failure)) from failure
