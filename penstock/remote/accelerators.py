"""Translates the accelerators of tasks for a backend before anything is sent.

A pipeline names an accelerator by a parameter, in one word for every backend: `l4`, or `l4x2` for two. Here the parameters
that reach a task's resources are found by following the compiled file, and the words become the backend's. Vertex AI documents
static resources only, so there they are written into the submitted spec; so they are where Kubeflow's driver would silently ask
for nothing: it takes every parameter that is not a string as empty (backend/src/v2/driver/resolve.go).

A container's image cannot be a parameter on any backend. So the file names the image that can use a GPU, and a task for which none is asked
is sent the smaller one, which does the same.
"""

import copy
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..spec.containers import without_gpu
from ..spec.pipeline_file import PipelineFile
from .accelerator_names import AcceleratorNames
from .quantities import resolve_quantities
from .values import Use, Value, uses_of


@dataclass(frozen=True)
class Accelerator:
    """What a task asks for.

    Attributes:
        name: Its name in the table, or the backend's own word.
        count: How many.
    """

    name: str
    count: int


@dataclass(frozen=True)
class Resolved:
    """A pipeline and its parameters in a backend's words.

    Attributes:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters.
        accelerators: What tasks ask for, by the label of their executor.
    """

    spec: dict[str, Any]
    parameters: dict[str, Any]
    accelerators: dict[str, Accelerator]


def resolve(
    pipeline: PipelineFile, spec: dict[str, Any], parameters: dict[str, Any], backend: str, resources: dict[str, str] | None = None
) -> Resolved:
    """Returns the pipeline with the accelerators, CPU and memory of its tasks in the backend's words, and images that suit them.

    Args:
        pipeline: The compiled file.
        spec: Its PipelineSpec in JSON form; a copy of it is changed.
        parameters: The pipeline's parameters, those that were given.
        backend: `kubeflow` or `vertex`.
        resources: The pod's resource for each accelerator, where platform settings say which there are.

    Raises:
        UserError: The backend has no such accelerator, a count is invalid or contradicts the accelerator's `xN`, a quantity is invalid,
            or Vertex AI would have to know before what is known only when the pipeline runs.
    """
    resolved = Resolved(copy.deepcopy(spec), dict(parameters), {})
    images = [container.image for _, container in pipeline.containers()]
    resolver = _Resolver(resolved, AcceleratorNames(backend, resources or {}), frozenset(parameters))
    try:
        for label, uses in uses_of(spec, parameters).items():
            container = resolved.spec["deploymentSpec"]["executors"][label].get("container", {})
            accelerated = False
            if requested := container.get("resources"):
                resolve_quantities(requested, uses, backend)
                accelerated = resolver.resolve(label, requested, uses)
                if not requested:
                    del container["resources"]
            if not accelerated and "image" in container:
                container["image"] = without_gpu(container["image"], images)
        resolver.check_counts()
    except UserError as error:
        raise UserError(f"{pipeline.path.name}, {error.message}") from error
    return resolved


@dataclass(frozen=True)
class _Request:
    """What one task asks for: as given, and what it means; None: nothing."""

    use: Use
    type: Value
    count: Value
    accelerator: Accelerator | None


