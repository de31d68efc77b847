"""Measures latency and throughput with several concurrent clients, each of which sends its next row after it has received an answer."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .answers import Answers
from .clients import Client, RequestFailed, encode, read

# A server that refuses so many requests would refuse them all.
_ENOUGH_FAILURES = 100


@dataclass
class Load:
    """What was measured.

    Attributes:
        requests: How many requests were answered.
        failed: How many were not.
        requests_per_second: The throughput; None if nothing was answered.
        p50_ms: The median latency in milliseconds, as a client sees it; None if nothing was answered.
        p95_ms: The 95th percentile.
        p99_ms: The 99th percentile.
        failure: The first failure; empty if there was none.
        answers: The last answer to each row, compared: requests that the server answers together must not be mixed up.
    """

    requests: int = 0
    failed: int = 0
    requests_per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    failure: str = ""
    answers: Answers = field(default_factory=Answers)


async def measure(client: Client, probe: dict[str, Any], concurrency: int, seconds: float) -> Load:
    """Asks for the rows of a probe in turn.

    Args:
        client: What to ask through.
        probe: The requests, and the answers to them.
        concurrency: How many clients ask.
        seconds: For how long.
    """
    requests = [encode(client, [instance]) for instance in probe["instances"]]
    turns = itertools.cycle(range(len(requests)))
    latest: dict[int, Any] = {}
    latencies: list[float] = []
    load = Load()

    async def ask() -> None:
        row, sent = next(turns), time.perf_counter()
        try:
            latest[row] = await client.send(requests[row])
            latencies.append(time.perf_counter() - sent)
        except RequestFailed as error:
            load.failed += 1
            load.failure = load.failure or str(error)

    async def ask_repeatedly(until: float) -> None:
        while time.perf_counter() < until and load.failed < _ENOUGH_FAILURES:
            await ask()

    await asyncio.gather(*(ask() for _ in range(concurrency)))  # opens the connections, which is not what is measured
    latencies.clear()
    started = time.perf_counter()
    await asyncio.gather(*(ask_repeatedly(started + seconds) for _ in range(concurrency)))
    took = time.perf_counter() - started
    _summarize(load, latencies, took)
    for row, answer in sorted(latest.items()):
        (prediction,) = read(client, answer, 1)
        load.answers.compare(row, prediction, probe["predictions"][row], probe["tolerance"])
    return load


def _summarize(load: Load, latencies: list[float], seconds: float) -> None:
    load.requests = len(latencies)
    if latencies:
        load.requests_per_second = len(latencies) / seconds
        load.p50_ms, load.p95_ms, load.p99_ms = (float(value) * 1000 for value in np.percentile(latencies, [50, 95, 99]))
