"""Workers that are the replicas of a CustomJob of Vertex AI.

Its first worker pool has one replica, the chief, its second one the others; Vertex AI sets `TF_CONFIG` in each of them
(https://cloud.google.com/vertex-ai/docs/training/distributed-training). What they print is in Cloud Logging, under the replica's name:
`workerpool0-0`, `workerpool1-0`, `workerpool1-1` and so on.
"""

import json
import logging
import os
import time
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import exponential_sleep_generator
from google.auth.exceptions import GoogleAuthError
from google.cloud.aiplatform_v1.types import CustomJob, JobState, Scheduling, WorkerPoolSpec

from penstock.components.images import own_image
from penstock.components.protocol import TaskError, figure
from penstock.components.protocol.ending import TERMINATED
from penstock.components.release.vertex import FIRST_LOOK_SECONDS, VertexApi, check_accelerator
from penstock.components.release.vertex_labels import run_labels

from . import ENDED
from .bucket import Bucket
from .call import Call
from .vertex_exit import Exit
from .vertex_log import VertexLog, number_of
from .vertex_options import VertexOptions

_LONGEST_LOOK_SECONDS = 10.0
# For how long the last words of a worker may be on their way to Cloud Logging.
_LATE_SECONDS = 30.0
_STARTING = {JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_PENDING}
_ENDED = {
    JobState.JOB_STATE_SUCCEEDED,
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_EXPIRED,
}
_logger = logging.getLogger(__name__)


class Vertex:
    """A region of a project where Vertex AI runs CustomJobs.

    Args:
        project: The project's ID.
        location: The region.
        options: The workers' machines.

    Raises:
        TaskError: Vertex AI has no such region or machines.
    """

    def __init__(self, project: str, location: str, options: VertexOptions) -> None:
        check_accelerator(options.accelerator_type, options.accelerator_count, "workers_at option")
        known = [name.lower() for name, number in Scheduling.Strategy.__members__.items() if number]
        if options.strategy and options.strategy not in known:
            raise TaskError(f"workers_at option strategy {options.strategy!r} is unknown; give one of {', '.join(known)}")
        self._api, self._options = VertexApi(project, location, options.api_endpoint), options

    def train(self, call: Call, workers: int) -> dict[str, Any]:
        """Trains; see `Place`."""
        bucket = Bucket(call, [])
        with self._api.errors_as(TaskError, "train with several workers"), bucket:
            with _RunningJob(self._api, custom_job(self._options, workers, bucket.job), workers) as running:
                running.create()
                running.follow(self._options.start_seconds)
            return bucket.outputs()


def custom_job(options: VertexOptions, workers: int, job: str) -> CustomJob:
    """Returns a CustomJob, under a display name that no other has.

    Args:
        options: The workers' machines.
        workers: The number of workers.
        job: The URI of the job that `remote` takes.
    """
    machine: dict[str, Any] = {"machine_type": options.machine_type}
    if options.accelerator_type:
        machine |= {"accelerator_type": options.accelerator_type, "accelerator_count": options.accelerator_count}
    container = {
        "image_uri": own_image("tf-gpu"),
        "command": ["python", "-m", f"{__package__}.remote"],
        "args": ["--job", job],
        "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}],
    }
    pools = [WorkerPoolSpec(machine_spec=machine, replica_count=count, container_spec=container) for count in (1, workers - 1)]
    return CustomJob(
        display_name=f"penstock-{os.urandom(5).hex()}",
        job_spec={
            "worker_pool_specs": pools,
            # The others cannot go on without one that was started again.
            "scheduling": {"restart_job_on_worker_restart": True, "strategy": options.strategy.upper() or None},
            "service_account": options.service_account,
            "network": options.network,
        },
        encryption_spec={"kms_key_name": options.encryption_key} if options.encryption_key else None,
        labels=run_labels() | {"managed-by": "penstock"} | options.labels,
    )


