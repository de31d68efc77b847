"""`penstock run`, telling a program what it tells people: `python -m tests.doubles.observed_run FILE PARAMETERS ROOT [--fresh]`.

Each change of a task is a line of JSON on stdout, as is the error that ended the pipeline. With `--workflow NAME` the tasks' inputs and outputs
pass through Kubeflow's hands.
"""

import argparse
import functools
import json
import shutil
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.kfp_adapter.lazy_import import import_kfp

import_kfp()

from kfp import dsl  # noqa: E402
from rich.console import Console  # noqa: E402

from penstock.errors import UserError  # noqa: E402
from penstock.kfp_adapter.patch_point import replaced  # noqa: E402
from penstock.local import run  # noqa: E402
from penstock.local.display import Display  # noqa: E402
from penstock.local.tasks import Task  # noqa: E402
from penstock.spec.pipeline_file import PipelineFile, PlannedTask, read_values  # noqa: E402

from .kubeflow.launcher import Launcher  # noqa: E402

_telling = threading.Lock()


class ObservedDisplay(Display):
    """Reports each state to a program as well.

    Args:
        uploads_failed: Whether what a task has made is there although it has failed.
    """

    def __init__(self, console: Console, plan: Iterable[PlannedTask], *, uploads_failed: bool) -> None:
        self._planned = list(plan)
        self._uploads_failed = uploads_failed
        super().__init__(console, self._planned)
        for planned in self._planned:
            _tell(task=planned.name, state="waiting")

    def started(self, task: Task) -> None:
        """Tells that a task's process has started."""
        super().started(task)
        _tell(task=task.name, state="running", log=_text(task.log))

    def finished(self, task: Task) -> None:
        """Tells how a task ended, and what it gave."""
        super().finished(task)
        if task.state == "failed" and task.log and not self._uploads_failed:
            shutil.rmtree(task.log.with_suffix(""), ignore_errors=True)
        _tell(task=task.name, state=task.state, log=_text(task.log), error=task.error, outputs=_executor_output(task.outputs))

    def skipped(self, condition: str, values: dict[str, Any]) -> None:
        """Tells what a condition keeps from running."""
        super().skipped(condition, values)
        for planned in self._planned:
            if condition in planned.conditions:
                _tell(task=planned.name, state="skipped")

    def broken(self, message: str) -> None:
        """Tells why the pipeline cannot go on."""
        super().broken(message)
        _tell(error=message)


def main() -> int:
    """Runs a pipeline; returns 0 if it is done, 1 if it failed, 128 and more if a signal ended it."""
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.observed_run", description="Runs a pipeline, and tells a program.")
    parser.add_argument("file", type=Path)
    parser.add_argument("parameters", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--drop-failed", action="store_true", help="what a task that failed has made is not uploaded")
    parser.add_argument("--workflow", default="")
    given = parser.parse_args()
    try:
        pipeline = PipelineFile(given.file)
        arguments = pipeline.arguments({}, read_values(given.parameters))
        stopped = lambda: _tell(stopped=True)  # noqa: E731
        runner = Launcher(pipeline.document, given.workflow, stopped) if given.workflow else run.make_runner("env")
        with replaced(run, "Display", functools.partial(ObservedDisplay, uploads_failed=not given.drop_failed)):
            result = run.run(pipeline, arguments, given.root, given.fresh, runner, 1, Console(file=sys.stderr, soft_wrap=True))
    except UserError as error:
        _tell(error=error.message)
        return 1
    except run.Interrupted as interruption:
        return 128 + interruption.number
    return int(result.failed)


def _tell(**event: Any) -> None:
    with _telling:  # tasks of a loop end in threads of their own
        print(json.dumps(event), flush=True)


def _text(path: Path | None) -> str:
    return str(path or "")


def _executor_output(outputs: dict[str, Any]) -> dict[str, Any]:
    """Returns outputs in the form of KFP's ExecutorOutput."""
    artifacts = {name: value for name, value in outputs.items() if _is_artifact(value)}
    parameters = {name: value for name, value in outputs.items() if name not in artifacts}
    return {"parameterValues": parameters, "artifacts": {name: {"artifacts": _artifacts(value)} for name, value in artifacts.items()}}


def _is_artifact(value: Any) -> bool:
    return isinstance(value, dsl.Artifact) or (isinstance(value, list) and any(isinstance(item, dsl.Artifact) for item in value))


def _artifacts(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [
        {"name": item.name, "type": {"schemaTitle": item.schema_title}, "uri": item.uri, "metadata": dict(item.metadata)} for item in items
    ]


if __name__ == "__main__":
    sys.exit(main())
