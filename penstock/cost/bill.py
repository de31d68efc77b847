"""What the tasks of a run cost, and the energy that they took. What cannot be known is None."""

from dataclasses import dataclass, replace

from .amounts import GIB
from .prices import Energy, Machine, Prices
from .requests import Request
from .runs import RunUse, TaskUse

# What stands for a card that nobody has named.
ANY_GPU = ("gpu", "nvidia.com/gpu")
_HOUR = 3600


@dataclass(frozen=True)
class Line:
    """A task and its price.

    Attributes:
        task: The task.
        machine: The machine that it is priced on; None if that is unknown.
        cost: Its price; None if unknown.
        kwh: The energy of its machine, or of its share of one, in kilowatt-hours, with what the data center adds; None if unknown.
    """

    task: TaskUse
    machine: Machine | None = None
    cost: float | None = None
    kwh: float | None = None


@dataclass(frozen=True)
class Sum:
    """A sum of what is known.

    Attributes:
        value: The sum.
        unknown: The names of the tasks of which it is not known.
    """

    value: float
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Bill:
    """The price of a run.

    Attributes:
        run: The run.
        lines: Its tasks.
    """

    run: RunUse
    lines: list[Line]

    @property
    def cost(self) -> Sum:
        """The price of all tasks."""
        return Sum(sum(line.cost or 0.0 for line in self.lines), tuple(line.task.name for line in self.lines if line.cost is None))

    @property
    def kwh(self) -> Sum:
        """The energy of all tasks."""
        return Sum(sum(line.kwh or 0.0 for line in self.lines), tuple(line.task.name for line in self.lines if line.kwh is None))


def make_bill(run: RunUse, prices: Prices) -> Bill:
    """Prices a run.

    Vertex AI gives each task a machine of its own. Elsewhere tasks share machines, and each is priced as the share that others cannot have.

    Raises:
        UserError: A task requests what no machine of the table has.
    """
    return Bill(run, [_line(task, prices, run.backend == "vertex") for task in run.tasks])


def held(task: TaskUse) -> Request:
    """Returns what a task keeps others from having: what it requested, or else what it used."""
    request = replace(task.request, cpus=task.request.cpus or task.cpus, memory=task.request.memory or task.memory)
    names = {str(gpu.get("name", "")) for gpu in task.gpus}
    return replace(request, accelerator=names.pop()) if request.accelerator in ANY_GPU and len(names) == 1 else request


def _line(task: TaskUse, prices: Prices, whole: bool) -> Line:
    if not task.ran:
        return Line(task, None, 0.0, 0.0)
    request = held(task)
    machine = _machine(task, request, prices, whole)
    if machine is None or task.seconds is None:
        return Line(task, machine)
    return Line(task, machine, machine.cost(request, task.seconds, whole), _kwh(task, request, machine, whole, prices.energy))


def _machine(task: TaskUse, request: Request, prices: Prices, whole: bool) -> Machine | None:
    """Returns a task's machine; None if it is not known which."""
    if request.accelerator in ANY_GPU or not (task.request.is_set or whole or request.cpus):
        return None
    if whole and not task.request.is_set:
        return prices.default_machine
    return prices.machine(request if not whole else task.request, whole, task.name)


def _kwh(task: TaskUse, request: Request, machine: Machine, whole: bool, energy: Energy | None) -> float | None:
    """Estimates energy as Cloud Carbon Footprint does: https://www.cloudcarbonfootprint.org/docs/methodology."""
    cpus, memory = (machine.cpus, machine.memory) if whole else (request.cpus, request.memory)
    accelerators = machine.accelerators if whole else request.accelerators
    if not energy or not cpus or memory is None or task.cpus is None or task.seconds is None:
        return None
    watts = energy.cpu.at(task.cpus / cpus) * cpus + energy.memory_watts_per_gib * memory / GIB
    if accelerators:
        if machine.accelerator_watts is None or task.gpu_utilization is None:
            return None
        watts += machine.accelerator_watts.at(task.gpu_utilization) * accelerators
    return watts * energy.pue * task.seconds / _HOUR / 1000
