"""Workers that are pods of a TrainJob of Kubeflow Trainer v2 (trainer.kubeflow.org/v1alpha1).

Trainer makes a JobSet of the TrainJob's name, whose job `node` has as many pods as `numNodes` (jobset.go, plainml.go): Indexed, so that each
pod has its number in `JOB_COMPLETION_INDEX` and the host name `NAME-node-0-INDEX`, in the subdomain that is the JobSet's name. The runtime
that the TrainJob names says everything else of the pods: account, secrets, resources.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client

from penstock.components.images import own_image
from penstock.components.protocol import TaskError, figure
from penstock.components.protocol.ending import TERMINATED
from penstock.components.protocol.marks import ERROR
from penstock.components.release.kubernetes import Api, ClusterError, NotFound, Refused

from . import ENDED
from .bucket import Bucket
from .call import Call
from .chief import pass_on

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
PORT = 2222
_OF_JOBSET = "jobset.sigs.k8s.io/jobset-name"
_INDEX = "batch.kubernetes.io/job-completion-index"
_CALL_SECONDS = 30.0
_POLL_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Kubeflow:
    """A namespace in which Kubeflow Trainer runs TrainJobs.

    Args:
        namespace: The namespace.
        runtime: The TrainingRuntime of the pods.
        start_seconds: How long all pods may take until they run.
    """

    def __init__(self, namespace: str, runtime: str, start_seconds: float) -> None:
        self._namespace, self._runtime, self._start_seconds = namespace, runtime, start_seconds

    def train(self, call: Call, workers: int) -> dict[str, Any]:
        """Trains; see `Place`."""
        name = f"penstock-{os.urandom(5).hex()}"
        addresses = [f"{name}-node-0-{index}.{name}:{PORT}" for index in range(workers)]
        bucket = Bucket(call, addresses)
        api = Api(_CALL_SECONDS)
        try:
            with _explained(), bucket:
                with _TrainJob(api, self._namespace, name, workers) as job:
                    job.create(self._runtime, bucket.job)
                    job.follow(self._start_seconds)
                return bucket.outputs()
        finally:
            api.close()


@contextmanager
def _explained() -> Iterator[None]:
    """Makes an error of the cluster the task's."""
    try:
        yield
    except ClusterError as error:
        raise TaskError(str(error)) from error


