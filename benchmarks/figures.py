"""How what was measured is printed."""

from rich.table import Table


def table(title: str, first: str, *columns: str) -> Table:
    """Returns an empty table.

    Args:
        title: What stands above it.
        first: The title of its first column, of names.
        columns: The titles of the others, of numbers.
    """
    made = Table(first, title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="right")
    return made
