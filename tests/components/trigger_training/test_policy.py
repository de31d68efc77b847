"""When a training is started, and when not."""

from datetime import datetime, timedelta, timezone

import pytest

from penstock.components.trigger_training.places.place import StartedRun
from penstock.components.trigger_training.policy import Cause, Limits, decide

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
CAUSE = Cause("training", "9d1d" * 16, "window 1", "degraded")
LIMITS = Limits(timedelta(hours=24), 2, timedelta(days=30))


def run(cause: Cause, hours: float, state: str = "done") -> StartedRun:
    """Makes a run that a cause started some hours ago."""
    return StartedRun("7", cause.name, state, NOW - timedelta(hours=hours), "url")


def other(**changed: str) -> Cause:
    """Makes another cause."""
    return Cause(**(vars(CAUSE) | changed))


@pytest.mark.parametrize(
    ("runs", "last_ok", "outcome"),
    [
        ([], None, "triggered"),
        ([run(CAUSE, 1)], None, "already_triggered"),
        ([run(CAUSE, 1, "failed")], None, "already_triggered"),
        ([run(other(champion="2" * 64), 1, "running")], None, "already_running"),
        ([run(other(data="window 0"), 100)], None, "same_episode"),
        ([run(other(data="window 0", reason="drifted"), 100)], None, "same_episode"),
        ([run(other(data="window 0"), 100)], NOW - timedelta(hours=200), "same_episode"),
        ([run(other(data="window 0"), 100)], NOW - timedelta(hours=50), "triggered"),
        ([run(other(champion="2" * 64), 100)], None, "triggered"),
        ([run(other(champion="2" * 64), 23)], None, "cooling_down"),
        ([run(other(champion="2" * 64), 100), run(other(champion="3" * 64), 200)], None, "limit_reached"),
        ([run(other(champion="2" * 64), 100), run(other(champion="3" * 64), 24 * 31)], None, "triggered"),
        ([run(other(pipeline="other"), 1, "running")], None, "triggered"),
        ([run(other(pipeline="training-2"), 1)], None, "triggered"),
    ],
)
def test_the_outcome(runs, last_ok, outcome):
    assert decide(CAUSE, runs, last_ok, LIMITS, NOW).outcome == outcome


def test_no_limits():
    runs = [run(other(champion=str(number) * 64), number + 1) for number in range(9)]
    assert decide(CAUSE, runs, None, Limits(timedelta(0), 0, timedelta(days=30)), NOW).outcome == "triggered"


def test_a_span_is_an_episode_of_its_own():
    first, second = (other(reason="new_data", data=f"span {number}") for number in (1, 2))
    assert decide(second, [run(first, 100)], None, LIMITS, NOW).outcome == "triggered"
    assert decide(second, [run(second, 100)], None, LIMITS, NOW).outcome == "already_triggered"


def test_names_are_ids_on_every_backend():
    name = Cause("a" * 128, "f", "d", "drifted").name
    assert len(name) <= 128
    assert name == Cause("a" * 128, "f", "d", "drifted").name
    assert len({CAUSE.name, *(other(**{key: "x"}).name for key in vars(CAUSE))}) == 5
