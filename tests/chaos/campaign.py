"""The campaign: every case on every ground, several at a time."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from penstock.components.runtime.registry import open_registry

from ..conftest import make_saved_models
from ..doubles.models import ModelServers
from ..doubles.storage import stores
from .cases import Case, cases_of, judge
from .ground import Ground
from .kserve_ground import KServeGround
from .place import NEW, OLD, Place
from .vertex_ground import VertexGround

GROUNDS: dict[str, Callable[[ModelServers, Path], Ground]] = {
    "kserve-standard": lambda servers, folder: KServeGround("standard", servers, folder),
    "kserve-knative": lambda servers, folder: KServeGround("knative", servers, folder),
    "vertex": VertexGround,
}


@dataclass
class Tally:
    """What came of the cases.

    Attributes:
        tried: How many faults met a call, by ground and fault.
        missed: How many cases never came to their call.
        violations: What did not hold, by case.
    """

    tried: dict[str, Counter[str]] = field(default_factory=dict)
    missed: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, case: Case, met: str, violations: list[str]) -> None:
        """Counts a case."""
        if met:
            self.tried.setdefault(case.ground, Counter())[case.fault] += 1
        else:
            self.missed += 1
        if violations:
            self.violations[str(case)] = violations

    @property
    def count(self) -> int:
        """How many faults met a call."""
        return sum(counter.total() for counter in self.tried.values())


class Campaign:
    """Stores, model servers and grounds; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Uses a folder of its own, an empty one."""
        self._folder = folder
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._places: Counter[str] = Counter()

    def __enter__(self) -> "Campaign":
        """Starts what all places share."""
        models = self._folder / "models"
        make_saved_models(models)
        os.environ |= self._stack.enter_context(stores(self._folder, "models"))
        (self._folder / "volumes" / "models").mkdir()
        self._servers = self._stack.enter_context(ModelServers())
        for name in (OLD, NEW):
            self._servers.get(models / name / "model", "flights")
        self._models, self._database = models, self._folder / "registry.db"
        open_registry("none", f"sqlite:///{self._database}").aliases()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends everything."""
        self._stack.close()

    def place(self, name: str) -> Place:
        """Makes a place on a ground of this name."""
        with self._lock:
            self._places[name] += 1
            folder = self._folder / f"{name}-{self._places[name]}"
        folder.mkdir()
        ground = GROUNDS[name](self._servers, folder)
        self._stack.callback(ground.close)
        return Place(ground, self._models, self._database, folder)

    def run(self, names: list[str], only: list[Case], every: int, jobs: int, on_case: Callable[[Case, int, Tally], None]) -> Tally:
        """Tries the cases.

        Args:
            names: The grounds.
            only: The cases; empty: all on these grounds.
            every: Tries each that comes so many cases after the one before.
            jobs: How many are tried at a time.
            on_case: Called after each, with how many cases there are.
        """
        first = {name: self.place(name) for name in names}
        cases = (only or [case for name in names for case in cases_of(name, len(first[name].record()), first[name].ground.faults)])[::every]
        waiting, tally = iter(cases), Tally()
        errors: list[BaseException] = []

        def work(places: dict[str, Place]) -> None:
            try:
                while case := self._next(waiting):
                    if case.ground not in places:
                        places[case.ground] = self.place(case.ground)
                    met, violations = judge(case, places[case.ground])
                    with self._lock:
                        tally.add(case, met, violations)
                        on_case(case, len(cases), tally)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(first if number == 0 else {},), daemon=True) for number in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return tally

    def _next(self, waiting: Iterator[Case]) -> Case | None:
        with self._lock:
            return next(waiting, None)
