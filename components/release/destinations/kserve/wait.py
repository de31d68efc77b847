"""Waiting for a cluster to follow, and saying why it does not."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from penstock.components.protocol import figure
from penstock.components.release.kubernetes import ClusterError, OutcomeUnknown

from ..destination import StepFailed
from .api import Cluster
from .complaints import Complaints
from .seen import DEPLOYMENT, InferenceService, Seen
from .steps import stopped

FIRST_LOOK_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
# Knative's controller asks the registry which digest a tag has.
_UNRESOLVED = "failed to resolve image to digest"
_NAME_THE_DIGEST = "; give the serving option image with its digest (NAME@sha256:...)"
# What a container waits for that will not come by itself; a first failure to pull is often followed by a success.
_HOPELESS = {
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
# What the scheduler says of a pod without a node (pkg/scheduler/framework/types.go of Kubernetes). Knative counts it as the revision's failure
# until the pod has one, which may be as soon as another pod ends or the cluster has grown.
_WITHOUT_NODE = re.compile(r"0/\d+ nodes are available|no nodes available to schedule pods|Scheduling is blocked")


def wait_until(
    cluster: Cluster,
    complaints: Complaints,
    is_done: Callable[[Seen], bool],
    selector: Callable[[InferenceService], str],
    seconds: float,
    keep: Callable[[], None],
) -> InferenceService:
    """Looks at an InferenceService again and again until it is as it should be.

    Reading it at intervals needs no care for watches that end; an API that gives no answer for a while is asked again.

    Args:
        cluster: The InferenceService's cluster.
        complaints: What KServe says in Events, since before the change.
        is_done: Tells from the object, and from what belongs to it, whether the cluster has followed.
        selector: Gives the label selector of the pods that must start for that; empty if there are none yet.
        seconds: For how long to wait.
        keep: Called at every look: keeps others out.

    Returns:
        The object as it was then.

    Raises:
        StepFailed: It has not become so in time, or cannot any more: why, in Kubernetes' own words.
        TaskError: From `keep`.
    """
    deadline, pause, trouble, reported = time.monotonic() + seconds, FIRST_LOOK_SECONDS, "", ""
    while True:
        keep()
        try:
            service = cluster.read()
            if service is None:
                raise StepFailed("the InferenceService was deleted in the meantime")
            seen = cluster.see(service)
            if is_done(seen):
                return service
            pods = _pods(cluster, selector(service))
            hopeless, trouble = _find_trouble(pods, complaints, seen, selector(service))
            if hopeless:
                raise StepFailed(trouble)
            if (waiting := next(_unscheduled(pods), reported)) != reported:
                figure(f"waiting: {waiting}")
                reported = waiting
        except OutcomeUnknown as failure:
            trouble = str(failure)
        except ClusterError as failure:
            raise StepFailed(str(failure)) from failure
        if time.monotonic() > deadline:
            raise StepFailed(f"KServe did not finish within {seconds:g} s: {trouble or 'it gives no reason'}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _find_trouble(pods: list[Any], complaints: Complaints, seen: Seen, selector: str) -> tuple[bool, str]:
    """Returns whether it is hopeless, and what is wrong, the cause before its consequences."""
    if why := stopped(seen.service):
        return True, why
    found = [
        *_container_troubles(pods),
        *((False, text) for text in _unscheduled(pods)),
        *_deployment_troubles(seen, selector),
        *complaints.look(seen.service),
        *_own_troubles(seen.service, is_new=bool(selector)),
    ]
    hopeless = [text for is_hopeless, text in found if is_hopeless]
    return bool(hopeless), next(iter(hopeless), next((text for _, text in found), ""))


def _pods(cluster: Cluster, selector: str) -> list[Any]:
    """Returns the pods that must start; none without the right to read them, because they only explain a failure."""
    with suppress(ClusterError):
        return cluster.pods(selector) if selector else []
    return []


def _container_troubles(pods: list[Any]) -> Iterator[tuple[bool, str]]:
    for pod in pods:
        for container in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            waiting = container.state.waiting if container.state else None
            if waiting and waiting.reason in _HOPELESS:
                yield True, f"pod {pod.metadata.name}: {waiting.reason}: {_last_words(container) or waiting.message or 'no message'}"


def _unscheduled(pods: list[Any]) -> Iterator[str]:
    """Yields what pods wait for that have no node: another pod's end or a new node may give it to them."""
    for pod in pods:
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.status == "False":
                yield f"pod {pod.metadata.name}: {condition.reason}: {condition.message}"


def _last_words(container: Any) -> str:
    """Returns a container's message from when it last ended; empty if it never ran."""
    ended = container.last_state.terminated if container.last_state else None
    return f"{ended.message or ended.reason} (exit code {ended.exit_code})" if ended else ""


def _deployment_troubles(seen: Seen, selector: str) -> Iterator[tuple[bool, str]]:
    """Yields why a Deployment makes no pods: a quota, or a deadline."""
    name = selector.partition("app=isvc.")[2]
    deployment = (seen.read(DEPLOYMENT, name) if name else None) or {}
    for condition in deployment.get("status", {}).get("conditions") or []:
        if (condition["type"], condition["status"]) in (("ReplicaFailure", "True"), ("Progressing", "False")):
            yield True, f"{condition['reason']}: {condition['message']}"


def _own_troubles(service: InferenceService, *, is_new: bool) -> Iterator[tuple[bool, str]]:
    """Yields what the InferenceService complains of: hopeless only if it names the new revision, for it may be an old complaint."""
    status = service.get("status", {})
    latest = status.get("components", {}).get("predictor", {}).get("latestCreatedRevision", "")
    for condition in status.get("conditions") or []:
        message = condition.get("message") or condition.get("reason")
        if condition["status"] == "False" and message and condition["type"] != "Stopped":
            advice = _NAME_THE_DIGEST if _UNRESOLVED in message else ""
            has_failed = is_new and bool(latest) and latest in message and not _WITHOUT_NODE.search(message)
            yield has_failed, f"{condition['type']}: {message}{advice}"
    failure = status.get("modelStatus", {}).get("lastFailureInfo") or {}
    if failure.get("message"):
        yield False, f"{failure.get('reason', 'the model')}: {failure['message']}"
