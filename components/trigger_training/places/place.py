"""What is asked of a place where trainings run."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class StartedRun:
    """A run, as its place tells it.

    Attributes:
        id: What the place's commands take.
        name: Its name.
        state: `waiting`, `running`, `done`, `failed` or `canceled`.
        created: When it was made.
        url: Its page or folder.
    """

    id: str
    name: str
    state: str
    created: datetime
    url: str


class Place(Protocol):
    """A place where trainings run. Both verbs raise TaskError with one clear line."""

    def runs(self, named: str) -> list[StartedRun]:
        """Returns the runs whose names have a text in them, newest first."""

    def start(self, file: Path, parameters: dict[str, Any], name: str, labels: dict[str, str]) -> StartedRun:
        """Starts a run, or finds the one with its name."""
