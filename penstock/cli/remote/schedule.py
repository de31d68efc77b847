"""`penstock schedule`."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..budget import budget_options, keep_within_budget, price_table
from .options import FILE, connected, run_options, where_options
from .prepared import prepare
from .printing import print_table, say, time_text

if TYPE_CHECKING:
    from ...remote.target import Schedule


@click.group()
def schedule() -> None:
    """Manage schedules on Kubeflow or on Vertex AI.

    Example: penstock schedule create flight_delay_training --target vertex --params vertex.yaml --cron "0 6 * * *"
    """


@schedule.command()
@FILE
@where_options
@run_options
@budget_options
@click.option("--cron", required=True, metavar="CRON", help="Minute, hour, day of the month, month, day of the week.")
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="An IANA time zone, such as Europe/Berlin.")
@click.option(
    "--max-concurrency", default=1, show_default=True, type=click.IntRange(1), help="The maximum number of runs at the same time."
)
@click.option("--catch-up", is_flag=True, help="Start runs that were missed.")
@click.option("--start", type=click.DateTime(), help="The time before which no run starts, in --time-zone.")
@click.option("--end", type=click.DateTime(), help="The time after which no run starts, in --time-zone.")
def create(
    file: Path, cron: str, time_zone: str, max_concurrency: int, catch_up: bool, start: datetime | None, end: datetime | None, **given: Any
) -> None:
    """Create a schedule for a compiled pipeline.

    A budget is for one run, and is checked now: whether a schedule is created, not whether a run of it starts.

    \b
    Examples:
      penstock schedule create flight_delay_training --target vertex --params vertex.yaml --cron "0 6 * * *"
      penstock schedule create flight_delay_training --target kubeflow --params kubeflow.yaml --cron "30 5 * * 1" --time-zone Europe/Berlin
    """
    from ...remote.timetable import timetable

    when = timetable(given["name"], cron, time_zone, max_concurrency, catch_up, start, end)
    prepared = prepare(file, given)
    submission = prepared.submission
    keep_within_budget(given, price_table(given), prepared.target, prepared.pipeline.name, submission.spec, submission.parameters)
    made = prepared.target.create_schedule(submission, replace(when, name=when.name or prepared.pipeline.name))
    say("scheduled", made.id)
    say("page", made.url)
    if made.next_run:
        say("next run", time_text(made.next_run))


@schedule.command("list")
@where_options
def list_schedules(**where: str) -> None:
    """List the schedules.

    Example: penstock schedule list --target kubeflow
    """
    target, _ = connected(where)
    print_table(("id", "name", "state", "cron", "time zone", "next run"), map(_cells, target.schedules()))


def _changing(word: str, verb: str, help_text: str) -> None:
    """Adds a command that changes one schedule."""

    @schedule.command(word, help=f"{help_text}\n\nExample: penstock schedule {word} 3f7a09c1-d2e4-4b53-8f0a-5a1d2c7b9e10 --target kubeflow")
    @click.argument("schedule_id", metavar="SCHEDULE")
    @where_options
    def change(schedule_id: str, **where: str) -> None:
        target, _ = connected(where)
        getattr(target, f"{word}_schedule")(schedule_id)
        say(verb, schedule_id)


_changing("pause", "paused", "Let a schedule make no more runs until it is resumed.")
_changing("resume", "resumed", "Let a schedule make runs again.")
_changing("delete", "deleted", "Delete a schedule; its runs stay.")


def _cells(item: "Schedule") -> tuple[str, ...]:
    return item.id, item.timetable.name, item.state, item.timetable.cron, item.timetable.time_zone, time_text(item.next_run)
