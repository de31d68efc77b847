"""What the tasks of a run took, of a run on this machine and of one on a backend."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.protocol.values import decode_metadata

from ..errors import UserError
from ..local.processes import LONGEST_LINE
from ..local.task_log import TaskLog
from ..local.task_records import RunRecord, read_record
from ..remote.target import CACHED, CANCELED, DONE, FAILED, Target, TaskState
from ..remote.values import Use, uses_of
from .requests import Request, requests_of

_RAN = {DONE, FAILED, CANCELED}
_TOLD = {*_RAN, CACHED}


@dataclass(frozen=True)
class TaskUse:
    """What a task took.

    Attributes:
        name: Its name in the run.
        state: How it ended; `cached`: it took nothing.
        seconds: How long it held what it requested; None if that is unknown.
        request: What it requested.
        used: What it took (see `components.protocol.usage`); empty if unknown.
        outputs: The metadata of its artifacts, by name, and its output parameters, as its log tells them.
    """

    name: str
    state: str
    seconds: float | None
    request: Request
    used: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def cpus(self) -> float | None:
        """The CPUs that it kept busy, on average; None if unknown."""
        return self.used["cpu_seconds"] / self.used["seconds"] if self.used.get("seconds") else None

    @property
    def peak_cpus(self) -> float | None:
        """The most CPUs that it kept busy over ten seconds; None if unknown."""
        return self.used.get("peak_cpus", self.cpus)

    @property
    def memory(self) -> float | None:
        """The most memory that it had, in bytes; None if unknown."""
        return self.used.get("memory_bytes")

    @property
    def gpus(self) -> list[dict[str, Any]]:
        """What its GPUs did; empty if unknown."""
        return [gpu for gpu in self.used.get("gpus", []) if isinstance(gpu, dict)]

    @property
    def gpu_utilization(self) -> float | None:
        """The mean utilization of its GPUs, from 0 to 1; None if unknown."""
        known = [gpu["utilization"] for gpu in self.gpus if "utilization" in gpu]
        return sum(known) / len(known) if known else None

    @property
    def ran(self) -> bool:
        """Whether a container ran for it."""
        return self.state in _RAN


@dataclass(frozen=True)
class RunUse:
    """What a run took.

    Attributes:
        name: Its name.
        pipeline: The pipeline's name.
        backend: `local`, `kubeflow` or `vertex`.
        tasks: Its tasks.
        uses: What reaches the parameters of its tasks, by the task's key.
    """

    name: str
    pipeline: str
    backend: str
    tasks: list[TaskUse]
    uses: dict[str, Use]

    def of(self, component: str) -> TaskUse | None:
        """Returns the last task that runs a component and has ended well; None if there is none."""
        named = component.replace("_", "-")
        return next((task for task in reversed(self.tasks) if task.name.rpartition("/")[2] == named and task.state in (DONE, CACHED)), None)


def local_run(root: Path, run: str) -> RunUse:
    """Reads what a run on this machine took.

    Args:
        root: The folder for runs.
        run: The run's name there, or else its folder wherever it is.

    Raises:
        UserError: There is no such run, or it has no record.
    """
    named = root / run
    folder = Path(run) if Path(run).is_dir() and not named.is_dir() else named
    return recorded_run(folder, read_record(folder))


def recorded_run(folder: Path, record: RunRecord) -> RunUse:
    """Returns what a run on this machine took.

    Args:
        folder: The run's folder, which has the logs of its tasks.
        record: Its record.
    """
    tasks = [task for task in record.tasks if task.state in _TOLD]
    logs = [_read_log(folder / task.log) if task.log else TaskLog() for task in tasks]
    ended = [(task.name, task.state, task.seconds, log) for task, log in zip(tasks, logs, strict=True)]
    return _run_use(folder.name, "local", record.pipeline_spec, record.parameters, ended)


def remote_run(target: Target, run_id: str) -> RunUse:
    """Reads what a run on a backend took.

    Raises:
        UserError: There is no such run, or the backend does not answer.
    """
    run, (spec, parameters) = target.run(run_id), target.source(run_id)
    states = [state for state in run.tasks if state.state in _TOLD]
    logs = [_remote_log(target, run_id, state) for state in states]
    ended = [(state.key, state.state, _seconds(state, log.usage), log) for state, log in zip(states, logs, strict=True)]
    return _run_use(run.name, target.name, spec, parameters, ended)


def _run_use(
    name: str, backend: str, spec: dict[str, Any], parameters: dict[str, Any], ended: Iterable[tuple[str, str, float | None, TaskLog]]
) -> RunUse:
    """Puts together what a run took; of a run whose pipeline the backend does not tell (`spec` is empty), no requests are known.

    Args:
        name: The run's name.
        backend: Where it was.
        spec: Its PipelineSpec in JSON form.
        parameters: Its parameters.
        ended: The name, the state, the seconds and the log of each task; one from the cache held no machine.
    """
    requests = requests_of(spec, parameters) if spec else {}
    tasks = [
        TaskUse(task, state, seconds if state in _RAN else 0.0, requests.get(task.rpartition("/")[2], Request()), log.usage, _outputs(log))
        for task, state, seconds, log in ended
    ]
    uses = {use.task: use for uses in uses_of(spec, parameters).values() for use in uses} if spec else {}
    return RunUse(name, spec.get("pipelineInfo", {}).get("name", ""), backend, tasks, uses)


def _seconds(state: TaskState, used: dict[str, Any]) -> float | None:
    """Returns how long a task held its machine: as the backend tells, which is in whole seconds on Kubeflow, but no less than it says itself."""
    told = (state.ended - state.started).total_seconds() if state.started and state.ended else None
    return max(filter(None, (told, used.get("seconds"))), default=told)


def _read_log(file: Path) -> TaskLog:
    try:
        return TaskLog(_lines(file))
    except OSError:  # somebody has removed it
        return TaskLog()


def _lines(file: Path) -> Iterator[str]:
    """Yields the lines of a log; of one that is too long, the beginning."""
    with file.open(encoding="utf-8", errors="replace") as log:
        at_start = True
        while piece := log.readline(LONGEST_LINE):
            if at_start:
                yield piece.rstrip("\n")
            at_start = piece.endswith("\n")


def _remote_log(target: Target, run_id: str, state: TaskState) -> TaskLog:
    """Reads a task's log; one that is gone, or not there yet, tells nothing."""
    if state.state == CACHED:
        return TaskLog()
    try:
        return TaskLog(target.logs(run_id, state.key))
    except UserError:
        return TaskLog()


def _outputs(log: TaskLog) -> dict[str, Any]:
    artifacts = {name: each["artifacts"][0] for name, each in log.outputs.get("artifacts", {}).items()}
    metadata = {name: decode_metadata(each.get("metadata", {})) for name, each in artifacts.items() if isinstance(each, dict)}
    return metadata | log.outputs.get("parameterValues", {})