class _Resolver:
    """One resolution: the copies that it changes, and what the backend calls things."""

    def __init__(self, resolved: Resolved, names: AcceleratorNames, given: frozenset[str]) -> None:
        self._resolved = resolved
        self._names = names
        self._given = given
        self._set_parameters: dict[str, str] = {}
        self._counts_alone: dict[str, UserError] = {}

    def resolve(self, label: str, requested: dict[str, Any], uses: list[Use]) -> bool:
        """Changes the accelerator of one executor.

        Args:
            label: The executor's.
            requested: Its resources in JSON form.
            uses: The tasks that run it.

        Returns:
            Whether it has an accelerator, or may have one that is known only when the pipeline runs.
        """
        block = requested.get("accelerator", {})
        kind = block.get("resourceType") or block.get("type", "")
        count = block.get("resourceCount") or str(block.get("count", ""))
        requests = [request for use in uses if (request := self._request(use, use.read(kind), use.read(count)))]
        if not block or not requests:
            return bool(block)
        for request in requests:
            self._set(request)
        accelerators = list(dict.fromkeys(request.accelerator for request in requests))
        if len(accelerators) > 1:
            message = " and ".join(f"{each.name}x{each.count}" if each else "none" for each in accelerators)
            raise uses[0].error(f"its tasks request different accelerators for one container, {message}: give all of them the same")
        if accelerators[0]:
            self._resolved.accelerators[label] = accelerators[0]
        if self._names.backend == "vertex" or not all(map(self._suits_driver, requests)):
            self._write(requested, accelerators[0])
        return accelerators[0] is not None or len(requests) < len(uses)

    def check_counts(self) -> None:
        """Raises an error if a count was given that no accelerator has."""
        for parameter, error in self._counts_alone.items():
            if parameter not in self._set_parameters:
                raise error

    def _request(self, use: Use, kind: Value, count: Value) -> _Request | None:
        """Returns what a task asks for; None where only the running pipeline knows it."""
        if kind.known and count.known:
            return _Request(use, kind, count, self._accelerator(use, kind, count))
        if self._names.backend == "vertex":
            raise use.error("its accelerator is known only while the pipeline runs, but Vertex AI needs it before: give it as a parameter")
        if kind.text and not self._names.is_word(kind.text):
            raise use.error(f"the count is known only while the pipeline runs, so {kind.text} must be a resource such as nvidia.com/gpu")
        return None

    def _accelerator(self, use: Use, kind: Value, count: Value) -> Accelerator | None:
        number = self._number(use, count)
        if not kind.text:
            if number and count.parameter in self._given:
                message = f"{count.parameter} is {number}, but there is no accelerator: give {kind.parameter or 'its type'} too"
                self._counts_alone[count.parameter] = use.error(message)
            return None
        try:
            name, times = self._names.read(kind.text)
        except ValueError as error:
            raise use.error(f"{kind.parameter or 'its accelerator'}: {error}") from error
        if number == 1 and not count.parameter:
            number = None  # what kfp's compiler writes without a count
        if times is not None and number not in (None, times):
            raise use.error(f"{kind.parameter or 'its accelerator'} is {kind.text}, but {count.parameter or 'its count'} is {number}")
        number = times if number is None else number
        return None if number == 0 else Accelerator(name, 1 if number is None else number)

    def _number(self, use: Use, count: Value) -> int | None:
        if not count.text:
            return None
        if not count.text.isdecimal():
            raise use.error(f"{count.parameter or 'its count'} must be an integer number of accelerators, not {count.text!r}")
        return int(count.text)

    def _set(self, request: _Request) -> None:
        """Gives the pipeline's parameters the backend's words."""
        accelerator = request.accelerator
        if accelerator is None and not request.type.text:
            return
        self._set_parameter(request.use, request.type.parameter, self._names.word(accelerator.name) if accelerator else "")
        self._set_parameter(request.use, request.count.parameter, str(accelerator.count) if accelerator else "0")

    def _set_parameter(self, use: Use, name: str, text: str) -> None:
        if not name:
            return
        if self._set_parameters.setdefault(name, text) != text:
            raise use.error(f"{name} would have to be both {self._set_parameters[name]} and {text}: give each task a separate count")
        self._resolved.parameters[name] = text if self._is_string(name) else int(text)

    def _is_string(self, parameter: str) -> bool:
        return self._resolved.spec["root"]["inputDefinitions"]["parameters"][parameter]["parameterType"] == "STRING"

    def _suits_driver(self, request: _Request) -> bool:
        """Returns whether Kubeflow's driver reads the request as it is meant, once the parameters are set."""
        if request.accelerator is None:
            return True
        meant = (self._names.word(request.accelerator.name), str(request.accelerator.count))
        given = (request.type, request.count)
        return all(
            self._is_string(value.parameter) if value.parameter else value.value == text for value, text in zip(given, meant, strict=True)
        )

    def _write(self, requested: dict[str, Any], accelerator: Accelerator | None) -> None:
        """Writes it as kfp's compiler writes a static one."""
        if accelerator is None:
            del requested["accelerator"]
            return
        word, count = self._names.word(accelerator.name), str(accelerator.count)
        requested["accelerator"] = {"count": count, "resourceCount": count, "resourceType": word, "type": word}
