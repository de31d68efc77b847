"""What the tasks of a run took, of a run on this machine and of one on a backend."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.protocol.values import decode_metadata

from ..errors import UserError
from ..local.task_log import TaskLog
from ..local.task_records import read_record
from ..remote.target import CACHED, CANCELED, DONE, FAILED, Target, TaskState
from ..remote.values import Use, uses_of
from .requests import Request, requests_of

_RAN = {DONE, FAILED, CANCELED}


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
        run: The run's name there, or its folder wherever it is.

    Raises:
        UserError: There is no such run, or it has no record.
    """
    folder = Path(run) if Path(run).is_dir() else root / run
    record = read_record(folder)
    requests = requests_of(record.spec, record.parameters)
    tasks = []
    for task in record.tasks:
        log = _read_log(task.log)
        # Tasks that share a container request the same.
        request = next(iter(requests.get(task.name.rpartition("/")[2], {}).values()), Request())
        tasks.append(TaskUse(task.name, task.state, task.seconds if task.state in _RAN else 0.0, request, log.usage, _outputs(log)))
    return RunUse(folder.name, _pipeline(record.spec), "local", tasks, _uses(record.spec, record.parameters))


def remote_run(target: Target, run_id: str) -> RunUse:
    """Reads what a run on a backend took.

    Raises:
        UserError: There is no such run, or the backend does not answer.
    """
    run, (spec, parameters) = target.run(run_id), target.source(run_id)
    known = {key: request for each in (requests_of(spec, parameters) if spec else {}).values() for key, request in each.items()}
    tasks = []
    for state in (state for state in run.tasks if state.state in {*_RAN, CACHED}):
        log = _remote_log(target, run_id, state)
        request = known.get(state.key.rpartition("/")[2], Request())
        tasks.append(TaskUse(state.key, state.state, _seconds(state, log.usage), request, log.usage, _outputs(log)))
    return RunUse(run.name, _pipeline(spec), target.name, tasks, _uses(spec, parameters) if spec else {})


def _seconds(state: TaskState, used: dict[str, Any]) -> float | None:
    """Returns how long a task held its machine: as the backend tells, which is in whole seconds on Kubeflow, but no less than it says itself."""
    if state.state == CACHED:
        return 0.0
    told = (state.ended - state.started).total_seconds() if state.started and state.ended else None
    return max(filter(None, (told, used.get("seconds"))), default=told)


def _read_log(file: Path | None) -> TaskLog:
    try:
        return TaskLog(_lines(file) if file else ())
    except OSError:  # somebody has removed it
        return TaskLog()


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        yield from (line.rstrip("\n") for line in lines)


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


def _pipeline(spec: dict[str, Any]) -> str:
    return spec.get("pipelineInfo", {}).get("name", "")


def _uses(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Use]:
    return {use.task: use for uses in uses_of(spec, parameters).values() for use in uses}
