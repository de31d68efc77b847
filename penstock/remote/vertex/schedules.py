"""Schedules on Vertex AI (https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.schedules)."""

import re

from google.cloud.aiplatform_v1 import PipelineJob
from google.cloud.aiplatform_v1 import Schedule as VertexSchedule

from ..target import Schedule, Timetable

_CRON = re.compile(r"(?:(?:CRON_)?TZ=(?P<zone>\S+)\s+)?(?P<cron>.*)")
_STATES = {VertexSchedule.State.ACTIVE: "active", VertexSchedule.State.PAUSED: "paused"}


def make_schedule(timetable: Timetable, job: PipelineJob, parent: str) -> VertexSchedule:
    """Returns the schedule that makes runs like this one.

    A run that would exceed the limit of concurrent runs is queued if missed runs are to be made up for. What happens to runs missed in a
    pause is decided when the pause ends; until then, `allow_queueing` keeps it. `max_concurrent_run_count`, which is required, counts runs only while
    they are started.

    Args:
        timetable: When.
        job: What.
        parent: The location's resource name.
    """
    return VertexSchedule(
        display_name=timetable.name,
        cron=f"TZ={timetable.time_zone} {timetable.cron}",
        start_time=timetable.start,
        end_time=timetable.end,
        max_concurrent_run_count=timetable.max_concurrency,
        max_concurrent_active_run_count=timetable.max_concurrency,
        allow_queueing=timetable.catch_up,
        create_pipeline_job_request={"parent": parent, "pipeline_job": job},
    )


def read_schedule(schedule: VertexSchedule, url: str) -> Schedule:
    """Returns a schedule as the service answers it.

    Args:
        schedule: The answer.
        url: Its page.
    """
    when = _CRON.fullmatch(schedule.cron)
    timetable = Timetable(
        name=schedule.display_name,
        cron=when["cron"] if when else schedule.cron,
        time_zone=when["zone"] or "UTC" if when else "UTC",
        max_concurrency=schedule.max_concurrent_active_run_count or schedule.max_concurrent_run_count,
        catch_up=schedule.allow_queueing,
        start=schedule.start_time,
        end=schedule.end_time,
    )
    id = schedule.name.rpartition("/")[2]
    return Schedule(id, timetable, _STATES.get(schedule.state, "ended"), url, schedule.next_run_time)
