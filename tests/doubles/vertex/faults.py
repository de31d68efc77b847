"""What can be made to go wrong at a call's boundary, and the record of all calls."""

import fnmatch
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from .errors import ApiError

ANY_CALL = "*"
# What an operation does once its call has been answered is a boundary of its own: `DeployModel.run`.
RUN = ".run"
# How often it is looked whether the client of a call that hangs has gone.
_LOOK_SECONDS = 0.05


@dataclass
class Call:
    """A call, or the work of an operation.

    Attributes:
        number: Its place among all calls, from 1; 0 for the work of an operation.
        name: The method, such as `DeployModel`; with `.run` for the work of the operation that it began.
        request: The message.
        metadata: What the client sent with it.
        status: How it ended; None while it runs, and if the client was never answered.
    """

    number: int
    name: str
    request: Any
    metadata: dict[str, str] = field(default_factory=dict)
    status: grpc.StatusCode | None = None


@dataclass
class Fault:
    """Something that goes wrong, at the first call that fits, or a later one.

    Attributes:
        name: The method, or a pattern of `fnmatch`; `*` is any call, but not the work of operations.
        nth: At which of the calls that fit, counted since the fault was added.
        times: At how many calls from then on.
        when: What else must hold.
        after: Whether the call takes effect first: its answer is what gets lost.
        code: The status to answer with; for the work of an operation, the status that it ends with.
        message: What the status says.
        seconds: How long to wait.
        hang: Whether to wait until the client gives up, `Faults.clear` or the end of the server; the call has no effect, unless `after`.
        hook: What to do, such as killing the client.
    """

    name: str = ANY_CALL
    nth: int = 1
    times: int = 1
    when: Callable[[Call], bool] = lambda _: True
    after: bool = False
    code: grpc.StatusCode | None = None
    message: str = "injected by the test"
    seconds: float = 0.0
    hang: bool = False
    hook: Callable[[Call], None] | None = None
    seen: int = field(default=0, init=False)

    def fits(self, call: Call) -> bool:
        """Tells whether it is about this call."""
        is_named = not call.name.endswith(RUN) if self.name == ANY_CALL else fnmatch.fnmatchcase(call.name, self.name)
        return is_named and self.when(call)


class Faults:
    """The faults that wait, and what was called.

    Attributes:
        calls: All calls in the order in which they came, with the work of operations between them.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._released = threading.Event()

    def add(self, fault: Fault) -> Fault:
        """Adds a fault; it stays until it has happened `times` times."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Takes all faults away, forgets the calls, and lets go of what hangs."""
        with self._lock:
            self._faults, self.calls, self._numbers = [], [], itertools.count(1)
            released, self._released = self._released, threading.Event()
        released.set()

    def record(self, name: str, request: Any, metadata: dict[str, str]) -> tuple[Call, list[Fault]]:
        """Writes a call down; gives it with the faults that are due at it."""
        with self._lock:
            call = Call(0 if name.endswith(RUN) else next(self._numbers), name, request, metadata)
            self.calls.append(call)
            due = []
            for fault in self._faults:
                if fault.fits(call):
                    fault.seen += 1
                    if fault.nth <= fault.seen < fault.nth + fault.times:
                        due.append(fault)
        return call, due

    def strike(self, call: Call, faults: list[Fault], *, after: bool, is_active: Callable[[], bool] = lambda: True) -> None:
        """Lets the faults happen that are due before, or after, a call's effect.

        Raises:
            ApiError: A fault answers in the call's place.
        """
        released = self._released
        for fault in faults:
            if fault.after != after:
                continue
            if fault.hook:
                fault.hook(call)
            if fault.hang:
                while is_active() and not released.wait(_LOOK_SECONDS):
                    pass
                raise ApiError(grpc.StatusCode.CANCELLED, "The client no longer waits for the answer.")
            released.wait(fault.seconds)
            if fault.code:
                raise ApiError(fault.code, fault.message)
