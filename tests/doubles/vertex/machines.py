"""Machines, accelerators and quotas of online prediction and of training.

Source: https://cloud.google.com/vertex-ai/docs/predictions/configure-compute, .../docs/training/configure-compute and .../docs/quotas.
"""

import re
from collections.abc import Iterable

from google.cloud.aiplatform_v1.types import AcceleratorType, DedicatedResources, MachineSpec

from .errors import invalid, quota_exceeded

_SIZES = {
    "n1-standard": (2, 4, 8, 16, 32),
    "n1-highmem": (2, 4, 8, 16, 32),
    "n1-highcpu": (2, 4, 8, 16, 32),
    "e2-standard": (2, 4, 8, 16, 32),
    "e2-highmem": (2, 4, 8, 16),
    "e2-highcpu": (2, 4, 8, 16, 32),
    "n2-standard": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "n2-highmem": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "n2-highcpu": (2, 4, 8, 16, 32, 48, 64, 80, 96),
    "c2-standard": (4, 8, 16, 30, 60),
    "c3-standard": (4, 8, 22, 44, 88, 176),
    "g2-standard": (4, 8, 12, 16, 24, 32, 48, 96),
}
# Machines that come with their accelerators: type, count, cores.
_BUILT_IN = (
    {f"a2-highgpu-{n}g": (AcceleratorType.NVIDIA_TESLA_A100, n, 12 * n) for n in (1, 2, 4, 8)}
    | {"a2-megagpu-16g": (AcceleratorType.NVIDIA_TESLA_A100, 16, 96)}
    | {f"a2-ultragpu-{n}g": (AcceleratorType.NVIDIA_A100_80GB, n, 12 * n) for n in (1, 2, 4, 8)}
    | {f"a3-highgpu-{n}g": (AcceleratorType.NVIDIA_H100_80GB, n, 26 * n) for n in (1, 2, 4, 8)}
    | {"a3-ultragpu-8g": (AcceleratorType.NVIDIA_H200_141GB, 8, 224)}
    | {f"g2-standard-{cores}": (AcceleratorType.NVIDIA_L4, {24: 2, 48: 4, 96: 8}.get(cores, 1), cores) for cores in _SIZES["g2-standard"]}
)
_ATTACHABLE = {
    AcceleratorType.NVIDIA_TESLA_T4: (1, 2, 4),
    AcceleratorType.NVIDIA_TESLA_V100: (1, 2, 4, 8),
    AcceleratorType.NVIDIA_TESLA_P100: (1, 2, 4),
    AcceleratorType.NVIDIA_TESLA_P4: (1, 2, 4),
}
_METRICS = re.compile(r"aiplatform\.googleapis\.com/prediction/online/(cpu/utilization|accelerator/duty_cycle|request_count)")
DEFAULT_MACHINE = "n1-standard-2"
_FIELD = "deployed_model.dedicated_resources"


def check_resources(resources: DedicatedResources) -> None:
    """Refuses resources that no deployment can have, and fills in what the service does."""
    spec = resources.machine_spec
    spec.machine_type = spec.machine_type or DEFAULT_MACHINE
    check_machine(spec, f"{_FIELD}.machine_spec")
    if resources.min_replica_count < 1:
        raise invalid(f"{_FIELD}.min_replica_count", "must be greater than or equal to 1.")
    resources.max_replica_count = resources.max_replica_count or resources.min_replica_count
    if resources.max_replica_count < resources.min_replica_count:
        raise invalid(f"{_FIELD}.max_replica_count", "must be greater than or equal to min_replica_count.")
    _check_autoscaling(resources)


def check_quotas(limits: dict[str, int], deployed: Iterable[DedicatedResources]) -> None:
    """Refuses deployments that together exceed a quota; the service charges for the most replicas that there may be."""
    check_usage(limits, "custom_model_serving", [(resources.machine_spec, resources.max_replica_count) for resources in deployed])


def check_usage(limits: dict[str, int], kind: str, machines: Iterable[tuple[MachineSpec, int]]) -> None:
    """Refuses machines that together exceed a quota.

    Args:
        limits: The quotas, by metric.
        kind: What the metrics of this use begin with, such as `custom_model_training`.
        machines: The machines, each with its number.
    """
    used: dict[str, int] = {}
    for spec, count in machines:
        for metric, amount in _usage(kind, spec, count):
            used[metric] = used.get(metric, 0) + amount
    if exceeded := sorted(metric for metric, amount in used.items() if amount > limits.get(metric, amount)):
        raise quota_exceeded(exceeded)


def check_machine(spec: MachineSpec, field: str) -> None:
    """Refuses a machine that there is not."""
    name = spec.machine_type
    family, _, size = name.rpartition("-")
    is_known = name in _BUILT_IN or (family in _SIZES and size in map(str, _SIZES[family]))
    if not is_known:
        raise invalid(f"{field}.machine_type", f'Machine type "{name}" is not supported.')
    kind, count = spec.accelerator_type, spec.accelerator_count
    if bool(kind) != bool(count):
        raise invalid(f"{field}.accelerator_count", "accelerator_type and accelerator_count must be set together.")
    text = f'Accelerator "{kind.name}" with count {count} is not supported for machine type "{name}".'
    if name in _BUILT_IN and (kind, count) != _BUILT_IN[name][:2]:
        raise invalid(field, text)
    if kind and name not in _BUILT_IN and not (name.startswith("n1-") and count in _ATTACHABLE.get(kind, ())):
        raise invalid(field, text)


def _check_autoscaling(resources: DedicatedResources) -> None:
    field, seen = f"{_FIELD}.autoscaling_metric_specs", set()
    for spec in resources.autoscaling_metric_specs:
        if not _METRICS.fullmatch(spec.metric_name):
            raise invalid(f"{field}.metric_name", f"Autoscaling metric '{spec.metric_name}' is not supported.")
        if spec.metric_name in seen:
            raise invalid(field, f"At most one entry is allowed per metric, '{spec.metric_name}' has more.")
        if spec.metric_name.endswith("duty_cycle") and not resources.machine_spec.accelerator_count:
            raise invalid(field, "accelerator/duty_cycle needs an accelerator.")
        if not spec.metric_name.endswith("request_count") and not 1 <= spec.target <= 100:
            raise invalid(f"{field}.target", "must be a percentage in [1, 100].")
        seen.add(spec.metric_name)


def _usage(kind: str, spec: MachineSpec, count: int) -> Iterable[tuple[str, int]]:
    """What machines count against the quotas."""
    cores = _BUILT_IN[spec.machine_type][2] if spec.machine_type in _BUILT_IN else int(spec.machine_type.rpartition("-")[2])
    family = spec.machine_type.partition("-")[0]
    yield f"{kind}_{'' if family in ('n1', 'e2') else family + '_'}cpus", cores * count
    if spec.accelerator_count:
        yield f"{kind}_{spec.accelerator_type.name.lower().replace('tesla_', '')}_gpus", spec.accelerator_count * count
