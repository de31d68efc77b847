"""What both deployment modes of KServe have in common: the state of an InferenceService, and the steps that change it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from penstock.components.protocol import TaskError

from .plane import Address
from .record import SHARE, KServeVersion, read_version
from .seen import InferenceService, Seen

STOP = "serving.kserve.io/stop"


@dataclass(frozen=True)
class State:
    """What an InferenceService is asked to serve.

    Attributes:
        serving: What has the traffic that is not the candidate's.
        candidate: What is staged.
        percent: The candidate's share of the traffic.
    """

    serving: KServeVersion | None = None
    candidate: KServeVersion | None = None
    percent: int = 0


@dataclass(frozen=True)
class Step:
    """One change of an InferenceService.

    Attributes:
        change: Makes the change in a copy of the object; makes none where it has been made.
        is_done: Whether the cluster says that it has followed.
        starts_pods: Whether it waits for new pods, so that a pod that cannot start ends the waiting.
    """

    change: Callable[[InferenceService], None]
    is_done: Callable[[Seen], bool]
    starts_pods: bool = False


@dataclass(frozen=True)
class WayBack:
    """How a version serves again that did before.

    Attributes:
        bring_up: What brings it up.
        address: Returns where it alone answers then.
        undo: Returns the steps that undo `bring_up`, and then those that tidy up.
        switch: What gives it the traffic.
        tidy: What tidies up.
    """

    bring_up: list[Step]
    address: Callable[[InferenceService], Address]
    undo: Callable[[InferenceService], tuple[list[Step], list[Step]]]
    switch: list[Step]
    tidy: list[Step]


class Mode(Protocol):
    """A deployment mode of KServe."""

    def state(self, service: InferenceService) -> State:
        """Reads the state.

        Raises:
            TaskError: A canary is in progress that Penstock has not made.
        """

    def stage(self, service: InferenceService, version: KServeVersion) -> list[Step]:
        """Puts a version beside the one that serves, without traffic."""

    def why_no_shares(self, seen: Seen) -> str:
        """Says why nothing can have a share of the traffic there; empty if it can, or if that is still unknown."""

    def shift(self, seen: Seen, percent: int) -> list[Step]:
        """Gives the candidate a share of the traffic; 100 makes it what serves."""

    def withdraw(self, service: InferenceService) -> tuple[list[Step], list[Step]]:
        """Takes the traffic from the candidate, and then what is left of it."""

    def go_back(self, seen: Seen, version: KServeVersion) -> WayBack:
        """Has a version serve that did before."""

    def retire(self, service: InferenceService) -> list[Step]:
        """Ends what is kept warm."""

    def clients_address(self, service: InferenceService) -> Address:
        """Returns where clients are answered."""

    def candidate_address(self, service: InferenceService) -> Address:
        """Returns where the candidate alone answers beside what serves."""

    def serving_address(self, service: InferenceService) -> Address:
        """Returns where only what serves answers, or the only version that there is."""

    def pod_selector(self, service: InferenceService) -> str:
        """Returns the label selector of the pods that the latest change has made; empty as long as there are none."""


def first_deployment(service: InferenceService) -> State | None:
    """Returns the state of an InferenceService whose only version has not been promoted; None if it is in another one."""
    predictor = service["spec"]["predictor"]
    version = read_version(predictor)
    if SHARE not in predictor or not version.fingerprint or version.history or version.beside:
        return None
    return State(candidate=version)


def stopped(service: InferenceService) -> str:
    """Says that an InferenceService was stopped: KServe has ended its pods, and starts none; empty if it runs."""
    if (service["metadata"].get("annotations") or {}).get(STOP) != "true":
        return ""
    return f"the InferenceService is stopped: it has the annotation {STOP}; take it away (kubectl annotate inferenceservice NAME {STOP}-)"


def foreign_canary(percent: int) -> TaskError:
    """Returns the error of a canary that another client has made."""
    return TaskError(
        f"the InferenceService has a canary at {percent} % that Penstock did not create; promote or remove it (kubectl), then push again"
    )
