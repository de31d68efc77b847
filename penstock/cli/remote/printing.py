"""What the commands for runs elsewhere print."""

from collections.abc import Iterable
from datetime import datetime
from io import StringIO

import click
from rich.console import Console

out = Console(soft_wrap=True)
# Wider than any table: none is cut or wrapped.
_WIDEST = 100_000


def say(word: str, text: str) -> None:
    """Prints one fact."""
    out.print(f"{word:<10} {text}", markup=False, highlight=False, soft_wrap=True)


def time_text(moment: datetime | None) -> str:
    """Returns a time in the time zone of this machine; empty for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def print_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Prints rows below their heads, each as wide as it is: what is copied from them must be whole."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=_WIDEST, file=(drawn := StringIO()), color_system=None).print(table)
    for line in drawn.getvalue().splitlines():
        click.echo(line.rstrip())
