"""The options that keep a run within a budget."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import before_anything_starts
from .options import add_options

if TYPE_CHECKING:
    from ..cost.prices import Prices
    from ..remote.target import Target

_NAMES = ("max_cost", "warn_cost", "like")


def budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--max-cost`, `--warn-cost`, `--like` and `--prices`."""
    amount = click.FloatRange(0)
    options: list[Callable[..., Any]] = [
        click.option(
            "--max-cost", type=amount, metavar="AMOUNT", help="Start nothing if the run would cost more, as --like did. Needs --prices."
        ),
        click.option("--warn-cost", type=amount, metavar="AMOUNT", help="Warn if the run would cost more, as --like did. Needs --prices."),
        click.option(
            "--like", default="", metavar="RUN", help="An earlier run of the pipeline in the same place, for --max-cost and --warn-cost."
        ),
        click.option(
            "--prices",
            "prices_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The price table, for --max-cost and for the page of a run on this machine.",
        ),
    ]
    return add_options(command, options)


def price_table(given: dict[str, Any]) -> "Prices | None":
    """Reads the price table that the options name; None if they name none.

    Raises:
        WrongUsage: It cannot be read, or has something that means nothing.
    """
    if not given["prices_file"]:
        return None
    from ..cost.prices import read_prices

    with before_anything_starts():
        return read_prices(given["prices_file"])


def keep_within_budget(
    given: dict[str, Any], prices: "Prices | None", place: "Target | Path", name: str, spec: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """Refuses a run that would cost too much, and warns of one that would cost much.

    Args:
        given: The options of the command, of which those of the budget are read.
        prices: The price table.
        place: Where the run would be, and the earlier one is: a backend, or the folder for runs on this machine.
        name: The pipeline's name.
        spec: The PipelineSpec of the run in JSON form.
        parameters: Its parameters.

    Raises:
        UsageError: Options are missing.
        WrongUsage: The run would cost too much, or it cannot be known what it will cost.
    """
    most, warn, like = (given[option] for option in _NAMES)
    if most is None and warn is None:
        return
    if not like or not prices:
        raise click.UsageError("--max-cost and --warn-cost need --like, an earlier run, and --prices, a price table")
    from ..cost.budget import Budget, check_budget
    from ..cost.runs import local_run, remote_run

    with before_anything_starts():
        earlier = local_run(place, like) if isinstance(place, Path) else remote_run(place, like)
        warning = check_budget(Budget(most, warn), earlier, prices, name, spec, parameters)
    if warning:
        click.echo(f"warning: {warning}", err=True)
