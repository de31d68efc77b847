"""Errors since a watch began, from counters that go on, begin again, and are those of several servers."""

import time
from collections.abc import Iterator

from penstock.components.release.destinations import Traffic
from penstock.components.release.error_rate import Watch

LONG_AGO = 1000.0


def watch(*readings: Traffic | None) -> Watch:
    """Returns a watch that has read all this."""
    left: Iterator[Traffic | None] = iter(readings)
    watching = Watch(lambda: next(left))
    for _ in readings:
        watching.look()
    return watching


def test_only_what_is_counted_since_the_first_look_belongs_to_it():
    watched = watch(Traffic(5000, 40, LONG_AGO), Traffic(5100, 41, LONG_AGO))
    assert (watched.requests, watched.errors, watched.rate) == (100, 1, 0.01)


def test_a_server_that_began_after_the_watch_counts_from_zero():
    watched = watch(Traffic(5000, 40, LONG_AGO), Traffic(70, 7, time.time() + 1), Traffic(5010, 41, LONG_AGO))
    assert (watched.requests, watched.errors) == (80, 8)


def test_each_of_several_servers_is_compared_with_itself():
    one, other = LONG_AGO, LONG_AGO + 1
    watched = watch(Traffic(5000, 40, one), Traffic(10, 5, other), Traffic(5050, 40, one), Traffic(60, 6, other), Traffic(5060, 40, one))
    assert (watched.requests, watched.errors) == (110, 1)


def test_counters_that_begin_again_and_do_not_say_so():
    watched = watch(Traffic(5000, 40), Traffic(30, 3), Traffic(80, 3))
    assert (watched.requests, watched.errors) == (80, 3)


def test_no_counters():
    assert watch(None).has_begun is False
    assert watch(None, Traffic(1, 0), None).has_begun is True
    assert watch(None).rate == 0.0


def test_the_rate_of_few_requests_is_that_of_all_that_is_known():
    assert watch(Traffic(1000, 20, LONG_AGO), Traffic(1010, 20, LONG_AGO)).rate == 20 / 1010
