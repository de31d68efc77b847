"""`penstock serve`: what a local:// destination serves, and how to stop it."""

import time
from datetime import timedelta
from pathlib import Path

import click

from penstock.components.release import serving
from penstock.components.release.served import ask_served

_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="serving", metavar="[DIR]")


@click.group()
def serve() -> None:
    """Inspect or stop the model server of a local:// destination.

    Example: penstock serve status serving
    """


@serve.command()
@_folder
def status(folder: Path) -> None:
    """Show the server of DIR (default: ./serving) and every model's version, fingerprint and URL.

    The command asks the server. Exit code 1: no server answers, or it answers with another version than DIR records.

    Example: penstock serve status serving
    """
    info = serving.running_server(folder)
    if info is None:
        click.echo(f"no model server runs in {folder}")
    else:
        uptime = timedelta(seconds=int(time.time() - info.started))
        click.echo(f"model server in {folder}: pid {info.pid}, port {info.port}, up {uptime}, log {folder / 'server.log'}")
    lines = [_line(folder, model, info) for model in serving.served_models(folder)]
    for _, text in lines:
        click.echo(text)
    if info is None or not all(answers for answers, _ in lines):
        raise SystemExit(1)


@serve.command()
@_folder
def stop(folder: Path) -> None:
    """Stop the model server of DIR (default: ./serving) after it has finished its current requests.

    The versions remain. The next push starts the server again.

    Example: penstock serve stop serving
    """
    info = serving.stop_server(folder)
    click.echo(f"stopped the model server of {folder} (pid {info.pid})" if info else f"no model server runs in {folder}")


def _line(folder: Path, model: str, info: serving.ServerInfo | None) -> tuple[bool, str]:
    """Returns whether a model answers as its state says, and what to say of it."""
    state = serving.read_state(folder, model)
    release = serving.read_release(folder, model, str(state.stable))
    answering = ask_served(info, model) if info else frozenset()
    agrees = release.fingerprint in answering
    if info and agrees:
        where = f"answers at {info.predict_url(model)}"
    elif answering:
        where = f"should answer by {folder / model / 'state.json'}, but {', '.join(sorted(answering))} does; push again, or roll back"
    else:
        where = "does not answer"
    return (
        agrees,
        f"{model}: version {state.stable} {where}; fingerprint {release.fingerprint}; previous: {', '.join(state.history) or 'none'}",
    )
