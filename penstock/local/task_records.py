"""What ran in a run on this machine, in the run's folder: the pipeline, its parameters, and how each task fared.

It takes the place of what a backend tells of a run. What a task took of the machine is in the task's log.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.data.stored import Stored, dump, load_as
from penstock.components.protocol import TaskError, redact, redact_all
from penstock.components.protocol.atomic import atomically

from ..errors import UserError
from ..spec.pipeline_file import PipelineFile
from .display import Display
from .report import facts_of, outcome_of
from .tasks import Task

_FILE = "tasks.json"


@dataclass(frozen=True)
class TaskRecord(Stored):
    """A task of a run.

    Attributes:
        name: Its name in the run.
        state: `cached`, `done` or `failed`; `skipped` or `not run` of one that did not run, `canceled` of one that was ended.
        seconds: How long it took.
        log: Its log, below the run's folder; empty if no process was started.
        component: The Penstock component that it runs; empty for a task of another kind.
        figure: The one figure that matters, or why it did not run.
        error: Why it failed.
        reports: The HTML pages that it wrote, below the run's folder.
    """

    name: str
    state: str
    seconds: float
    log: str
    component: str = ""
    figure: str = ""
    error: str = ""
    reports: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord(Stored):
    """A run.

    Attributes:
        pipeline_spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given, without secrets.
        tasks: Its tasks, in the order in which they ended, and then those that did not end.
        facts: What its gates said, the version and the server, by the words of the summary at the end of a run.
        outcome: What it has come to, if it is done.
    """

    pipeline_spec: dict[str, Any]
    parameters: dict[str, Any]
    tasks: tuple[TaskRecord, ...]
    facts: dict[str, str] = field(default_factory=dict)
    outcome: str = ""


def write_record(folder: Path, pipeline: PipelineFile, arguments: dict[str, Any], display: Display) -> None:
    """Writes what ran into the run's folder."""
    parameters = {name: value for name, value in arguments.items() if name in pipeline.spec.root.input_definitions.parameters}
    ran = [_recorded(task, folder) for task in display.tasks]
    others = [TaskRecord(name, state, 0.0, "", figure=note) for name, state, note in display.idle()]
    facts = redact_all(dict(facts_of(display.tasks)))
    record = RunRecord(pipeline.document, redact_all(parameters), (*ran, *others), facts, outcome_of(display.tasks))
    with atomically(folder / _FILE) as file:
        file.write_text(dump(record), encoding="utf-8")


def keep_reports(folder: Path, tasks: list[Task]) -> None:
    """Copies the pages that tasks wrote to where a browser knows them for pages: KFP's artifacts have no suffix."""
    for task in tasks:
        name = task.name.replace("/", ".")
        task.reports = [
            _kept(page, folder / "reports" / f"{name}{f'.{page.name}' if number else ''}.html") for number, page in enumerate(task.reports)
        ]


def _kept(page: Path, copy: Path) -> Path:
    try:
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(page, copy)
    except OSError:  # the disk is full: the page is still where the task wrote it
        copy.unlink(missing_ok=True)
        return page
    return copy


def _recorded(task: Task, folder: Path) -> TaskRecord:
    log, *reports = (os.path.relpath(path, folder) if path else "" for path in (task.log, *task.reports))
    return TaskRecord(
        task.name, task.state, round(task.seconds, 3), log, task.component, redact(task.figure), redact(task.error), tuple(reports)
    )


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
