"""What the tasks of a pipeline request of a machine."""

from dataclasses import dataclass
from typing import Any

from penstock.components.release.quantity import is_quantity, read_quantity

from ..remote.accelerator_names import ACCELERATORS
from ..remote.values import Use, uses_of
from ..spec.all_tasks import tasks_of

_GB = 10**9


@dataclass(frozen=True)
class Request:
    """What a task, or a server, requests.

    Attributes:
        cpus: CPUs; None if it requests none, or it is not known how many.
        memory: Memory in bytes; None as above.
        accelerator: The accelerator, as the table of accelerators names it, or in the backend's own word; empty for none.
        accelerators: How many.
        cpu_parameter: The pipeline's parameter that says how many CPUs; empty if none does.
        memory_parameter: The same for memory.
        retries: How often it is tried again after a failure.
        checkpoints: Whether it goes on from a checkpoint when it is tried again.
    """

    cpus: float | None = None
    memory: float | None = None
    accelerator: str = ""
    accelerators: int = 0
    cpu_parameter: str = ""
    memory_parameter: str = ""
    retries: int = 0
    checkpoints: bool = False

    @property
    def is_set(self) -> bool:
        """Whether anything is requested."""
        return bool(self.cpus or self.memory or self.accelerator)

    @property
    def goes_on(self) -> bool:
        """Whether it is tried again after a failure, and then goes on from its checkpoint."""
        return bool(self.retries and self.checkpoints)


def requests_of(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Request]:
    """Returns what each task requests, by its key, as backends name it, and by its container, as a run on this machine does.

    Tasks that share a container request the same: one stands for all of them.

    Args:
        spec: The PipelineSpec in JSON form, as compiled or as it was sent to a backend.
        parameters: The run's parameters, those that were given.
    """
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    retries = {key: int(task.get("retryPolicy", {}).get("maxRetryCount", 0)) for key, task in tasks_of(spec)}
    by_key: dict[str, Request] = {}
    by_container: dict[str, Request] = {}
    for label, uses in uses_of(spec, parameters).items():
        resources = executors[label].get("container", {}).get("resources", {})
        requests = {use.task: _request(resources, use, retries.get(use.task, 0)) for use in uses}
        by_key |= requests
        name = label.removeprefix("exec-")
        by_container[name] = requests.get(name, next(iter(requests.values())))
    return by_key | by_container


def _request(resources: dict[str, Any], use: Use, retries: int) -> Request:
    block = resources.get("accelerator", {})
    kind = use.read(str(block.get("resourceType") or block.get("type", ""))).text
    count = use.read(str(block.get("resourceCount") or block.get("count", ""))).text
    checkpoint = use.inputs.get("checkpoint_uri")
    name, _, times = kind.rpartition("x")
    if name in ACCELERATORS and times.isdecimal():  # `l4x2`, as a pipeline's parameter has it
        kind, count = name, times
    return Request(
        _quantity(resources, use, "Cpu", 1),
        _quantity(resources, use, "Memory", _GB),
        kind,
        (int(count) if count.isdecimal() else 1) if kind else 0,
        use.read(resources.get("resourceCpuLimit", "")).parameter,
        use.read(resources.get("resourceMemoryLimit", "")).parameter,
        retries,
        bool(checkpoint and checkpoint.text),
    )


def _quantity(resources: dict[str, Any], use: Use, kind: str, old_unit: int) -> float | None:
    """Returns what is reserved: the request, or what takes its place where there is only a limit."""
    for what in ("Request", "Limit"):
        text = use.read(resources.get(f"resource{kind}{what}", "")).text
        if text and is_quantity(text):
            return float(read_quantity(text))
        if old := resources.get(f"{kind.lower()}{what}"):
            return float(old) * old_unit
    return None
