"""The record of a run on this machine, in the run's folder. `penstock run` writes it; the search for earlier runs reads it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock.components.protocol.atomic import atomically

from .stored import Malformed, Stored, dump, load_as

ROOT = "local_outputs"  # the folder for runs in the working folder
FILE = "run.json"
RUNNING, DONE, FAILED, CANCELED = "running", "done", "failed", "canceled"


@dataclass(frozen=True)
class LocalRun(Stored):
    """A run.

    Attributes:
        name: Its name, which is its folder's.
        pipeline: The pipeline's name.
        state: `running`, `done`, `failed` or `canceled`.
        created: When it began, in ISO 8601.
        ended: When it ended; empty while it runs.
        process: The process that runs it.
        labels: Its labels.
    """

    name: str
    pipeline: str
    state: str
    created: str
    ended: str = ""
    process: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes it into the run's folder."""
        with atomically(folder / FILE) as file:
            file.write_text(dump(self, indent=1), encoding="utf-8")


def read_run(folder: Path) -> LocalRun:
    """Reads the record of one run.

    Raises:
        FileNotFoundError: There is none.
        TaskError: It is malformed, or a newer version of Penstock has written it.
    """
    file = folder / FILE
    return load_as(LocalRun, file.read_bytes(), f"the run at {file}", "remove it")


def local_runs(root: Path) -> Iterator[LocalRun]:
    """Yields the runs below a folder, newest first. One whose process has gone without saying how it ended has failed.

    Raises:
        TaskError: A newer version of Penstock has written one in a way that this one does not know.
    """
    found = []
    for file in root.glob(f"*/{FILE}"):
        try:
            found.append(read_run(file.parent))
        except (FileNotFoundError, Malformed):  # taken away meanwhile, or another program's
            continue
    for run in sorted(found, key=lambda run: run.created, reverse=True):
        yield replace(run, state=FAILED) if run.state == RUNNING and not _is_alive(run.process) else run


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
