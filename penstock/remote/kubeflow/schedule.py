"""Schedules, which Kubeflow calls recurring runs."""

from datetime import datetime, timezone
from typing import Any

from ...errors import UserError
from ..target import Timetable
from .times import moment

_SECONDS_FIELD = "0"
# What the server allows (api_converter.go of kubeflow/pipelines).
_MOST_CONCURRENT = 10


def check(timetable: Timetable, time_zone: str) -> None:
    """Checks what Kubeflow can keep.

    Args:
        timetable: When to make runs.
        time_zone: The installation's time zone, in which it reads every schedule.

    Raises:
        UserError: Kubeflow would refuse it, or make runs at other times.
    """
    if timetable.time_zone != time_zone:
        raise UserError(
            f"Kubeflow uses one time zone for all schedules, which is {time_zone} here: give the hours in that time zone "
            f"and --time-zone {time_zone}; or, if the installation's cronScheduleTimezone differs, set schedule_time_zone in the context"
        )
    if not 1 <= timetable.max_concurrency <= _MOST_CONCURRENT:
        raise UserError(f"Kubeflow allows 1 to {_MOST_CONCURRENT} runs of a schedule at the same time, not {timetable.max_concurrency}")
    if "7" in timetable.cron.split()[-1]:
        raise UserError(f"Kubeflow numbers the days of the week from 0 to 6: write Sunday as 0 in {timetable.cron!r}")


def trigger(timetable: Timetable) -> Any:
    """Returns when to make runs (V2beta1Trigger): Kubeflow's cron expressions begin with the seconds."""
    from kfp_server_api import V2beta1CronSchedule, V2beta1Trigger

    cron = f"{_SECONDS_FIELD} {timetable.cron}"
    return V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=cron, start_time=timetable.start, end_time=timetable.end))


def timetable(recurring_run: Any, time_zone: str) -> Timetable:
    """Reads a recurring run of any client. A periodic one is shown as `every N seconds`."""
    cron, periodic = recurring_run.trigger.cron_schedule, recurring_run.trigger.periodic_schedule
    start, end = (getattr(cron or periodic, name, None) for name in ("start_time", "end_time"))
    return Timetable(
        name=recurring_run.display_name,
        cron=_five_fields(cron.cron) if cron else f"every {periodic.interval_second if periodic else '?'} seconds",
        time_zone=time_zone,
        max_concurrency=int(recurring_run.max_concurrency or 1),
        catch_up=not recurring_run.no_catchup,
        start=moment(start),
        end=moment(end),
    )


def state(recurring_run: Any, timetable: Timetable) -> str:
    """Returns `active`, `paused` or `ended`."""
    if timetable.end and timetable.end < datetime.now(timezone.utc):
        return "ended"
    return "active" if recurring_run.status == "ENABLED" else "paused"


def _five_fields(cron: str) -> str:
    """Returns a cron expression without the seconds, where they say nothing."""
    seconds, _, rest = cron.partition(" ")
    return rest if seconds == _SECONDS_FIELD and len(rest.split()) == 5 else cron
