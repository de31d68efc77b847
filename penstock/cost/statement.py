"""What a run took and cost, as people read it: on a terminal and on the run's page.

What prices need is imported only if there are some: every `penstock run` ends with a statement.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .amounts import UNKNOWN, gib, money, number, of, size
from .runs import RunUse, TaskUse

if TYPE_CHECKING:
    from .bill import Bill, Line, Sum
    from .prices import Prices
    from .serving import Serving

_TAKEN = ("task", "state", "seconds", "CPUs", "memory", "GPU", "read", "written")


@dataclass(frozen=True)
class Statement:
    """What a run took and, with a price table, cost.

    Attributes:
        head: The heads of the columns.
        rows: A row for each task.
        facts: What is to be said of the whole run: a word, and a text; nothing without prices.
    """

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    facts: list[tuple[str, str]]

    @property
    def numbers(self) -> frozenset[str]:
        """The heads of the columns that hold amounts."""
        return frozenset(self.head) - {"task", "state", "machine"}


def make_statement(run: RunUse, prices: "Prices | None") -> Statement:
    """Says what a run took, and what that costs if there is a price table.

    Raises:
        UserError: A task requests what no machine of the table has, or the table lacks the server's.
    """
    if prices is None:
        return Statement(_TAKEN, [_taken(task) for task in run.tasks], [])
    from .bill import make_bill
    from .serving import serving_of

    bill = make_bill(run, prices)
    head = (*_TAKEN, f"cost ({prices.currency})", "machine")
    return Statement(head, [_row(line) for line in bill.lines], _facts(bill, serving_of(run, prices), prices))


def _row(line: "Line") -> tuple[str, ...]:
    machine = line.machine.name if line.machine else UNKNOWN if line.task.ran else ""
    return *_taken(line.task), money(line.cost), machine


def _taken(task: TaskUse) -> tuple[str, ...]:
    if not task.ran:
        return task.name, task.state, "", "", "", "", "", ""
    return (
        task.name,
        task.state,
        number(task.seconds, "{:.1f}"),
        of(number(task.cpus, "{:.2f}"), number(task.request.cpus, "{:g}", "")),
        of(gib(task.memory), gib(task.request.memory, "")),
        _gpu(task),
        size(task.used.get("read_bytes")),
        size(task.used.get("written_bytes")),
    )


def _gpu(task: TaskUse) -> str:
    if not task.request.accelerator:
        return ""
    utilization = task.gpu_utilization
    return f"{UNKNOWN if utilization is None else f'{utilization:.0%}'} of {task.request.accelerators} x {task.request.accelerator}"


def _facts(bill: "Bill", serving: "Serving | None", prices: "Prices") -> list[tuple[str, str]]:
    currency = prices.currency
    price = _sum(bill.cost, f"{money(bill.cost.value)} {currency}")
    facts = [("run", price), ("model", _model(bill, price))]
    if serving and serving.per_1000 is not None:
        facts.append(
            (
                "per 1,000",
                f"{money(serving.per_1000)} {currency} for 1,000 predictions: {money(serving.hour)} an hour at {serving.rate:.0f} requests/s",
            )
        )
    elif serving:
        facts.append(("per 1,000", f"{UNKNOWN} for 1,000 predictions: {serving.unknown}"))
    if prices.energy:
        kwh = bill.kwh
        grams = kwh.value * prices.energy.grid_kg_per_kwh * 1000
        facts += [("energy", _sum(kwh, f"{kwh.value * 1000:.3g} Wh")), ("CO2e", _sum(kwh, f"{grams:.3g} g"))]
    facts.append(("prices", f"{prices.file}, of {prices.date}: {prices.source}"))
    return facts


def _sum(total: "Sum", text: str) -> str:
    return (
        f"{text}, without {', '.join(total.unknown)}, which {'is' if len(total.unknown) == 1 else 'are'} unknown" if total.unknown else text
    )


def _model(bill: "Bill", price: str) -> str:
    """Returns what the model has cost: all of the run that trained it."""
    trained = bill.run.of("train_model")
    if trained is None or not trained.ran:
        return "none was trained in this run"
    registered = bill.run.of("register_model")
    version = registered.outputs.get("version") if registered else None
    named = f"version {version}" if version else "not registered"
    return f"{price} ({named})"
