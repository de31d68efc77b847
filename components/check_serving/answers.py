"""Compares a server's answers with the evaluation's, row for row: the test for training-serving skew."""

import json
from dataclasses import dataclass, field
from typing import Any

from penstock.components.evidence.answers import Mismatch, differences, largest_difference

from .clients import Client, encode, read

# Requests contain one row or this many.
ROWS_PER_REQUEST = 32
_MOST_SHOWN = 5
_MOST_VALUES = 10
_MOST_CHARACTERS = 80


@dataclass(frozen=True)
class Difference:
    """A row with an answer that differs from the evaluation; both answers as JSON, shortened for people.

    Attributes:
        row: Its number.
        answered: The answer.
        evaluated: The evaluation's.
        values: The first values that exceed the tolerance, in words.
    """

    row: int
    answered: str
    evaluated: str
    values: list[str]


@dataclass
class Answers:
    """How a server's answers compare with the evaluation's.

    Attributes:
        rows: How many rows were compared.
        different: How many of them differ by more than the tolerance.
        largest_difference: The largest difference of two numbers; None where something else than numbers differs.
        shown: The first rows that differ.
    """

    rows: int = 0
    different: int = 0
    largest_difference: float | None = 0.0
    shown: list[Difference] = field(default_factory=list)

    def compare(self, row: int, answered: Any, evaluated: Any, tolerance: float) -> None:
        """Takes one more row into account."""
        self.rows += 1
        apart = largest_difference(answered, evaluated)
        if apart == float("inf"):
            self.largest_difference = None
        elif self.largest_difference is not None:
            self.largest_difference = max(self.largest_difference, apart)
        exceeding = list(differences(answered, evaluated, tolerance))
        if exceeding:
            self.different += 1
            if len(self.shown) < _MOST_SHOWN:
                values = [_in_words(value) for value in exceeding[:_MOST_VALUES]]
                more = [f"and {len(exceeding) - _MOST_VALUES} more"] if len(exceeding) > _MOST_VALUES else []
                self.shown.append(Difference(row, _shortened(answered), _shortened(evaluated), values + more))


def _in_words(value: Mismatch) -> str:
    place = f"{value.place}: " if value.place else ""
    return f"{place}{_shortened(value.answered)}, not {_shortened(value.known)} (may be {value.allowed:.1g} apart)"


def _shortened(answer: Any) -> str:
    text = json.dumps(answer)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def takes_rows_together(probe: dict[str, Any]) -> bool:
    """Tells whether the model answers rows in one request as it answers each alone."""
    return probe.get("rows_together", True) is not False


async def ask_all(client: Client, probe: dict[str, Any]) -> Answers:
    """Sends every row of a probe, many in a request unless the model mixes them, and compares.

    Raises:
        RequestFailed: A request was refused or not answered, or the answer is not what the protocol says.
    """
    instances, predictions = probe["instances"], probe["predictions"]
    answers = Answers()
    rows = ROWS_PER_REQUEST if takes_rows_together(probe) else 1
    for first in range(0, len(instances), rows):
        asked = slice(first, first + rows)
        answered = read(client, await client.send(encode(client, instances[asked])), len(instances[asked]))
        for number, (ours, theirs) in enumerate(zip(answered, predictions[asked], strict=True)):
            answers.compare(first + number, ours, theirs, probe["tolerance"])
    return answers
