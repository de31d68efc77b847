"""CPU and memory of tasks that come from a pipeline's parameters.

Vertex AI documents static resources only, so there they are written into the submitted spec, in the old and the new fields as
kfp's compiler does for static ones. It documents whole numbers alone, with `m` for CPU and with `K`, `M` or `G` for memory, of at most 96
CPUs and 624 GB (<https://cloud.google.com/vertex-ai/docs/pipelines/machine-types>): `16Gi` becomes `17180M` there. Kubeflow's driver reads parameters that are strings and fails on an empty quantity
(backend/src/v2/driver/driver.go and resolve.go): there an empty one is taken out, and a number is written as text.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from penstock.components.release.quantity import is_quantity, read_quantity

from .values import Use, is_placeholder


@dataclass(frozen=True)
class _Kind:
    """A kind of quantity.

    Attributes:
        name: Its name.
        example: An example.
        unit: The unit of the old field, which is a number: of CPUs, of gigabytes.
        most: What Vertex AI gives a task at most, in that unit.
        suffixes: The suffixes that Vertex AI documents.
        rounded: The suffix of a quantity that is rounded up for Vertex AI.
    """

    name: str
    example: str
    unit: int
    most: int
    suffixes: str
    rounded: str

    def on_vertex(self, text: str) -> str:
        """Returns a quantity as Vertex AI documents them."""
        if re.fullmatch(rf"[0-9]+[{self.suffixes}]?", text):
            return text
        return f"{math.ceil(read_quantity(text) / read_quantity(f'1{self.rounded}'))}{self.rounded}"

    def in_units(self, text: str) -> Decimal:
        """Returns a quantity as a number of the unit."""
        return read_quantity(text) / self.unit


_CPU = _Kind("CPU", "4 or 500m", 1, 96, suffixes="m", rounded="m")
_MEMORY = _Kind("memory", "16Gi", 10**9, 624, suffixes="KMG", rounded="M")
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
        UserError: A quantity is invalid, more than Vertex AI has, or known only while the pipeline runs although Vertex AI needs it before.
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
        if backend == "vertex" and value.text and kind.in_units(value.text) > kind.most:
            most = f"{kind.most}{'G' if kind is _MEMORY else ''}"
            raise use.error(f"{value.parameter or kind.name} is {value.text}, and Vertex AI gives a task at most {most}; request less")
    if backend == "kubeflow" and all(not value.known or (isinstance(value.value, str) and value.text) for value in values):
        return
    texts = {value.text for value in values}
    if len(texts) > 1:
        raise uses[0].error(f"{kind.name} is {' and '.join(sorted(texts))} in the tasks that run this container: give all of them the same")
    text = texts.pop()
    _write(requested, kind.on_vertex(text) if text and backend == "vertex" else text, new, old, kind)


def _write(requested: dict[str, Any], text: str, new: str, old: str, kind: _Kind) -> None:
    if text:
        requested[new], requested[old] = text, float(kind.in_units(text))
    else:
        del requested[new]
