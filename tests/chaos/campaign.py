"""The campaign: every case on every ground, several at a time."""

import itertools
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from penstock.components.release.registry import open_registry

from ..conftest import make_saved_models
from ..doubles.models import ModelServers
from ..doubles.storage import stores
from ..doubles.vertex.double import SERVED_NAME
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
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._free: dict[str, list[Place]] = defaultdict(list)

    def __enter__(self) -> "Campaign":
        """Starts what all places share."""
        models, self._database = self._folder / "models", self._folder / "registry.db"
        with ExitStack() as stack:
            make_saved_models(models)
            os.environ |= stack.enter_context(stores(self._folder, "models")) | {"MLFLOW_LOGGING_LEVEL": "WARNING"}
            (self._folder / "volumes" / "models").mkdir()
            self._servers = stack.enter_context(ModelServers())
            for name in (OLD, NEW):
                self._servers.get(models / name / "model", SERVED_NAME)
            open_registry("none", f"sqlite:///{self._database}").aliases()
            self._models, self._stack = models, stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends everything."""
        self._stack.close()

    def cases(self, ground: str) -> list[Case]:
        """Returns all cases on a ground of this name, by the calls of a push there with which nothing goes wrong."""
        place = self._take(ground)
        self._free[ground].append(place)
        return list(cases_of(ground, len(place.record()), place.ground.faults))

    def run(self, cases: list[Case], jobs: int, on_case: Callable[[Case, Tally], None]) -> Tally:
        """Tries cases.

        Args:
            cases: The cases.
            jobs: How many are tried at a time.
            on_case: Called after each.
        """
        tally = Tally()
        pool = ThreadPoolExecutor(jobs)
        try:
            for case, met, violations in pool.map(self._try, cases):
                tally.add(case, met, violations)
                on_case(case, tally)
        finally:
            pool.shutdown(cancel_futures=True)
        return tally

    def _try(self, case: Case) -> tuple[Case, str, list[str]]:
        place = self._take(case.ground)
        met, violations = judge(case, place)
        self._free[case.ground].append(place)
        return case, met, violations

    def _take(self, ground: str) -> Place:
        """Returns a place that nobody uses now; makes one where there is none."""
        with self._lock:
            if free := self._free[ground]:
                return free.pop()
            number = next(self._numbers)
        folder = self._folder / f"{ground}-{number}"
        folder.mkdir()
        made = GROUNDS[ground](self._servers, folder)
        self._stack.callback(made.close)
        return Place(made, self._models, self._database, folder)
