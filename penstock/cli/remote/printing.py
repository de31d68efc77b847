"""What the commands for runs elsewhere print."""

from collections.abc import Iterable
from datetime import datetime

import click
from rich.console import Console

out = Console(soft_wrap=True)


def say(word: str, text: str) -> None:
    """Prints one fact."""
    out.print(f"{word:<10} {text}", markup=False, highlight=False, soft_wrap=True)


def time_text(moment: datetime | None) -> str:
    """Returns a time in the time zone of this machine; empty for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def print_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Prints rows below their heads, each as wide as it is: what is copied from them must be whole."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
