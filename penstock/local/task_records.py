"""What ran in a run on this machine, in the run's folder: the pipeline, its parameters, and how each task fared.

It takes the place of what a backend tells of a run. What a task took of the machine is in the task's log.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.protocol import TaskError, redact_all
from penstock.components.protocol.atomic import atomically

from ..errors import UserError
from ..spec.pipeline_file import PipelineFile
from .tasks import Task

_FILE = "tasks.json"


@dataclass(frozen=True)
class TaskRecord:
    """A task that ran, or whose outputs came from the cache.

    Attributes:
        name: Its name in the run.
        component: The Penstock component; empty for a task of another kind.
        state: `cached`, `done` or `failed`.
        seconds: How long it took.
        log: Its log; None if no process was started.
    """

    name: str
    component: str
    state: str
    seconds: float
    log: Path | None

    @classmethod
    def read(cls, given: dict[str, Any], folder: Path) -> "TaskRecord":
        """Reads one of a run in a folder."""
        log = folder / given["log"] if given["log"] else None
        return cls(given["name"], given["component"], given["state"], float(given["seconds"]), log)

    @classmethod
    def written(cls, task: Task, folder: Path) -> dict[str, Any]:
        """Returns what is written of a task."""
        log = os.path.relpath(task.log, folder) if task.log else ""
        return {"name": task.name, "component": task.component, "state": task.state, "seconds": round(task.seconds, 3), "log": log}


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given, without secrets.
        tasks: Its tasks, in the order in which they ended.
    """

    spec: dict[str, Any]
    parameters: dict[str, Any]
    tasks: list[TaskRecord]


def write_record(folder: Path, pipeline: PipelineFile, arguments: dict[str, Any], tasks: Iterable[Task]) -> None:
    """Writes what ran into the run's folder."""
    parameters = {name: value for name, value in arguments.items() if name in pipeline.spec.root.input_definitions.parameters}
    ran = [TaskRecord.written(task, folder) for task in tasks]
    content = {"pipeline_spec": pipeline.document, "parameters": redact_all(parameters), "tasks": ran}
    with atomically(folder / _FILE) as file:
        file.write_text(stored.dump(content), encoding="utf-8")


def read_record(folder: Path) -> RunRecord:
    """Reads what ran.

    Raises:
        UserError: There is no such run, or it has no record.
    """
    if not folder.is_dir():
        raise UserError(f"there is no run {folder}; `ls {folder.parent}` lists the runs there. For a run on a backend, give --target")
    try:
        content = stored.load((folder / _FILE).read_bytes(), f"the record {folder / _FILE}", "run the pipeline again")
        tasks = [TaskRecord.read(each, folder) for each in content["tasks"]]
        return RunRecord(dict(content["pipeline_spec"]), dict(content["parameters"]), tasks)
    except FileNotFoundError as error:
        raise UserError(
            f"the run in {folder} has no record of its tasks: it is still going on, was killed, or is older than this record; run it again"
        ) from error
    except (TaskError, OSError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"the record of the run in {folder} cannot be read ({error}); run the pipeline again") from error
