"""Where the parts are scored: in this process, or on Beam."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from penstock.components.data.runners import names_runner
from penstock.components.images import own_image
from penstock.components.protocol import Input, Output

from .columns import Columns
from .keys import check_unique
from .limit import Limit
from .models import Models
from .parts import Part
from .place import Place
from .run import Run


@dataclass(frozen=True)
class Work:
    """What is to be scored, and how.

    Attributes:
        place: Where the output goes.
        models: The model on every device.
        columns: The columns of the output.
        kind: `parquet`, `csv` or `jsonl`.
        keys: The key columns.
        limit: How many rows may fail.
    """

    place: Place
    models: Models
    columns: Columns
    kind: str
    keys: list[str]
    limit: Limit

    def score(self, parts: list[Part]) -> list[dict[str, Any]]:
        """Scores the parts that are not complete, here; returns the record of each.

        Raises:
            TaskError: More rows than may cannot be scored, or fewer rows came out than went in.
        """
        scorers = cache(lambda: self.models.scorers(self.keys, self.limit))
        return Run(self.place, scorers, self.columns, self.kind, self.limit).score(parts)


class Engine(Protocol):
    """What scores."""

    def destination(self, predictions: Output) -> str:
        """Returns where the output is written if it has no place of its own."""

    def check_unique(self, parts: list[Part], keys: list[str]) -> None:
        """Checks that no two rows have the same key.

        Raises:
            TaskError: Two have.
        """

    def score(self, work: Work, parts: list[Part]) -> list[dict[str, Any]]:
        """Scores the parts as `Work.score` does."""

    def record(self, predictions: Output, place: Place) -> None:
        """Records what was written of the output where this machine has no copy of it."""


@contextmanager
def engine(beam_pipeline_args: list[str], examples: Input, predictions: Output) -> Iterator[Engine]:
    """Gives what scores: Beam if its options name a runner."""
    if not names_runner(beam_pipeline_args):
        yield InProcess()
        return
    from penstock.components.data import beam

    from .beam_engine import OnBeam

    with beam.Engine(beam_pipeline_args, own_image("tf"), predictions) as found:
        yield OnBeam(found, examples)


class InProcess:
    """Scores one part after the other, in this process."""

    def destination(self, predictions: Output) -> str:
        """Returns the output's path."""
        return str(predictions.path)

    def check_unique(self, parts: list[Part], keys: list[str]) -> None:
        """Reads the keys of all rows."""
        check_unique(parts, keys)

    def score(self, work: Work, parts: list[Part]) -> list[dict[str, Any]]:
        """Scores the parts."""
        return work.score(parts)

    def record(self, predictions: Output, place: Place) -> None:
        """Does nothing: all is here."""
