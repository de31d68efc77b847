"""Logs of tasks in Cloud Logging."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from google.cloud.aiplatform_v1 import PipelineJob

from penstock.components.release.vertex_logs import entries, lines_of

from ...errors import UserError
from ..target import LogGone, NotYet
from .api import PipelinesApi
from .observed import located_tasks

# How long after a task's end its lines may still come.
_LATE = timedelta(minutes=2)


def read_log(api: PipelinesApi, job: PipelineJob, key: str) -> Iterator[str]:
    """Yields what a task's container printed, all its attempts one after the other.

    Args:
        api: Who asks.
        job: The run.
        key: The task's, as `TaskState.key`.

    Raises:
        NotYet: The task's lines are still to come.
        LogGone: Its log is gone.
        UserError: There is no such task, or it has no log.
        GoogleAPICallError: Cloud Logging refuses.
    """
    count = 0
    for entry in entries(api, custom_jobs(job, key)):
        yield from lines_of(entry)
        count += 1
    if not count:
        raise (NotYet if _has_just_ended(job, key) else LogGone)(
            f"Cloud Logging has no lines of {key}: they arrive up to a minute late, and the default retention is 30 days"
        )


def custom_jobs(job: PipelineJob, key: str) -> list[str]:
    """Returns the IDs of the jobs that a task's container ran in, one for each attempt."""
    tasks = {task.key: task for task in located_tasks(job) if "dag" not in task.component}
    if key not in tasks:
        raise UserError(f"the run has not started task {key}; it has started {', '.join(sorted(tasks)) or 'none'}")
    executor = tasks[key].detail.executor_detail
    container, custom = executor.container_detail, executor.custom_job_detail
    names = [*container.failed_main_jobs, container.main_job, *custom.failed_jobs, custom.job]
    found = [name.rpartition("/")[2] for name in names if name]
    if not found:
        raise UserError(f"{key} has no log: its container has not started, or its outputs came from the cache")
    return found


def _has_just_ended(job: PipelineJob, key: str) -> bool:
    ends = (task.detail.end_time.ToDatetime(timezone.utc) for task in located_tasks(job) if task.key == key)
    return any(datetime.now(timezone.utc) - end < _LATE for end in ends)
