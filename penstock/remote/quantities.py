"""CPU and memory of tasks that come from a pipeline's parameters.

Vertex AI documents static resources only, so there they are written into the submitted spec, in the old and the new fields as
kfp's compiler does for static ones. Kubeflow's driver reads parameters that are strings and fails on an empty quantity
(backend/src/v2/driver/driver.go and resolve.go): there an empty one is taken out, and a number is written as text.
"""

from dataclasses import dataclass
from typing import Any

from penstock.components.release.quantity import is_quantity, read_quantity

from .values import Use, is_placeholder


@dataclass(frozen=True)
class _Kind:
    """A kind of quantity: its name, an example, and the unit of the old field, which is a number (of CPUs, of gigabytes)."""

    name: str
    example: str
    unit: int


_CPU = _Kind("CPU", "4 or 500m", 1)
_MEMORY = _Kind("memory", "16Gi", 10**9)
# The new field, which takes placeholders, to the old one.
_FIELDS = {
    "resourceCpuLimit": ("cpuLimit", _CPU),
    "resourceCpuRequest": ("cpuRequest", _CPU),
    "resourceMemoryLimit": ("memoryLimit", _MEMORY),
    "resourceMemoryRequest": ("memoryRequest", _MEMORY),
}


def resolve_quantities(requested: dict[str, Any], uses: list[Use], backend: str) -> None:
    """Changes the quantities of an executor's resources into what a backend understands.

    Args:
        requested: The resources in JSON form, which are changed.
        uses: The tasks that run the executor.
        backend: `kubeflow` or `vertex`.

    Raises:
        UserError: A quantity is invalid, or known only while the pipeline runs although Vertex AI needs it before.
    """
    for new, (old, kind) in _FIELDS.items():
        text = requested.get(new, "")
        if is_placeholder(text):
            _resolve(requested, uses, backend, new, old, kind)


def _resolve(requested: dict[str, Any], uses: list[Use], backend: str, new: str, old: str, kind: _Kind) -> None:
    values = [use.read(requested[new]) for use in uses]
    for use, value in zip(uses, values, strict=True):
        if value.text and not is_quantity(value.text):
            raise use.error(f"{value.parameter or kind.name} must be a quantity of {kind.name} such as {kind.example}, not {value.text!r}")
        if backend == "vertex" and not value.known:
            raise use.error(f"{kind.name} is known only while the pipeline runs, but Vertex AI needs it before: give it as a parameter")
    if backend == "kubeflow" and all(not value.known or (isinstance(value.value, str) and value.text) for value in values):
        return
    texts = {value.text for value in values}
    if len(texts) > 1:
        raise uses[0].error(f"{kind.name} is {' and '.join(sorted(texts))} in the tasks that run this container: give all of them the same")
    _write(requested, texts.pop(), new, old, kind)


def _write(requested: dict[str, Any], text: str, new: str, old: str, kind: _Kind) -> None:
    if text:
        requested[new], requested[old] = text, float(read_quantity(text) / kind.unit)
    else:
        del requested[new]
