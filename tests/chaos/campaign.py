"""The campaign: every case on every site, several at the same time."""

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
from .kserve_site import KServeSite
from .site import Site
from .trials import NEW, OLD, Trials
from .vertex_site import VertexSite

SITES: dict[str, Callable[[ModelServers, Path], Site]] = {
    "kserve-standard": lambda servers, folder: KServeSite("standard", servers, folder),
    "kserve-knative": lambda servers, folder: KServeSite("knative", servers, folder),
    "vertex": VertexSite,
}


@dataclass
class Tally:
    """What came of the cases.

    Attributes:
        tried: How many faults met a call, by site and fault.
        missed: How many cases never came to their call.
        violations: What did not hold, by case.
    """

    tried: dict[str, Counter[str]] = field(default_factory=dict)
    missed: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, case: Case, met: str, violations: list[str]) -> None:
        """Counts a case."""
        if met:
            self.tried.setdefault(case.site, Counter())[case.fault] += 1
        else:
            self.missed += 1
        if violations:
            self.violations[str(case)] = violations

    @property
    def count(self) -> int:
        """How many faults met a call."""
        return sum(counter.total() for counter in self.tried.values())


class Campaign:
    """Stores, model servers and sites; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Uses a folder of its own, an empty one."""
        self._folder = folder
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._free: dict[str, list[Trials]] = defaultdict(list)

    def __enter__(self) -> "Campaign":
        """Starts what all sites share."""
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

    def cases(self, site: str) -> list[Case]:
        """Returns all cases on a site of this name, from the calls of a push there without a fault."""
        trials = self._take(site)
        self._free[site].append(trials)
        return list(cases_of(site, len(trials.record()), trials.site.faults))

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
        trials = self._take(case.site)
        met, violations = judge(case, trials)
        self._free[case.site].append(trials)
        return case, met, violations

    def _take(self, site: str) -> Trials:
        """Returns trials on a site that is free; makes a site if none is."""
        with self._lock:
            if free := self._free[site]:
                return free.pop()
            number = next(self._numbers)
        folder = self._folder / f"{site}-{number}"
        folder.mkdir()
        made = SITES[site](self._servers, folder)
        self._stack.callback(made.close)
        return Trials(made, self._models, self._database, folder)
