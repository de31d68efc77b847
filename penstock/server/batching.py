"""Micro-batching: computes concurrent requests together."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# While one batch is converted, the other computes.
_AT_ONCE = 2


@dataclass
class _Waiting(Generic[Item, Result]):
    item: Item
    rows: int
    answer: "asyncio.Future[Result]"


class Batcher(Generic[Item, Result]):
    """Gathers what waits while others are computed, and computes it in one call.

    No request waits for a timer. If nothing is being computed it starts immediately; otherwise it joins the next batch, which waits for a
    free slot.
    So one client has the latency of its own request, and many have batches as large as the load makes them.

    Args:
        together: Computes a result for each item.
        pool: Where it runs: TensorFlow lets go of the interpreter while it computes.
        max_rows: How many rows to compute together at most; one item may have more. 1: each by itself.
        observe_rows: Called with the number of rows of every batch.
    """

    def __init__(
        self, together: Callable[[list[Item]], list[Result]], pool: Executor, max_rows: int, observe_rows: Callable[[int], None]
    ) -> None:
        self._together, self._pool, self._max_rows, self._observe_rows = together, pool, max_rows, observe_rows
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._workers: set[asyncio.Task] = set()

    async def ask(self, item: Item, rows: int) -> Result:
        """Returns the result for an item; raises what computing this item raised, and nothing else."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Result] = _Waiting(item, rows, loop.create_future())
        self._waiting.append(waiting)
        if len(self._workers) < _AT_ONCE:
            self._workers.add(loop.create_task(self._work(loop)))
        return await waiting.answer

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._waiting:
                batch = self._take()
                outcomes = await loop.run_in_executor(self._pool, self._compute, [waiting.item for waiting in batch])
                _answer(batch, outcomes)
        finally:
            # Not by a callback, which comes later: who asks in between would count on a worker that looks no more.
            self._workers.discard(asyncio.current_task())  # type: ignore[arg-type]

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch = [self._waiting.popleft()]
        rows = batch[0].rows
        while self._waiting and rows + self._waiting[0].rows <= self._max_rows:
            batch.append(self._waiting.popleft())
            rows += batch[-1].rows
        self._observe_rows(rows)
        return batch

    def _compute(self, items: list[Item]) -> list[Result | Exception]:
        """Computes items together, or, if that fails, each alone, so that one invalid item does not fail the others."""
        try:
            return list(self._together(items))
        except Exception as error:
            return [error] if len(items) == 1 else [self._compute([item])[0] for item in items]


def _answer(batch: list[_Waiting[Item, Result]], outcomes: list[Result | Exception]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.answer.done():  # the client has gone
            continue
        if isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)
