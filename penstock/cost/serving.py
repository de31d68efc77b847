"""What predictions cost: the price of the server that a run pushes its model to, at the rate that check_serving measured."""

from dataclasses import dataclass
from typing import Any

from penstock.components.protocol.values import decode
from penstock.components.release.quantity import read_quantity

from ..errors import UserError
from .prices import Prices
from .requests import Request
from .runs import RunUse

# What KServe gives a server that requests nothing, and Vertex AI's machine for one, as push_model has them.
_KSERVE = {"cpu": "1", "memory": "2Gi"}
_VERTEX_MACHINE = "n1-standard-2"
_RATE = "requests_per_second (Penstock "
_HOUR = 3600


@dataclass(frozen=True)
class Serving:
    """What a server costs.

    Attributes:
        options: The options of push_model for the server.
        destination: Where it serves.
        hour: What one replica costs in an hour; None if unknown.
        rate: The requests that it answered in a second, through the slowest protocol; None if unknown.
    """

    options: dict[str, Any]
    destination: str
    hour: float | None
    rate: float | None

    @property
    def per_1000(self) -> float | None:
        """What 1,000 predictions of one row cost on a server that is busy all the time; None if unknown."""
        return self.hour / _HOUR / self.rate * 1000 if self.hour is not None and self.rate else None

    @property
    def unknown(self) -> str:
        """Why something is unknown; empty if it is not."""
        if self.hour is None:
            return f"what a server at {self.destination or 'no destination'} reserves is unknown"
        return "" if self.rate else "the log of this run has no rate that check_serving measured"


def serving_of(run: RunUse, prices: Prices) -> Serving | None:
    """Returns what serving a run's model costs; None for a run that serves none.

    Raises:
        UserError: The table lacks the server's machine.
    """
    pushed = next((use for key, use in run.uses.items() if key.startswith("push-model")), None)
    if pushed is None:
        return None
    options, destination = (pushed.inputs[name].value if name in pushed.inputs else None for name in ("serving_options", "destination"))
    options, destination = decode(options) or {}, str(destination or "")
    checked = run.of("check_serving")
    measured = (checked.outputs.get("metrics") or {}) if checked else {}
    rates = [value for name, value in measured.items() if name.startswith(_RATE) and isinstance(value, (int, float))]
    return Serving(options, destination, _hour(options, destination, prices), min(rates, default=None))


def _hour(options: dict[str, Any], destination: str, prices: Prices) -> float | None:
    kind = destination.partition("://")[0]
    if kind == "vertex":
        name = options.get("machine_type", _VERTEX_MACHINE)
        if name not in prices.machines:
            raise UserError(f"{prices.file} has no machine {name}, on which the model is served: add it to `machines`")
        return prices.machines[name].hour
    if kind != "kserve" or options.get("gpu"):  # which GPU its node has, the options do not say
        return None
    cpus, memory = (float(read_quantity(str(options.get(name) or default))) for name, default in _KSERVE.items())
    request = Request(cpus, memory)
    return prices.machine(request, False, "the model server").cost(request, _HOUR, False)
