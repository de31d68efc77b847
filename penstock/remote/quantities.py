"""CPU and memory of tasks that come from a pipeline's parameters.

Vertex AI documents static resources only, so there they are written into the submitted spec, in the old and the new fields as
kfp's compiler does for static ones. Kubeflow's driver reads parameters that are strings and fails on an empty quantity
(backend/src/v2/driver/driver.go and resolve.go): there an empty one is taken out, and a number is written as text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..kfp_adapter.compiler import cpu_to_float, memory_to_float
from .values import Use, is_placeholder


@dataclass(frozen=True)
class _Kind:
    """A kind of quantity: its name, its form as kfp's compiler takes it, and its number in the old field (cores, gigabytes)."""

    name: str
    form: re.Pattern[str]
    example: str
    number: Callable[[str], float]


_CPU = _Kind("CPU", re.compile(r"([0-9]*[.])?[0-9]+m?"), "4 or 500m", cpu_to_float)
_MEMORY = _Kind("memory", re.compile(r"[0-9]+(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki)?"), "16Gi", memory_to_float)
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
        if value.text and not kind.form.fullmatch(value.text):
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
        requested[new], requested[old] = text, kind.number(text)
    else:
        del requested[new]
