"""`penstock cost` and `penstock advise`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.components.data.local_runs import ROOT

from ..cost.amounts import UNKNOWN, gib, money, number, of
from ..errors import UserError
from ..kfp_adapter.lazy_import import import_kfp
from .options import add_options
from .remote.options import connected, where_options
from .remote.printing import print_table, say

if TYPE_CHECKING:
    from ..cost.advice import Advice
    from ..cost.prices import Prices
    from ..cost.runs import RunUse


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says which run is meant, and the price table."""
    options: list[Callable[..., Any]] = [
        click.argument("run", metavar="RUN"),
        click.option(
            "--prices",
            "prices_file",
            required=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The price table. infra/prices has examples.",
        ),
        click.option(
            "--root",
            default=ROOT,
            type=click.Path(path_type=Path),
            show_default=True,
            help="The folder for runs on this machine.",
        ),
        where_options,
    ]
    return add_options(command, options)


@click.command()
@_run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with everything that the tasks recorded.")
def cost(run: str, prices_file: Path, root: Path, as_json: bool, **where: str) -> None:
    """Show what the tasks of a run took and cost, and what the model and its predictions cost.

    RUN is the name of a run on this machine, or its folder; with --target or --context it is the ID of a run on that backend. What cannot
    be known is shown as unknown and is not part of the sums.

    \b
    Examples:
      penstock cost flight-delay-training-2026-11-29-20-31-07 --prices infra/prices/gcp.yaml
      penstock cost 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow --prices infra/prices/gcp.yaml
    """
    prices, used = _read(run, prices_file, root, where)
    if as_json:
        click.echo(json.dumps(_as_json(used, prices)))
        return
    from ..cost.statement import make_statement

    statement = make_statement(used, prices)
    print_table(statement.head, statement.rows)
    click.echo()
    for word, text in statement.facts:
        say(word, text)


@click.command()
@_run_options
@click.option(
    "--headroom", default=0.25, show_default=True, type=click.FloatRange(0), help="What to add to what was used, as a share of it."
)
@click.option("--requests-per-day", type=click.FloatRange(0), help="How many requests the served model gets on a day.")
def advise(run: str, prices_file: Path, root: Path, headroom: float, requests_per_day: float | None, **where: str) -> None:
    """Compare what the tasks of a run requested with what they used, and print the settings that would have done.

    RUN is meant as in `penstock cost`. CPUs are the most that a task kept busy over ten seconds, memory is the most that
    it had. A task that shared its machine with others, as on a laptop, may need more CPUs.

    \b
    Examples:
      penstock advise flight-delay-training-2026-11-29-20-31-07 --prices infra/prices/gcp.yaml
      penstock advise 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow --prices infra/prices/gcp.yaml --requests-per-day 500
    """
    prices, used = _read(run, prices_file, root, where)
    from ..cost.advice import advise as advise_run
    from ..cost.advice import advise_serving
    from ..cost.serving import serving_of

    advices = advise_run(used, prices, headroom)
    if not advices:
        raise UserError(f"no task of the run {run} has said what it took: there is nothing to compare with")
    heads = ("task", "CPUs", "would do", "memory", "would do", f"saves ({prices.currency})", f"spot saves ({prices.currency})", "notes")
    print_table(heads, map(_advised, advices))
    click.echo()
    if scaling := advise_serving(serving_of(used, prices), requests_per_day):
        say("server", scaling)
    silent = [task.name for task in used.tasks if task.ran and task.cpus is None]
    if silent:
        say(UNKNOWN, f"what {', '.join(silent)} took")
    click.echo()
    for line in _settings(advices, headroom):
        click.echo(line)


def _advised(advice: "Advice") -> tuple[str, ...]:
    task = advice.task
    return (
        task.name,
        of(number(task.peak_cpus, "{:.2f}"), number(task.request.cpus, "{:g}", "")),
        advice.cpu_text,
        of(gib(task.memory), gib(task.request.memory, "")),
        advice.memory_text,
        _signed(advice.saved) if task.request.is_set else "",
        "" if advice.spot_saved is None else _signed(advice.spot_saved),
        "; ".join(advice.notes),
    )


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"-{money(-value)}" if value < 0 else money(value)


def _settings(advices: "list[Advice]", headroom: float) -> Iterator[str]:
    """Yields what to copy: parameters of the pipeline where these say what a task gets, and lines of its code where they do not."""
    parameters: dict[str, str] = {}
    yield f"# {headroom:.0%} more than was used"
    for advice in advices:
        request, name = advice.task.request, advice.task.name.rpartition("/")[2].replace("-", "_")
        parameters |= {request.cpu_parameter: advice.cpu_text} if request.cpu_parameter else {}
        parameters |= {request.memory_parameter: advice.memory_text} if request.memory_parameter else {}
        code = "" if request.cpu_parameter else f'.set_cpu_limit("{advice.cpu_text}")'
        code += "" if request.memory_parameter else f'.set_memory_limit("{advice.memory_text}")'
        if code:
            yield f"{name}{code}"
    if parameters:
        yield "# parameters, for --params"
        yield from (f'{name}: "{text}"' for name, text in parameters.items())


def _read(run: str, prices_file: Path, root: Path, where: dict[str, Any]) -> "tuple[Prices, RunUse]":
    """Returns the price table, and what a run took."""
    import_kfp()
    from ..cost.prices import read_prices
    from ..cost.runs import local_run, remote_run

    prices = read_prices(prices_file)
    if where["target"] or where["context"]:
        return prices, remote_run(connected(where)[0], run)
    return prices, local_run(root, run)


def _as_json(run: "RunUse", prices: "Prices") -> dict[str, Any]:
    from ..cost.bill import make_bill
    from ..cost.serving import serving_of

    bill, serving = make_bill(run, prices), serving_of(run, prices)
    tasks = [
        {
            "task": line.task.name,
            "state": line.task.state,
            "seconds": line.task.seconds,
            "requested": {
                "cpus": line.task.request.cpus,
                "memory_bytes": line.task.request.memory,
                "accelerator": line.task.request.accelerator,
                "accelerators": line.task.request.accelerators,
            },
            "used": line.task.used,
            "machine": line.machine.name if line.machine else None,
            "cost": line.cost,
            "kwh": line.kwh,
        }
        for line in bill.lines
    ]
    return {
        "run": bill.run.name,
        "pipeline": bill.run.pipeline,
        "currency": prices.currency,
        "tasks": tasks,
        "cost": bill.cost.value,
        "cost_unknown": list(bill.cost.unknown),
        "requests_per_second": serving.rate if serving else None,
        "cost_per_1000_predictions": serving.per_1000 if serving else None,
        "kwh": bill.kwh.value if prices.energy else None,
        "kwh_unknown": list(bill.kwh.unknown) if prices.energy else None,
        "kg_co2e": bill.kwh.value * prices.energy.grid_kg_per_kwh if prices.energy else None,
    }
