"""`penstock cost` and `penstock advise`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UserError
from ..kfp_adapter.lazy_import import import_kfp
from .options import add_options
from .remote.options import connected, where_options
from .remote.printing import print_table, say

if TYPE_CHECKING:
    from ..cost.advice import Advice
    from ..cost.bill import Bill, Line, Sum
    from ..cost.prices import Prices
    from ..cost.runs import RunUse, TaskUse
    from ..cost.serving import Serving

_UNKNOWN = "unknown"
_GIB = 1 << 30


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
            default="local_outputs",
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
    from ..cost.bill import make_bill
    from ..cost.serving import serving_of

    bill, serving = make_bill(used, prices), serving_of(used, prices)
    if as_json:
        click.echo(json.dumps(_as_json(bill, serving, prices)))
        return
    print_table(
        ("task", "state", "seconds", "CPUs", "memory", "GPU", "read", "written", f"cost ({prices.currency})", "machine"),
        map(_cells, bill.lines),
    )
    click.echo()
    for word, text in _facts(bill, serving, prices):
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
        say(_UNKNOWN, f"what {', '.join(silent)} took")
    click.echo()
    for line in _settings(advices, headroom):
        click.echo(line)


def _advised(advice: "Advice") -> tuple[str, ...]:
    task = advice.task
    return (
        task.name,
        _of(_number(task.peak_cpus, "{:.2f}"), _number(task.request.cpus, "{:g}", "")),
        advice.cpu_text,
        _of(_gib(task.memory), _gib(task.request.memory, "")),
        advice.memory_text,
        _signed(advice.saved) if task.request.is_set else "",
        "" if advice.spot_saved is None else _signed(advice.spot_saved),
        "; ".join(advice.notes),
    )


def _signed(value: float | None) -> str:
    return _UNKNOWN if value is None else f"-{_money(-value)}" if value < 0 else _money(value)


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


def _cells(line: "Line") -> tuple[str, ...]:
    task = line.task
    if not task.ran:
        return task.name, task.state, "", "", "", "", "", "", _money(line.cost), ""
    return (
        task.name,
        task.state,
        _number(task.seconds, "{:.1f}"),
        _of(_number(task.cpus, "{:.2f}"), _number(task.request.cpus, "{:g}", "")),
        _of(_gib(task.memory), _gib(task.request.memory, "")),
        _gpu(task),
        _size(task.used.get("read_bytes")),
        _size(task.used.get("written_bytes")),
        _money(line.cost),
        line.machine.name if line.machine else _UNKNOWN,
    )


def _of(used: str, requested: str) -> str:
    return f"{used} of {requested}" if requested else used


def _gpu(task: "TaskUse") -> str:
    if not task.request.accelerator:
        return ""
    utilization = task.gpu_utilization
    return f"{_UNKNOWN if utilization is None else f'{utilization:.0%}'} of {task.request.accelerators} x {task.request.accelerator}"


def _number(value: float | None, form: str, missing: str = _UNKNOWN) -> str:
    return missing if value is None else form.format(value)


def _money(value: float | None) -> str:
    """Returns a price with three digits that count: tasks of seconds cost small shares of a cent."""
    if value is None:
        return _UNKNOWN
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.3g}" if value >= 0.0001 else f"{value:.7f}"


def _gib(value: float | None, missing: str = _UNKNOWN) -> str:
    """Returns an amount of memory."""
    return missing if value is None else f"{value / _GIB:.2f} GiB"


def _size(value: float | None) -> str:
    """Returns a number of bytes."""
    return _UNKNOWN if value is None else f"{value / 10**6:.1f} MB"


def _facts(bill: "Bill", serving: "Serving | None", prices: "Prices") -> list[tuple[str, str]]:
    currency = prices.currency
    price = _sum(bill.cost, f"{_money(bill.cost.value)} {currency}")
    facts = [("run", price), ("model", _model(bill, price))]
    if serving and serving.per_1000 is not None:
        facts.append(
            (
                "per 1,000",
                f"{_money(serving.per_1000)} {currency} for 1,000 predictions: {_money(serving.hour)} an hour at {serving.rate:.0f} requests/s",
            )
        )
    elif serving:
        facts.append(("per 1,000", f"{_UNKNOWN} for 1,000 predictions: {serving.unknown}"))
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


def _as_json(bill: "Bill", serving: "Serving | None", prices: "Prices") -> dict[str, Any]:
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