class _TrainJob:
    """A TrainJob; use it as a context manager, which deletes it."""

    def __init__(self, api: Api, namespace: str, name: str, workers: int) -> None:
        self._call, self._namespace, self._name, self._workers = api.call, namespace, name, workers
        self._objects, self._core = client.CustomObjectsApi(api.client), client.CoreV1Api(api.client)
        self._log = _Log(self)
        self._may_exist = False

    def __enter__(self) -> "_TrainJob":
        """Nothing is created yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes it with its pods, also while the task is being ended."""
        if not self._may_exist:
            return
        try:
            self._call(self._objects.delete_namespaced_custom_object, GROUP, VERSION, self._namespace, PLURAL, self._name)
        except NotFound:
            return
        except ClusterError as error:
            _logger.warning("TrainJob %s cannot be deleted (%s): delete it", self._name, error)

    def create(self, runtime: str, job: str) -> None:
        """Creates it.

        Raises:
            TaskError: This cluster has no Kubeflow Trainer.
            ClusterError: The cluster refuses it.
        """
        trainer = {
            "image": own_image("tf-gpu"),
            "command": ["python", "-m", f"{__package__}.remote"],
            "args": ["--job", job],
            "numNodes": self._workers,
        }
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "TrainJob",
            "metadata": {"name": self._name, "labels": {"app.kubernetes.io/managed-by": "penstock"}},
            "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": runtime}, "trainer": trainer},
        }
        self._may_exist = True  # the task can be ended after the cluster has created it and before the answer is here
        try:
            create = self._objects.create_namespaced_custom_object
            self._call(create, GROUP, VERSION, self._namespace, PLURAL, body, field_validation="Strict")
        except Refused as error:
            self._may_exist = False
            if isinstance(error, NotFound) and not error.is_object:
                raise TaskError(f"this cluster has no {PLURAL}.{GROUP}; install Kubeflow Trainer v2, or use workers_at=local://") from error
            raise
        figure(f"TrainJob {self._name} asks for {self._workers} workers")

    def follow(self, start_seconds: float) -> None:
        """Waits until it has ended well, and shows the chief's log meanwhile.

        Raises:
            TaskError: A worker failed or does not start, or somebody deleted it.
        """
        deadline = time.monotonic() + start_seconds
        while True:
            conditions = self._conditions()
            pods = self._pods()
            self._log.show(pods)
            if failed := _first_failed(pods):
                raise TaskError(self._failure(failed))
            if "Failed" in conditions:
                raise TaskError(f"TrainJob {self._name} failed: {conditions['Failed']}; see its events")
            if "Complete" in conditions:
                return
            waiting = [pod for pod in pods if pod.status.phase == "Pending"]
            if len(pods) == self._workers and not waiting:
                deadline = float("inf")
            if time.monotonic() > deadline:
                raise TaskError(self._not_started(waiting, start_seconds))
            time.sleep(_POLL_SECONDS)

    def text(self, pod: Any, **options: Any) -> str:
        """Returns a part of a pod's log."""
        return self._call(self._core.read_namespaced_pod_log, pod.metadata.name, self._namespace, **options)

    def _conditions(self) -> dict[str, str]:
        """Returns the messages of the conditions that hold."""
        try:
            found = self._call(self._objects.get_namespaced_custom_object, GROUP, VERSION, self._namespace, PLURAL, self._name)
        except NotFound as missing:
            raise TaskError(f"TrainJob {self._name} was deleted while it trained; run the task again") from missing
        conditions = found.get("status", {}).get("conditions", [])
        return {one["type"]: one["message"] for one in conditions if one["status"] == "True"}

    def _pods(self) -> list[Any]:
        """Returns the pods, by number."""
        selector = f"{_OF_JOBSET}={self._name}"
        found = self._call(self._core.list_namespaced_pod, self._namespace, label_selector=selector).items
        return sorted(found, key=_number)

    def _failure(self, pod: Any) -> str:
        """Returns why a worker failed: its own last words are the container's termination message."""
        end = _end(pod)
        who = f"worker {_number(pod)} of {self._workers}"
        if end is None:
            return (
                f"{who} was ended by the cluster: {pod.status.reason or 'no reason'} {pod.status.message or ''}".rstrip()
                + "; run the task again"
            )
        if end.exit_code == TERMINATED:
            return f"{who} {ENDED}"
        if end.message:
            return f"{who}: {' '.join(end.message.split())}"
        lines = [line for line in self.text(pod, tail_lines=1).splitlines() if line.strip()]
        last = lines[-1].removeprefix(ERROR) if lines else "it printed nothing"
        return f"{who} ended with exit code {end.exit_code} ({end.reason}): {last}; see its log"

    def _not_started(self, waiting: list[Any], seconds: float) -> str:
        if not waiting:
            return f"TrainJob {self._name} has no pods after {seconds:g} s; see its events, and those of its Job, for a quota or a missing runtime"
        pod = waiting[0]
        return f"worker {_number(pod)} of {self._workers} does not start within {seconds:g} s: {_why_pending(pod)}; correct that, or set start_seconds"


class _Log:
    """What the chief prints, each line once: its figures are the task's."""

    def __init__(self, job: _TrainJob) -> None:
        self._job, self._last, self._asked = job, "", time.time()

    def show(self, pods: list[Any]) -> None:
        """Prints what is new."""
        chief = next((pod for pod in pods if _number(pod) == 0 and pod.status.phase != "Pending"), None)
        if chief is None:
            return
        asked, self._asked = self._asked, time.time()
        seconds = max(1, int(self._asked - asked) + 10) if self._last else None
        options = {"since_seconds": seconds} if seconds else {}
        for line in self._job.text(chief, timestamps=True, **options).splitlines():
            stamp, _, said = line.partition(" ")
            if stamp > self._last:
                self._last = stamp
                pass_on(said)


def _number(pod: Any) -> int:
    return int(pod.metadata.labels.get(_INDEX, 0))


def _end(pod: Any) -> Any | None:
    """Returns how a pod's container ended; None if it has not."""
    return next((one.state.terminated for one in pod.status.container_statuses or [] if one.state.terminated), None)


def _first_failed(pods: list[Any]) -> Any | None:
    """Returns the pod that failed first: the others fail because it is gone."""
    ends = [(end.finished_at, _number(pod), pod) for pod in pods if pod.status.phase == "Failed" and (end := _end(pod)) and end.finished_at]
    return min(ends)[-1] if ends else next((pod for pod in pods if pod.status.phase == "Failed"), None)


def _why_pending(pod: Any) -> str:
    """Returns why a pod does not run, as its container or the scheduler says."""
    for one in pod.status.container_statuses or []:
        if one.state.waiting:
            return " ".join(filter(None, (one.state.waiting.reason, one.state.waiting.message)))
    unscheduled = [one for one in pod.status.conditions or [] if one.type == "PodScheduled" and one.status == "False"]
    return unscheduled[0].message if unscheduled else "the cluster gives no reason"
