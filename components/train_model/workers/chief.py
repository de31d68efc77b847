"""What the chief prints is the task's own log."""

from penstock.components.protocol import figure
from penstock.components.protocol.logs import say
from penstock.components.protocol.marks import ERROR, OUTPUTS, figure_in


def pass_on(line: str) -> None:
    """Prints a line of the chief. Its figures are the task's; its outputs and its error are left out, because the task prints its own."""
    shown = figure_in(line)
    if shown is not None:
        figure(shown)
    elif not line.startswith((OUTPUTS, ERROR)):
        say(line)
