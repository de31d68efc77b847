"""`penstock serve`: what a local:// destination serves, and how to stop it."""

import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from penstock.components.runtime import serving

_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="serving", metavar="[DIR]")


@click.group()
def serve() -> None:
    """See or stop the model server of a local:// destination."""


@serve.command()
@_folder
def status(folder: Path) -> None:
    """Show what DIR serves: the server, and every model's version, fingerprint and URL. DIR is ./serving if not given.

    Exits with 1 if no server runs or answers.

    Example: penstock serve status serving
    """
    info = serving.running_server(folder)
    models = serving.served_models(folder)
    console = Console(soft_wrap=True)
    if info is None:
        console.print(f"no model server runs in {folder}" + (f"; it would serve {', '.join(models)}" if models else ""))
    else:
        uptime = timedelta(seconds=int(time.time() - info.started))
        console.print(f"model server in {folder}: pid {info.pid}, port {info.port}, up {uptime}, log {folder / 'server.log'}")
    answering = {model for model in models if info and _answers(info.predict_url(model).removesuffix(":predict"))}
    if models:
        console.print(_table(folder, models, info, answering))
    if info is None or answering != set(models):
        raise SystemExit(1)


@serve.command()
@_folder
def stop(folder: Path) -> None:
    """Stop the model server of DIR once it has answered the requests that it has. DIR is ./serving if not given.

    The versions stay: the next push starts the server again.

    Example: penstock serve stop serving
    """
    info = serving.stop_server(folder)
    click.echo(f"stopped the model server of {folder} (pid {info.pid})" if info else f"no model server runs in {folder}")


def _table(folder: Path, models: list[str], info: serving.ServerInfo | None, answering: set[str]) -> Table:
    table = Table("model", "version", "fingerprint", "before it", "answers", "URL", box=None)
    for model in models:
        state = serving.read_state(folder, model)
        release = serving.read_release(folder, model, str(state.stable))
        answers = "yes" if model in answering else "no"
        url = info.predict_url(model) if info else ""
        table.add_row(model, state.stable, release.fingerprint[:12], ", ".join(state.history) or "-", answers, url)
    return table


def _answers(url: str) -> bool:
    """Asks this machine's server, past any proxy, whether a model is ready."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError):
        return False
