"""Which settings would have done for a run: what its tasks requested, beside what they used."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .amounts import GIB
from .bill import ANY_GPU, held
from .prices import Prices
from .requests import Request
from .runs import RunUse, TaskUse
from .serving import Serving

_DAY = 86400
_CPU_STEP, _MEMORY_STEP = 0.25, GIB // 4
# Below this share of its time a server is better off without replicas between requests, although the first one then waits for a start.
_FEW = 0.01
# Below this utilization, a smaller accelerator would do, or none.
_IDLE_GPU = 0.2


@dataclass(frozen=True)
class Advice:
    """What would have done for a task.

    Attributes:
        task: The task.
        cpus: CPUs.
        memory: Memory in bytes.
        saved: What it would have saved in the same time; below 0 where the task needs more than it requested; None if unknown, or if it
            requested nothing.
        spot_saved: What a spot machine would have saved; None if that is unknown, or the task would lose too much when its machine goes.
        notes: What else there is to say.
    """

    task: TaskUse
    cpus: float
    memory: int
    saved: float | None
    spot_saved: float | None
    notes: tuple[str, ...]

    @property
    def cpu_text(self) -> str:
        """The CPUs as a quantity."""
        return f"{self.cpus:g}" if self.cpus == int(self.cpus) else f"{round(self.cpus * 1000)}m"

    @property
    def memory_text(self) -> str:
        """The memory as a quantity."""
        return f"{self.memory // GIB}Gi" if self.memory % GIB == 0 else f"{self.memory >> 20}Mi"


def advise(run: RunUse, prices: Prices, headroom: float) -> list[Advice]:
    """Says what would have done for each task that ran and has said what it took.

    Args:
        run: The run.
        prices: The price table.
        headroom: What is added to what was used, as a share of it.

    Raises:
        UserError: A task requests, or used, what no machine of the table has.
    """
    whole = run.backend == "vertex"
    return [_advice(task, prices, headroom, whole) for task in run.tasks if task.ran and task.cpus is not None and task.memory is not None]


def advise_serving(serving: Serving | None, requests_per_day: float | None) -> str:
    """Says whether a server would do without replicas between requests; empty if there is no server, or nothing to say."""
    if serving is None or not serving.destination.startswith(("kserve://", "vertex://")):
        return ""
    if serving.destination.startswith("vertex://"):
        return "Vertex AI keeps at least one machine; undeploy a model that nobody asks"
    if serving.options.get("min_replicas", 1) == 0:
        return "min_replicas is 0 already"
    if requests_per_day is None:
        return "unknown without --requests-per-day"
    if not serving.rate:
        return f"unknown: {serving.unknown}"
    busy = requests_per_day / serving.rate / _DAY
    if busy >= _FEW:
        return f"the server is busy for {busy:.1%} of the day; keep min_replicas"
    if "mode=standard" in serving.destination:
        return f"the server is busy for {busy:.2%} of the day; min_replicas 0 needs mode=knative"
    saved = f", which saves up to {serving.hour * 24:.3g} a day" if serving.hour is not None else ""
    return f"the server is busy for {busy:.2%} of the day; min_replicas 0 would do{saved}; the first request then waits for a start"


def _advice(task: TaskUse, prices: Prices, headroom: float, whole: bool) -> Advice:
    cpus = _rounded((task.peak_cpus or 0) * (1 + headroom), _CPU_STEP)
    memory = _rounded((task.memory or 0) * (1 + headroom), _MEMORY_STEP)
    now, then = (_cost(task, request, prices, whole) for request in (held(task), replace(held(task), cpus=cpus, memory=memory)))
    return Advice(
        task,
        cpus,
        int(memory),
        now[0] - then[0] if now and then and task.request.is_set else None,
        then[0] - then[1] if then and then[1] is not None and task.request.goes_on else None,
        tuple(_notes(task)),
    )


def _cost(task: TaskUse, request: Request, prices: Prices, whole: bool) -> tuple[float, float | None] | None:
    """Returns what a task would have cost, and what on a spot machine; None if unknown."""
    if task.seconds is None or request.accelerator in ANY_GPU:
        return None
    machine = prices.machine(request, whole, task.name)
    cost = machine.cost(request, task.seconds, whole)
    return cost, cost * machine.spot_hour / machine.hour if machine.spot_hour is not None and machine.hour else None


def _notes(task: TaskUse) -> Iterator[str]:
    if not task.request.is_set:
        yield "requests nothing"
    if task.request.memory and task.memory and task.memory > task.request.memory * 0.9:
        yield "close to its memory limit"
    if task.gpu_utilization is not None and task.gpu_utilization < _IDLE_GPU:
        yield f"its GPU was {1 - task.gpu_utilization:.0%} idle: try a smaller one, larger batches, or none"
    if task.request.goes_on:
        yield "spot would do: it is tried again, and goes on from its checkpoint"


def _rounded(value: float, step: float) -> float:
    """Rounds up to a step, and to one at least."""
    return max(1, math.ceil(value / step)) * step
