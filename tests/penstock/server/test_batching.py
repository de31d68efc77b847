"""Micro-batching: each request is answered, whenever it comes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from penstock.server.batching import Batcher

CLIENTS, REQUESTS = 2, 20


class BothAtOnce(Executor):
    """Computes when as much is asked of it as the batcher asks at the same time, so that all of it ends together."""

    def __init__(self) -> None:
        self._calls: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.append((future, call, arguments))
        if len(self._calls) == CLIENTS:
            for done, compute, given in self._calls:
                done.set_result(compute(*given))
            self._calls.clear()
        return future


async def ask_repeatedly() -> list[list[int]]:
    batcher = Batcher[int, int](lambda items: [2 * item for item in items], BothAtOnce(), 1, lambda rows: None)

    async def client(first: int) -> list[int]:
        return [await batcher.ask(first + number, 1) for number in range(REQUESTS)]

    return await asyncio.wait_for(asyncio.gather(*(client(100 * number) for number in range(CLIENTS))), 10)


def test_who_asks_as_the_batches_before_end_is_answered() -> None:
    answers = asyncio.run(ask_repeatedly())
    assert answers == [[2 * (100 * client + number) for number in range(REQUESTS)] for client in range(CLIENTS)]
