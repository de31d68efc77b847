"""Checks a model in one server: its start, its answers and its speed."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .answers import Answers, ask_all
from .clients import RequestFailed
from .load import Load, measure
from .processes import Address, CannotServe, running
from .servers import ServerKind, connected


@dataclass
class MeasuredProtocol:
    """What came back through one protocol.

    Attributes:
        protocol: `v1`, `v2` or `grpc`.
        answers: The comparison of every row.
        load: The times.
        failure: Why it could not be asked; empty if it could.
    """

    protocol: str
    answers: Answers = field(default_factory=Answers)
    load: Load = field(default_factory=Load)
    failure: str = ""

    def reasons(self) -> Iterator[str]:
        """Says what is wrong."""
        if self.failure:
            yield self.failure
        for answers, when in ((self.answers, ""), (self.load.answers, f" while {self.load.requests:,} requests came in")):
            if answers.different:
                first = answers.shown[0]
                yield (
                    f"{answers.different} of {answers.rows} rows have other answers than in the evaluation{when}; "
                    f"row {first.row}: {first.answered}, not {first.evaluated}"
                )
        if self.load.failed:
            yield f"{self.load.failed} of {self.load.failed + self.load.requests} requests failed under load ({self.load.failure})"


@dataclass
class Measured:
    """What was measured in one server.

    Attributes:
        name: The server's name.
        failure: Why it does not serve the model; empty if it does.
        attempts: How often it was started.
        start_seconds: From its command to ready, in seconds; None if it did not get ready.
        memory_mb: Its resident memory after the requests, in MiB; None if it was gone.
        protocols: What came back, by protocol.
    """

    name: str
    failure: str = ""
    attempts: int = 0
    start_seconds: float | None = None
    memory_mb: float | None = None
    protocols: list[MeasuredProtocol] = field(default_factory=list)

    def reasons(self) -> Iterator[str]:
        """Says what is wrong with the model in this server."""
        if self.failure:
            yield self.failure
        for protocol in self.protocols:
            yield from (f"{self.name} {protocol.protocol}: {reason}" for reason in protocol.reasons())


@dataclass(frozen=True)
class Questions:
    """What every server is asked.

    Attributes:
        probe: `instances`, `predictions` and `tolerance`; no instances: there is nothing that could be asked.
        protocols: What to ask through.
        concurrency: How many clients ask at the same time.
        seconds: For how long they ask, in all protocols together.
        attempts: How often to start a server.
    """

    probe: dict[str, Any]
    protocols: list[str]
    concurrency: int
    seconds: float
    attempts: int


def measure_server(kind: ServerKind, model: Path, logs: Path, questions: Questions) -> Measured:
    """Starts a server with the model, asks it, and ends it.

    Raises:
        TaskError: The server itself is broken.
    """
    measured = Measured(kind.name, attempts=questions.attempts)
    try:
        with running(kind, model, logs / kind.log, questions.attempts) as server:
            measured.attempts, measured.start_seconds = server.attempts, server.start_seconds
            if questions.probe["instances"]:
                measured.protocols = asyncio.run(_ask(kind, server.address, questions))
            measured.memory_mb = server.memory_mb()
            if server.process.poll() is not None:
                measured.failure = f"{kind.name} ended during the requests with exit code {server.process.returncode}"
    except CannotServe as error:
        measured.failure = str(error)
    return measured


async def _ask(kind: ServerKind, address: Address, questions: Questions) -> list[MeasuredProtocol]:
    protocols = [protocol for protocol in questions.protocols if protocol in kind.protocols]
    return [await _ask_through(kind, protocol, address, questions, questions.seconds / len(protocols)) for protocol in protocols]


async def _ask_through(kind: ServerKind, protocol: str, address: Address, questions: Questions, seconds: float) -> MeasuredProtocol:
    measured = MeasuredProtocol(protocol)
    try:
        async with connected(kind, protocol, address) as client:
            measured.answers = await ask_all(client, questions.probe)
            measured.load = await measure(client, questions.probe, questions.concurrency, seconds)
    except RequestFailed as error:
        measured.failure = str(error)
    return measured
