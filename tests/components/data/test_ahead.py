"""Fetching the next item while the last one is used."""

import threading

import pytest

from penstock.components.data.ahead import ahead


def test_the_next_item_is_fetched_meanwhile():
    fetched = threading.Event()

    def items():
        yield 0
        fetched.set()
        yield None

    found = ahead(items())
    assert next(found) == 0
    assert fetched.wait(timeout=30)
    assert list(found) == [None]


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("the file is damaged")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the file is damaged"):
        next(found)
