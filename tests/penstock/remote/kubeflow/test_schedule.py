"""Schedules as Kubeflow keeps them: with seconds, in one time zone."""

from datetime import datetime, timedelta, timezone

import pytest
from kfp_server_api import V2beta1CronSchedule, V2beta1PeriodicSchedule, V2beta1RecurringRun, V2beta1Trigger

from penstock.errors import UserError
from penstock.remote.kubeflow import schedule
from penstock.remote.target import Timetable

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
END = datetime(2030, 1, 1, tzinfo=timezone.utc)
WEEKLY = Timetable("weekly", "30 5 * * 1", max_concurrency=2, catch_up=True, end=END)


def recurring_run(trigger: V2beta1Trigger, status: str = "ENABLED") -> V2beta1RecurringRun:
    return V2beta1RecurringRun(display_name="weekly", trigger=trigger, max_concurrency="2", no_catchup=None, status=status)


def test_the_seconds_come_first() -> None:
    assert schedule.trigger(WEEKLY).cron_schedule.cron == "0 30 5 * * 1"


def test_a_schedule_made_here_reads_as_it_was_given() -> None:
    assert schedule.timetable(recurring_run(schedule.trigger(WEEKLY)), "UTC") == WEEKLY


@pytest.mark.parametrize(
    ("trigger", "cron"),
    [
        (V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron="15 0 6 * * ?", start_time=EPOCH)), "15 0 6 * * ?"),
        (V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron="@daily")), "@daily"),
        (V2beta1Trigger(periodic_schedule=V2beta1PeriodicSchedule(interval_second="3600")), "every 3600 seconds"),
    ],
    ids=["seconds", "word", "periodic"],
)
def test_what_was_made_elsewhere_can_be_read(trigger: V2beta1Trigger, cron: str) -> None:
    read = schedule.timetable(recurring_run(trigger), "UTC")
    assert (read.cron, read.start) == (cron, None)


@pytest.mark.parametrize(("status", "days", "state"), [("ENABLED", 1, "active"), ("DISABLED", 1, "paused"), ("ENABLED", -1, "ended")])
def test_says_whether_it_makes_runs(status: str, days: int, state: str) -> None:
    end = datetime.now(timezone.utc) + timedelta(days=days)
    timetable = Timetable("daily", "0 6 * * *", end=end)
    assert schedule.state(recurring_run(schedule.trigger(timetable), status), timetable) == state


def test_another_time_zone_than_the_installations_is_refused() -> None:
    with pytest.raises(UserError, match="--time-zone UTC; or, if the installation's cronScheduleTimezone differs"):
        schedule.check(Timetable("daily", "0 6 * * *", time_zone="Europe/Berlin"), "UTC")
    schedule.check(Timetable("daily", "0 6 * * *", time_zone="Europe/Berlin"), "Europe/Berlin")


@pytest.mark.parametrize(("concurrency", "cron", "message"), [(11, "0 6 * * *", "1 to 10 runs"), (1, "0 6 * * 5-7", "write Sunday as 0")])
def test_what_the_server_would_refuse_is_not_sent(concurrency: int, cron: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schedule.check(Timetable("daily", cron, max_concurrency=concurrency), "UTC")
