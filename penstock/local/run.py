"""Runs a compiled pipeline on this machine."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from kfp import local
from rich.console import Console

from penstock.components.data.local_runs import CANCELED, DONE, FAILED, RUNNING, LocalRun
from penstock.components.protocol import redact
from penstock.components.protocol.logs import is_verbose

from ..errors import UserError
from ..kfp_adapter.orchestrator import RUN_NAME, run_local_pipeline
from ..spec.pipeline_file import PipelineFile
from ..spec.portable import portable
from . import cache, faults, handler, side_by_side, single_tasks, tasks
from .display import Display
from .env_runner import EnvRunner
from .patches import patched
from .processes import Processes
from .report import Result
from .runner import Runner
from .task_environment import set_variables
from .task_records import keep_reports, write_record


@dataclass(frozen=True)
class Named:
    """What a person calls a run.

    Attributes:
        name: Its name; empty: the pipeline's and the time.
        labels: Its labels.
    """

    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)


class Interrupted(BaseException):
    """The user ended the run.

    Attributes:
        number: The signal.
        folder: The run's folder.
    """

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(number)
        self.number, self.folder = number, folder


def make_runner(name: str, extra_packages: Path | None = None, ahead: bool = True) -> Runner:
    """Returns a runner.

    Args:
        name: `env` or `docker`.
        extra_packages: Hashed requirements of packages for users' modules.
        ahead: Whether the next task's process may be started while another task runs, where that is possible.

    Raises:
        UserError: Its container engine does not answer, or images would have to have the packages.
    """
    if name == "env":
        return EnvRunner(extra_packages, ahead)
    if extra_packages:
        raise UserError(
            "--extra-packages works only with virtual environments: with --runner docker, build your own image with the packages "
            "(docs/modules.md)"
        )
    from .docker_runner import DockerRunner

    return DockerRunner()


def run(
    pipeline: PipelineFile,
    arguments: dict[str, Any],
    root: Path,
    fresh: bool,
    runner: Runner,
    parallel: int,
    console: Console,
    named: Named = Named(),
) -> Result:
    """Runs a pipeline through kfp.local.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments, checked.
        root: The folder for runs, cached outputs and the tracking database.
        fresh: Whether to run every task, whatever is cached.
        runner: What runs its tasks.
        parallel: How many of them may run at the same time.
        console: Where to show it.
        named: Its name and labels.

    Raises:
        UserError: There is a run with its name, the runner lacks something, or a condition cannot be evaluated.
        Interrupted: SIGINT or SIGTERM came; the tasks' processes have ended.
    """
    root = root.absolute()
    runner.prepare(pipeline, root, console)
    root.mkdir(parents=True, exist_ok=True)
    set_variables(root)
    run_name = named.name or RUN_NAME.function(pipeline.name)
    folder = root / run_name
    _make(folder)
    record = LocalRun(run_name, pipeline.name, RUNNING, _now(), process=os.getpid(), labels=named.labels)
    record.write(folder)
    display = Display(console, pipeline.plan())
    processes = Processes()
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), workspace_root=str(folder / ".workspace"))
    with ExitStack() as stack:
        stack.enter_context(_interruptible(processes, folder))
        stack.enter_context(_logged(folder / "orchestrator.log"))
        stack.callback(_write_record, folder, pipeline, arguments, display)
        stack.callback(keep_reports, folder, display.tasks)
        stack.enter_context(runner.ready(pipeline))
        stack.enter_context(patched())
        stack.enter_context(RUN_NAME.replaced(lambda _: run_name))
        stack.enter_context(faults.watched(display))
        stack.enter_context(cache.keeping(root / ".cache", runner, fresh))
        stack.enter_context(handler.runs_by(runner, processes, display))
        stack.enter_context(single_tasks.watched(display, run_name))
        stack.enter_context(display)
        stack.callback(display.ended)
        stack.enter_context(side_by_side.running(pipeline, parallel))
        with _recorded(record, folder) as ended:
            failed = _orchestrate(pipeline, portable(pipeline.document, arguments)[1])
            ended.append(FAILED if failed else DONE)
    return Result(folder, display.tasks, failed)


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise UserError(f"there is a run {folder.name} in {folder.parent}; give another --name") from error


@contextmanager
def _recorded(record: LocalRun, folder: Path) -> Iterator[list[str]]:
    """Writes down how a run ends; a full disk may keep it from that."""
    ended: list[str] = []
    state = FAILED
    try:
        yield ended
        state = ended[-1]
    except Interrupted:
        state = CANCELED
        raise
    finally:
        with suppress(OSError):
            replace(record, state=state, ended=_now()).write(folder)


def _write_record(folder: Path, pipeline: PipelineFile, arguments: dict[str, Any], display: Display) -> None:
    with suppress(OSError):  # a full disk: the run's tasks have said so
        write_record(folder, pipeline, arguments, display)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _orchestrate(pipeline: PipelineFile, arguments: dict[str, Any]) -> bool:
    """Returns whether the pipeline failed."""
    try:
        run_local_pipeline(pipeline.spec, arguments)
    except UserError:
        raise
    except RuntimeError as error:  # so it says that a task failed
        logging.getLogger(__name__).info("%s", error)
        return True
    except Exception as error:
        faults.tell(tasks.reason(error))
        return True
    return False


class _Formatter(logging.Formatter):
    """Writes what kfp says, which names every parameter's value, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Log(logging.FileHandler):
    """A file that a full disk may truncate. The consumer reports that, not this class."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Keeps kfp's messages and warnings, which go to the root logger, in a file."""
    logger = logging.getLogger()
    file = _Log(path)
    file.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    before, level = logger.handlers[:], logger.level
    logger.handlers[:] = [file]
    logger.setLevel(logging.DEBUG if is_verbose() else logging.INFO)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        logging.captureWarnings(False)
        logger.handlers[:] = before
        logger.setLevel(level)
        file.close()


@contextmanager
def _interruptible(processes: Processes, folder: Path) -> Iterator[None]:
    """Ends the tasks' processes when this one is asked to end."""

    def interrupt(number: int, _: Any) -> NoReturn:
        processes.interrupt()
        raise Interrupted(number, folder)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
