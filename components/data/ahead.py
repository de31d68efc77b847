"""Work that goes on while its last result is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yields what is iterated over, while a thread fetches the next item: Arrow reads and decodes beside Python."""
    remaining = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(_next, remaining)
        while item := coming.result():
            coming = thread.submit(_next, remaining)
            yield item[0]


def _next(items: Iterator[_Item]) -> tuple[_Item] | None:
    for item in items:
        return (item,)
    return None