class _RunningJob:
    """A CustomJob; use it as a context manager, which cancels it unless it has ended."""

    def __init__(self, api: VertexApi, job: CustomJob, workers: int) -> None:
        self._api, self._job, self._workers = api, job, workers
        self._log: VertexLog | None = None
        self._may_run = False

    def __enter__(self) -> "_RunningJob":
        """Nothing is created yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancels it, also while the task is being ended."""
        if not self._may_run:
            return
        try:
            job = self._job if self._job.name else self._api.call(self._find, {})
            if job:
                self._api.call(self._api.custom_jobs.cancel_custom_job, {"name": job.name})
        except (exceptions.NotFound, exceptions.FailedPrecondition):  # it was deleted, or has just ended
            return
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            _logger.warning("CustomJob %s cannot be canceled (%s): cancel it", self._job.display_name, self._api.explain(error))

    @property
    def _id(self) -> str:
        return self._job.name.rpartition("/")[2]

    def create(self) -> None:
        """Creates it; a repeated request makes no second one."""
        requests = 0

        def make(request: dict[str, Any], **options: Any) -> CustomJob:
            nonlocal requests
            requests += 1
            return (requests > 1 and self._find(**options)) or self._api.custom_jobs.create_custom_job(request=request, **options)

        self._may_run = True  # the task can be ended after Vertex AI has created it and before the answer is here
        try:
            self._job = self._api.call(make, {"parent": self._api.parent, "custom_job": self._job})
        except exceptions.ClientError:
            self._may_run = requests > 1  # an earlier request may have had its effect
            raise
        self._log = VertexLog(self._api, self._id)
        figure(f"CustomJob {self._id} asks for {self._workers} workers")

    def follow(self, start_seconds: float) -> None:
        """Waits until it has ended well, and shows the chief's log meanwhile.

        Raises:
            TaskError: A worker failed or does not start, or somebody ended it.
            GoogleAPICallError: Vertex AI refuses to tell.
        """
        assert self._log
        deadline = time.monotonic() + start_seconds
        for pause in exponential_sleep_generator(FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS):
            self._look()
            self._log.show()
            if self._job.state == JobState.JOB_STATE_SUCCEEDED:
                return
            if not self._may_run:
                raise TaskError(self._failure())
            if self._job.state in _STARTING and time.monotonic() > deadline:
                raise TaskError(
                    f"CustomJob {self._id} does not run within {start_seconds:g} s, its state is {self._job.state.name}: there may be no such "
                    "machines in the region, or no quota; give other machines, or set start_seconds"
                )
            time.sleep(pause)

    def _find(self, request: Any = None, **options: Any) -> CustomJob | None:
        """Returns the job of this display name; None if there is none."""
        words = {"parent": self._api.parent, "filter": f"display_name={json.dumps(self._job.display_name)}"}
        return next(iter(self._api.custom_jobs.list_custom_jobs(request=words, **options)), None)

    def _look(self) -> None:
        try:
            self._job = self._api.call(self._api.custom_jobs.get_custom_job, {"name": self._job.name})
        except exceptions.NotFound as missing:
            self._may_run = False
            raise TaskError(f"CustomJob {self._id} was deleted while it trained; run the task again") from missing
        self._may_run = self._job.state not in _ENDED

    def _failure(self) -> str:
        """Returns why it failed: what a worker said itself, if it did."""
        if self._job.state != JobState.JOB_STATE_FAILED:
            how = "was canceled" if self._job.state == JobState.JOB_STATE_CANCELLED else "was ended after the longest time that it may take"
            return f"CustomJob {self._id} {how}; run the task again"
        end = Exit.read(self._job.error.message)
        if end and end.code == TERMINATED:
            return f"{self._worker(end.replica)} {ENDED}"
        if end and end.reason:
            return f"{self._worker(end.replica)}: {end.reason}"
        assert self._log
        if said := self._log.first_reason(_LATE_SECONDS if end is None or end.code == 1 else 0.0):
            return f"{self._worker(said.replica)}: {said.text}"
        if end:
            return f"{self._worker(end.replica)} {end}; see the log of CustomJob {self._id}"
        return f"CustomJob {self._id} failed: {' '.join(self._job.error.message.split()) or 'Vertex AI gives no reason'}; see its log"

    def _worker(self, replica: str) -> str:
        return f"worker {number_of(replica)} of {self._workers}"
