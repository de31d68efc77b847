"""Logs of tasks in Cloud Logging (https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list)."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud.aiplatform_v1 import PipelineJob

from ...errors import UserError
from ..target import LogGone, NotYet
from .api import PipelinesApi
from .observed import located_tasks

# The variable by which gcloud and the Cloud SDK's tools know another address, such as a private one.
_ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING"
_BY_PAGE = 1000
_SECONDS = 30.0
# How long after a task's end its lines may still come.
_LATE = timedelta(minutes=2)
_OF_THE_SERVICE = "service"  # lines that the job's machinery writes, not the container


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
    jobs = custom_jobs(job, key)
    words = {
        "resourceNames": [f"projects/{api.project}"],
        "filter": _filter(jobs),
        "orderBy": "timestamp asc",
        "pageSize": _BY_PAGE,
    }
    count = 0
    for entry in _entries(api, words):
        if entry.get("resource", {}).get("labels", {}).get("task_name") != _OF_THE_SERVICE:
            yield from _lines(entry)
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


def _filter(jobs: list[str]) -> str:
    ids = " OR ".join(f'"{job}"' for job in dict.fromkeys(jobs))
    return f'resource.type="ml_job" AND resource.labels.job_id=({ids})'


def _entries(api: PipelinesApi, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
    address = os.environ.get(_ENDPOINT) or "https://logging.googleapis.com/"
    with AuthorizedSession(api.credentials) as session:
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            asked = words | {"pageToken": page["nextPageToken"]}
            response = session.post(f"{address.rstrip('/')}/v2/entries:list", json=asked, timeout=_SECONDS)
            if not response.ok:
                raise exceptions.from_http_response(response)
            page = response.json()
            yield from page.get("entries", [])


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    text = entry.get("textPayload") or entry.get("jsonPayload", {}).get("message") or ""
    yield from str(text).splitlines()
