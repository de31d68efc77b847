"""Whether a server gives the answers that the model gave in evaluation, row for row: the training-serving skew test."""

import json
from dataclasses import dataclass, field
from typing import Any

from penstock.components.runtime.answers import is_close, largest_difference

from .clients import Client, encode, read

# Both one row and many come in a request; so many rows are asked for at once.
ROWS_PER_REQUEST = 32
_MOST_SHOWN = 5
_MOST_CHARACTERS = 80


@dataclass(frozen=True)
class Difference:
    """A row that is answered otherwise than evaluated; both answers as JSON, and no longer than people read."""

    row: int
    answered: str
    evaluated: str


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
        if not is_close(answered, evaluated, tolerance):
            self.different += 1
            if len(self.shown) < _MOST_SHOWN:
                self.shown.append(Difference(row, _shortened(answered), _shortened(evaluated)))


def _shortened(answer: Any) -> str:
    text = json.dumps(answer)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


async def ask_all(client: Client, probe: dict[str, Any]) -> Answers:
    """Sends every row of a probe, many in a request, and compares.

    Raises:
        RequestFailed: A request was refused or not answered, or the answer is not what the protocol says.
    """
    instances, predictions = probe["instances"], probe["predictions"]
    answers = Answers()
    for first in range(0, len(instances), ROWS_PER_REQUEST):
        asked = slice(first, first + ROWS_PER_REQUEST)
        answered = read(client, await client.send(encode(client, instances[asked])), len(instances[asked]))
        for number, (ours, theirs) in enumerate(zip(answered, predictions[asked], strict=True)):
            answers.compare(first + number, ours, theirs, probe["tolerance"])
    return answers
