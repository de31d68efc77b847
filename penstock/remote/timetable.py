"""The times of a schedule, as the user gives them."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from croniter import croniter

from .target import Timetable

_FIELDS = 5


def timetable(
    name: str, cron: str, time_zone: str, max_concurrency: int, catch_up: bool, start: datetime | None, end: datetime | None
) -> Timetable:
    """Checks what the user gives.

    Raises:
        UsageError: It is not a cron expression of five fields, no time zone, or ends before it starts.
    """
    if len(cron.split()) != _FIELDS or not croniter.is_valid(cron):
        raise click.UsageError(f'{cron!r} is not a cron expression of {_FIELDS} fields, such as "0 6 * * *"')
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.UsageError(f"{time_zone!r} is not a time zone of the IANA database, such as Europe/Berlin") from error
    if start and end and end <= start:
        raise click.UsageError(f"--end {end} is not after --start {start}")
    first, last = (moment.replace(tzinfo=zone) if moment else None for moment in (start, end))
    return Timetable(name, cron, time_zone, max_concurrency, catch_up, first, last)
