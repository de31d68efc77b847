"""How kfp.local runs a task: through one of our runners. It has two of its own, a subprocess and Docker (see `docker_runner`)."""

import functools
import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.protocol import redact
from penstock.components.protocol.atomic import remove_scratch

from ..errors import UserError
from ..kfp_adapter.orchestrator import TASK_HANDLER, Status
from ..spec.containers import component_of
from . import tasks
from .processes import Processes
from .runner import Job, Runner
from .task_log import TaskLog

_LEAST_ROOM = 4096


@dataclass
class TaskHandler:
    """Runs one task; kfp.local makes one for each, and tells it all but the last two.

    Attributes:
        image: The container's image.
        full_command: The container's command, placeholders resolved.
        pipeline_root: Unused: the executor input has absolute paths.
        runner: Unused: kfp.local's.
        env_vars: The container's environment variables.
        ours: What runs it.
        processes: The run's processes.
        view: Who watches.
    """

    image: str
    full_command: list[str]
    pipeline_root: str
    runner: Any
    env_vars: dict[str, str]
    ours: Runner
    processes: Processes
    view: tasks.View

    def run(self) -> Status:
        """Runs the task's process to its end.

        Raises:
            UserError: kfp.local must not try again: the run is ending, or a Penstock task has given its reason, which a person can remove.
        """
        task = tasks.current()
        task.component = component_of(self.full_command)
        job = Job(task.component, self.image, self.full_command, self.env_vars, _executor_input(self.full_command))
        outputs = job.executor_input["outputs"]
        root = Path(outputs["outputFile"]).parent
        task.log = root.with_name(f"{root.name}.log")
        root.mkdir(parents=True, exist_ok=True)
        self.view.started(task)
        reader = TaskLog()
        try:
            code = self.ours.run(job, self.processes, task.log, functools.partial(self._read, task, reader))
        except UserError as error:
            task.error, code = redact(error.message), 1
        else:
            task.error = reader.reason if code == 1 else ""
        remove_scratch(root)
        task.reports = list(_pages(outputs))
        if code == 0 and task.component and not Path(outputs["outputFile"]).exists():
            task.error, code = f"it ended without its outputs: {shlex.join(self.full_command[:3])}", 1
        if code < 0:
            task.error = f"it was ended by signal {-code}"
        if code and not task.error and shutil.disk_usage(root).free < _LEAST_ROOM:  # the reason is lost with its log
            task.error = f"cannot write {task.log}: no space left on the device; free some space and run it again"
        if code and (self.processes.interrupted or (task.component and reader.reason)):
            raise UserError(task.error)
        if code and task.retries:
            task.retries -= 1
            self.view.noted(
                f"{task.name}: {task.error or 'it failed'}; it starts again soon, as the pipeline sets retries; log: {task.log}"
            )
        return Status.SUCCESS if code == 0 else Status.FAILURE

    def _read(self, task: tasks.Task, reader: TaskLog, line: str) -> None:
        reader.read_line(line)
        self.view.logged(task, line)
        if reader.figure != task.figure:
            task.figure = reader.figure
            self.view.progressed(task)


def _executor_input(command: list[str]) -> dict[str, Any]:
    return json.loads(command[command.index("--executor_input") + 1])


def _pages(outputs: dict[str, Any]) -> Iterator[Path]:
    for entry in (outputs.get("artifacts") or {}).values():
        for artifact in entry["artifacts"]:
            if artifact["type"].get("schemaTitle") == "system.HTML" and Path(artifact["uri"]).is_file():
                yield Path(artifact["uri"])


@contextmanager
def runs_by(runner: Runner, processes: Processes, view: tasks.View) -> Iterator[None]:
    """Makes kfp.local's SubprocessRunner run tasks our way."""
    handler = functools.partial(TaskHandler, ours=runner, processes=processes, view=view)
    with TASK_HANDLER.replaced(handler):
        yield
