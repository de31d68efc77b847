"""`penstock schedule`: runs by the clock."""

import re

import pytest

from ..pipelines import compiled, gate, to
from .backends import Backend
from .person import Person

DAILY = ("--cron", "0 6 * * *")


def create(person: Person, *options: str):
    """Types `penstock schedule create` for a pipeline."""
    return person.types("schedule", "create", compiled(gate, person.folder), "-p", f"folder={to(person.folder)}", *options)


def listed(person: Person) -> list[list[str]]:
    """Returns the cells of `penstock schedule list`, without the heads."""
    done = person.types("schedule", "list")
    assert done.returncode == 0, done.stderr
    heads, *lines = (re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines())
    assert heads == ["id", "name", "state", "cron", "time zone", "next run"]
    return lines


def test_a_schedule_is_made_listed_paused_resumed_and_deleted(backend: Backend, person: Person) -> None:
    assert listed(person) == []
    made = create(
        person, *DAILY, "--name", "nightly", "--max-concurrency", "2", "--catch-up", "--start", "2030-01-01", "--end", "2031-01-01"
    )
    assert made.returncode == 0, made.stderr
    words, name = made.stdout.splitlines()[0].split()
    assert words == "scheduled"
    assert re.search(rf"^page +http\S+{name}", made.stdout, re.MULTILINE)
    assert listed(person)[0][:5] == [name, "nightly", "active", "0 6 * * *", "UTC"]
    for word, answer, state in (("pause", "paused", "paused"), ("resume", "resumed", "active")):
        changed = person.types("schedule", word, name)
        assert (changed.returncode, changed.stdout.split()) == (0, [answer, name])
        assert listed(person)[0][2] == state
    assert person.types("schedule", "delete", name).stdout.split() == ["deleted", name]
    assert listed(person) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cron", "0 6 * *"], "'0 6 * *' is not a cron expression of 5 fields"),
        (["--cron", "0 25 * * *"], "'0 25 * * *' is not a cron expression of 5 fields"),
        ([*DAILY, "--time-zone", "Europe/Berlni"], "'Europe/Berlni' is not a time zone of the IANA database"),
        ([*DAILY, "--start", "2030-01-02", "--end", "2030-01-01"], "--end 2030-01-01 00:00:00 is not after --start 2030-01-02 00:00:00"),
        ([*DAILY, "--start", "soon"], "Invalid value for '--start'"),
        ([*DAILY, "--max-concurrency", "0"], "Invalid value for '--max-concurrency'"),
        ([], "Missing option '--cron'"),
    ],
    ids=["fields", "hour", "zone", "end", "start", "concurrency", "none"],
)
def test_a_time_that_means_nothing_is_a_usage_error(backend: Backend, person: Person, options: list[str], message: str) -> None:
    done = create(person, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert backend.calls() == []


def test_parameters_are_checked_before_there_is_a_schedule(backend: Backend, person: Person) -> None:
    done = create(person, *DAILY, "-p", "txet=x")
    assert done.returncode == 2
    assert "did you mean text?" in done.stderr
    assert backend.calls() == []


@pytest.mark.parametrize("word", ["pause", "resume", "delete"])
def test_a_schedule_that_there_is_not_is_one_line(backend: Backend, person: Person, word: str) -> None:
    done = person.types("schedule", word, "none")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert re.search(r"not found|does not exist", done.stderr)
