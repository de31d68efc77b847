"""Whether a run may cost what an earlier one did: known before anything starts."""

from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..remote.target import CACHED
from .bill import make_bill
from .prices import Prices, same_accelerator
from .requests import Request, requests_of
from .runs import RunUse


@dataclass(frozen=True)
class Budget:
    """What a run may cost, in the currency of the price table.

    Attributes:
        most: More than this is an error; None: no limit.
        warn: More than this is a warning; None: no warning.
    """

    most: float | None
    warn: float | None


def check_budget(budget: Budget, earlier: RunUse, prices: Prices, name: str, spec: dict[str, Any], parameters: dict[str, Any]) -> str:
    """Estimates what a run will cost by what an earlier run of the same pipeline did.

    Args:
        budget: What it may cost.
        earlier: The earlier run.
        prices: The price table.
        name: The pipeline's name.
        spec: The PipelineSpec of the run in JSON form.
        parameters: Its parameters.

    Returns:
        A warning; empty if there is none.

    Raises:
        UserError: It would cost more than the budget, or the earlier run does not tell.
    """
    estimate = _estimate(earlier, prices, name, requests_of(spec, parameters))
    words = f"the run would cost about {estimate:.3g} {prices.currency}, as the run {earlier.name} did"
    if budget.most is not None and estimate > budget.most:
        raise UserError(f"{words}, and --max-cost is {budget.most:g}: request less (penstock advise), or raise --max-cost")
    return f"{words}, which is more than --warn-cost {budget.warn:g}" if budget.warn is not None and estimate > budget.warn else ""


def _estimate(earlier: RunUse, prices: Prices, name: str, now: dict[str, Request]) -> float:
    cannot = f"the run {earlier.name} does not tell what this one will cost"
    if earlier.pipeline != name:
        raise UserError(f"{cannot}: it is a run of {earlier.pipeline or 'an unknown pipeline'}; give --like a run of {name}")
    if not earlier.tasks:
        raise UserError(f"{cannot}: none of its tasks has run; give another --like")
    cached = [task.name for task in earlier.tasks if task.state == CACHED]
    if cached:
        raise UserError(f"{cannot}: it took {', '.join(cached)} from the cache; give --like a run that ran all of its tasks")
    for task in earlier.tasks:
        request = now.get(task.name.rpartition("/")[2], task.request)
        if not _same(request, task.request):
            raise UserError(f"{cannot}: {task.name} requested something else there; give --like a run with the same requests")
    cost = make_bill(earlier, prices).cost
    if cost.unknown:
        raise UserError(f"{cannot}: the cost of {', '.join(cost.unknown)} is unknown; `penstock cost {earlier.name}` shows what is known")
    return cost.value


def _same(one: Request, other: Request) -> bool:
    sizes = [(request.cpus, request.memory, request.accelerators) for request in (one, other)]
    return sizes[0] == sizes[1] and same_accelerator(one.accelerator, other.accelerator)
