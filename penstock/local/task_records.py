"""What ran in a run on this machine, in the run's folder: the pipeline, its parameters, and how each task fared.

It takes the place of what a backend tells of a run. What a task took of the machine is in the task's log.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.data.stored import Stored, dump, load_as
from penstock.components.protocol import TaskError, redact_all
from penstock.components.protocol.atomic import atomically

from ..errors import UserError
from ..spec.pipeline_file import PipelineFile
from .tasks import Task

_FILE = "tasks.json"


@dataclass(frozen=True)
class TaskRecord(Stored):
    """A task that ran, or whose outputs came from the cache.

    Attributes:
        name: Its name in the run.
        state: `cached`, `done` or `failed`.
        seconds: How long it took.
        log: Its log, below the run's folder; empty if no process was started.
    """

    name: str
    state: str
    seconds: float
    log: str


@dataclass(frozen=True)
class RunRecord(Stored):
    """A run.

    Attributes:
        pipeline_spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given, without secrets.
        tasks: Its tasks, in the order in which they ended.
    """

    pipeline_spec: dict[str, Any]
    parameters: dict[str, Any]
    tasks: tuple[TaskRecord, ...]


def write_record(folder: Path, pipeline: PipelineFile, arguments: dict[str, Any], tasks: Iterable[Task]) -> None:
    """Writes what ran into the run's folder."""
    parameters = {name: value for name, value in arguments.items() if name in pipeline.spec.root.input_definitions.parameters}
    record = RunRecord(pipeline.document, redact_all(parameters), tuple(_recorded(task, folder) for task in tasks))
    with atomically(folder / _FILE) as file:
        file.write_text(dump(record), encoding="utf-8")


def _recorded(task: Task, folder: Path) -> TaskRecord:
    return TaskRecord(task.name, task.state, round(task.seconds, 3), os.path.relpath(task.log, folder) if task.log else "")


def read_record(folder: Path) -> RunRecord:
    """Reads what ran.

    Raises:
        UserError: There is no such run, or it has no record that can be read.
    """
    if not folder.is_dir():
        raise UserError(f"there is no run {folder}; `ls {folder.parent}` lists the runs there. For a run on a backend, give --target")
    file = folder / _FILE
    try:
        return load_as(RunRecord, file.read_bytes(), f"the record {file}", "run the pipeline again")
    except FileNotFoundError as error:
        raise UserError(
            f"the run in {folder} has no record of its tasks: it is still going on, was killed, or is older than this record; run it again"
        ) from error
    except TaskError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"the record {file} cannot be read ({error.strerror}); run the pipeline again") from error
