"""The outputs of the three ways, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..parity.compare import OF_THE_RUN
from .ways import Outputs

# Outputs that differ from run to run, with the reason.
MAY_DIFFER = {
    "evaluation": "contains the time, the paths and the Baseline's registry",
    "report": "contains the time or measured values",
    "serving_check": "contains measured times",
    "pushed_model": "a receipt with the time and the port",
    "monitoring": "contains the time and the paths",
    "trials": "contains measured times and the names of runs",
    "predictions": "the manifest contains the time and the folder",
    "decision": "contains the run's folder",
    "training_logs": "TensorBoard's events contain the time",
}
_FINGERPRINT_LENGTH, _SHOWN = 64, 12


@dataclass(frozen=True)
class Row:
    """One output of one task.

    Attributes:
        task: The task.
        what: The output.
        found: The output of each way, by the way's name; None without one.
    """

    task: str
    what: str
    found: dict[str, Any]

    @property
    def equal(self) -> bool:
        """Whether all are equal."""
        first, *others = self.found.values()
        return first is not None and all(other == first for other in others)

    @property
    def good(self) -> bool:
        """Whether all are equal, or need not be."""
        return self.equal or (self.what in MAY_DIFFER and None not in self.found.values())


def rows(found: dict[str, Outputs]) -> Iterator[Row]:
    """Yields every output of every task, in the order of the first way's tasks.

    Args:
        found: The outputs of each way.
    """
    names = list(dict.fromkeys(task for outputs in found.values() for task in outputs))
    for task in names:
        for what in sorted({what for outputs in found.values() for what in outputs.get(task, {})} - OF_THE_RUN):
            yield Row(task, what, {way: outputs.get(task, {}).get(what) for way, outputs in found.items()})


def markdown(table: list[Row]) -> str:
    """Returns the rows as a table."""
    ways = list(table[0].found)
    lines = [f"| Task | Output | {' | '.join(ways)} | Result |", "| --- | --- |" + " --- |" * (len(ways) + 1)]
    for row in table:
        why = "equal" if row.equal else MAY_DIFFER.get(row.what, "**different**")
        lines.append(f"| `{row.task}` | {row.what} | {' | '.join(map(_cell, row.found.values()))} | {why} |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = str(value)
    return f"`{text[:_SHOWN]}…`" if len(text) == _FINGERPRINT_LENGTH else text
