"""The price table: what machines cost by the hour, and what they draw (docs/cost.md describes the file)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from ..errors import UserError
from ..remote.accelerator_names import ACCELERATORS
from ..remote.shapes import NOT_GIVEN, Record, check, number
from ..spec.yaml_text import load_document
from .amounts import GIB
from .requests import Request

_HOUR = 3600


_Amount = Annotated[Any, number(lambda value: value >= 0, "a number from 0")]
_Size = Annotated[Any, number(lambda value: value > 0, "a number above 0")]
_Factor = Annotated[Any, number(lambda value: value >= 1, "a number from 1")]
_Count = Annotated[Any, number(lambda value: value > 0 and value == int(value), "a whole number above 0")]
_OWN_NAMES = {row["vertex"]: name for name, row in ACCELERATORS.items() if name != "gpu" and "vertex" in row}


class _Watts(Record):
    idle: _Amount
    full: _Amount


class _Machine(Record):
    hour: _Amount
    spot_hour: _Amount = NOT_GIVEN
    cpus: _Size
    memory_gib: _Size
    accelerator: str = NOT_GIVEN
    accelerators: _Count = NOT_GIVEN
    accelerator_watts: _Watts = NOT_GIVEN


class _Energy(Record):
    source: str
    cpu_watts: _Watts
    memory_watts_per_gib: _Amount
    pue: _Factor
    grid_kg_per_kwh: _Amount


class _File(Record):
    currency: str
    source: str
    date: str
    region: str = NOT_GIVEN
    default_machine: str = NOT_GIVEN
    machines: dict[str, _Machine]
    energy: _Energy = NOT_GIVEN


@dataclass(frozen=True)
class Watts:
    """The power that something draws, in watts: without work, and with all that it can do."""

    idle: float
    full: float

    def at(self, utilization: float) -> float:
        """Returns the power at a utilization from 0 to 1."""
        return self.idle + min(utilization, 1.0) * (self.full - self.idle)


@dataclass(frozen=True)
class Machine:
    """A kind of machine.

    Attributes:
        name: Its name.
        hour: Its price for an hour.
        spot_hour: The same as a spot machine; None if unknown.
        cpus: Its CPUs.
        memory: Its memory in bytes.
        accelerator: Its accelerator; empty for none.
        accelerators: How many.
        accelerator_watts: What each draws; None if unknown.
    """

    name: str
    hour: float
    spot_hour: float | None
    cpus: float
    memory: float
    accelerator: str
    accelerators: int
    accelerator_watts: Watts | None

    def fits(self, request: Request) -> bool:
        """Returns whether it has what is requested; a machine with accelerators is for those who ask for one."""
        if (request.cpus or 0) > self.cpus or (request.memory or 0) > self.memory or request.accelerators > self.accelerators:
            return False
        return same_accelerator(self.accelerator, request.accelerator)

    def cost(self, request: Request, seconds: float, whole: bool) -> float:
        """Returns the price of a request for a time.

        Args:
            request: What is requested.
            seconds: For how long.
            whole: Whether the machine is for the request alone; otherwise its price is that of the share that others cannot have, which is
                the largest share of any of the machine's resources.
        """
        return self.hour * (1.0 if whole else self._share(request)) * seconds / _HOUR

    def _share(self, request: Request) -> float:
        shares = [(request.cpus or 0) / self.cpus, (request.memory or 0) / self.memory]
        return max([*shares, request.accelerators / self.accelerators if self.accelerators else 0])


@dataclass(frozen=True)
class Energy:
    """What energy is estimated from.

    Attributes:
        source: Where the values are from.
        cpu: What one CPU draws.
        memory_watts_per_gib: What memory draws.
        pue: The power usage effectiveness: what the data center draws for each watt of its machines.
        grid_kg_per_kwh: The carbon intensity of the grid: kilograms of CO2 equivalents for each kilowatt-hour.
    """

    source: str
    cpu: Watts
    memory_watts_per_gib: float
    pue: float
    grid_kg_per_kwh: float


@dataclass(frozen=True)
class Prices:
    """A price table.

    Attributes:
        file: Where it is from.
        currency: Its currency.
        source: Where the prices are from.
        date: When they were looked up.
        default_machine: What a task gets on Vertex AI that requests nothing; None if it is not said.
        machines: The machines, by name.
        energy: What energy is estimated from; None if the table does not say.
    """

    file: Path
    currency: str
    source: str
    date: str
    default_machine: Machine | None
    machines: dict[str, Machine]
    energy: Energy | None

    def machine(self, request: Request, whole: bool, who: str) -> Machine:
        """Returns the machine on which a request costs least.

        Args:
            request: What is requested.
            whole: As for `Machine.cost`.
            who: Who requests it, for the message.

        Raises:
            UserError: There is none that has what is requested.
        """
        fitting = [machine for machine in self.machines.values() if machine.fits(request)]
        if not fitting:
            raise UserError(f"{self.file} has no machine with {_words(request)}, which {who} requests: add one to `machines`")
        return min(fitting, key=lambda machine: (machine.cost(request, _HOUR, whole), machine.name))


def read_prices(file: Path) -> Prices:
    """Reads a price table.

    Raises:
        UserError: It cannot be read, or has something that means nothing, such as a price below 0.
    """
    try:
        content = load_document(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the price table {file}: {getattr(error, 'strerror', None) or error}") from error
    try:
        check(content, _File)
    except UserError as error:
        raise UserError(f"{file}: {error.message}") from error
    machines = {name: _machine(name, given) for name, given in content["machines"].items()}
    default = content.get("default_machine", "")
    if default and default not in machines:
        raise UserError(f"{file}: default_machine is {default}, which `machines` lacks; add it there")
    return Prices(
        file,
        content["currency"],
        content["source"],
        content["date"],
        machines.get(default),
        machines,
        _energy(content["energy"]) if "energy" in content else None,
    )


def same_accelerator(one: str, other: str) -> bool:
    """Returns whether two names mean the same accelerator: the table's (`l4`), a backend's (`NVIDIA_L4`), or the device's (`NVIDIA L4`)."""
    return _known(one) == _known(other)


def _known(name: str) -> str:
    if name in ACCELERATORS or name in _OWN_NAMES:
        return _OWN_NAMES.get(name, name)
    # NVIDIA A100-SXM4-80GB
    parts = [part for part in re.split(r"[\s_-]+", name.lower()) if part not in ("nvidia", "tesla")]
    larger = f"{parts[0]}-{parts[-1]}" if parts else ""
    return larger if larger in ACCELERATORS else parts[0] if parts and parts[0] in ACCELERATORS else "-".join(parts)


def _machine(name: str, given: dict) -> Machine:
    watts = given.get("accelerator_watts")
    accelerator = given.get("accelerator", "")
    return Machine(
        name,
        given["hour"],
        given.get("spot_hour"),
        given["cpus"],
        given["memory_gib"] * GIB,
        accelerator,
        given.get("accelerators", 1 if accelerator else 0),
        Watts(**watts) if watts else None,
    )


def _energy(given: dict) -> Energy:
    return Energy(given["source"], Watts(**given["cpu_watts"]), given["memory_watts_per_gib"], given["pue"], given["grid_kg_per_kwh"])


def _words(request: Request) -> str:
    parts = [f"{request.accelerators} x {request.accelerator}"] if request.accelerator else []
    parts += [f"{request.cpus:g} CPUs"] if request.cpus else []
    parts += [f"{request.memory / GIB:.3g} GiB"] if request.memory else []
    return " and ".join(parts) or "a price"
