"""A compiled pipeline: its parameters, its tasks, and the values that the user gives."""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kfp import dsl

from penstock.components.protocol.executor_input import find_fault
from penstock.components.protocol.redacting import redact
from penstock.components.protocol.values import LARGEST_WHOLE

from ..errors import UserError
from ..kfp_adapter.dsl import create_artifact_instance
from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2, struct_to_executor_spec, topological_sort_tasks
from .containers import component_of
from .document import Document
from .missing_parts import missing_parts
from .producers import depend_on_producers
from .yaml_text import load_document, load_documents

_PLACE = re.compile(r"[\w ()+:-][\w ()+:.-]{0,198}")
_Types = pipeline_spec_pb2.ParameterType.ParameterTypeEnum
_JSON_TYPES: dict[int, tuple[type, ...]] = {
    _Types.NUMBER_DOUBLE: (int, float),
    _Types.NUMBER_INTEGER: (int,),
    _Types.BOOLEAN: (bool,),
    _Types.LIST: (list,),
    _Types.STRUCT: (dict,),
    _Types.STRING: (str,),
}
_WORDS = {
    _Types.NUMBER_DOUBLE: "a number",
    _Types.NUMBER_INTEGER: "a whole number",
    _Types.BOOLEAN: "true or false",
    _Types.LIST: "a JSON list",
    _Types.STRUCT: "a JSON object",
    _Types.STRING: "a string",
}


@dataclass(frozen=True)
class PlannedTask:
    """A task that a run will start, unless a condition prevents it.

    Attributes:
        key: Its name in the compiled file's DAG.
        name: The name that the running task will have.
        conditions: The conditions that it lies behind.
        looped: Whether it lies in a loop, so that its iterations have names of their own.
    """

    key: str
    name: str
    conditions: tuple[str, ...]
    looped: bool


class PipelineFile:
    """A compiled pipeline or component.

    Args:
        path: The YAML file; a platform document after the first is allowed.

    Attributes:
        spec: The pipeline; its tasks depend on all whose outputs they are given.
        document: The same in JSON form, as the file has it.
        platform: The platform document in JSON form, or None.

    Raises:
        UserError: The file is missing, or is not a compiled pipeline, or lacks a part that a task needs.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.document, self.platform, self.spec = _load(self.path)
        depend_on_producers(self.spec)
        self.executors = {name: struct_to_executor_spec(value) for name, value in self.spec.deployment_spec["executors"].items()}

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.pipeline_info.name

    @property
    def components(self) -> set[str]:
        """The Penstock components that it runs."""
        return {component for _, container in self.containers() if (component := component_of(list(container.command)))}

    def plan(self) -> list[PlannedTask]:
        """Returns its tasks in the order in which kfp.local runs them."""
        return list(self._walk(self.spec.root.dag, (), False))

    def arguments(self, texts: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
        """Checks the values that the user gives, and reads the artifacts among them.

        Args:
            texts: Values as typed: parsed by the declared type; strings are taken as they are.
            values: Values from a parameter file, which have types.

        Returns:
            The pipeline's arguments.

        Raises:
            UserError: A parameter does not exist, is missing, or has a value of another type.
        """
        inputs = self.spec.root.input_definitions
        known = [*sorted(inputs.parameters), *sorted(inputs.artifacts)]
        for name in [*values, *texts]:
            if name not in known:
                raise UserError(f"{self.path.name} has no parameter {name}{did_you_mean(name, known)}")
        given = dict(values)
        for name, text in texts.items():
            given[name] = text if name in inputs.artifacts else _parse(name, text, inputs.parameters[name].parameter_type)
        for name, spec in inputs.parameters.items():
            if name in given:
                _check_type(name, given[name], spec.parameter_type)
                if fault := find_fault(given[name], name):
                    raise UserError(f"parameter {' '.join(fault)}, which no backend accepts; correct it")
            elif not spec.is_optional and not spec.HasField("default_value"):
                raise UserError(f"parameter {name} of {self.path.name} is missing: give it with --param {name}=VALUE")
        for name, artifact in inputs.artifacts.items():
            if name in given:
                given[name] = _artifact(name, str(given[name]), artifact.artifact_type.schema_title)
            elif not artifact.is_optional:
                raise UserError(f"input artifact {name} of {self.path.name} is missing: give its path with --param {name}=PATH")
        return given

    def containers(self) -> Iterator[tuple[str, Any]]:
        """Yields each container's task and specification."""
        return (
            (name.removeprefix("exec-"), spec.container) for name, spec in self.executors.items() if spec.WhichOneof("spec") == "container"
        )

    def _walk(self, dag: Any, conditions: tuple[str, ...], looped: bool) -> Iterator[PlannedTask]:
        for name in reversed(topological_sort_tasks(dag.tasks)):
            task = dag.tasks[name]
            component = self.spec.components[task.component_ref.name]
            behind = (*conditions, task.trigger_policy.condition) if task.trigger_policy.condition else conditions
            if component.WhichOneof("implementation") == "dag":
                yield from self._walk(component.dag, behind, looped or bool(task.WhichOneof("iterator")))
            else:
                yield PlannedTask(name, task.component_ref.name.removeprefix("comp-"), behind, looped)


def read_values(path: str | Path) -> dict[str, Any]:
    """Reads a parameter file: YAML, one `name: value` each.

    Raises:
        UserError: It cannot be read.
    """
    try:
        values = load_document(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the parameters in {path}: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise UserError(f"the parameters in {path} must be `name: value` lines")
    return values


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None, pipeline_spec_pb2.PipelineSpec]:
    from google.protobuf import json_format

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        document, *others = load_documents(text) or [None]
        spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    except (yaml.YAMLError, json_format.ParseError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split()).partition(' at "')[0][:160]
        raise UserError(f"{path} is not a compiled pipeline ({reason}); create one with `penstock compile` or kfp's compiler") from error
    if not spec.pipeline_info.name or not spec.root.dag.tasks:
        raise UserError(f"{path} is not a compiled pipeline (it has no tasks); create one with `penstock compile` or kfp's compiler")
    for name in _places(spec):
        if not _PLACE.fullmatch(name):
            raise UserError(
                f"{path} is not a compiled pipeline (its name {redact(name)[:80]!r} is not a valid folder name); compile it again"
            )
    for place, fault in missing_parts(Document([document], {})):
        raise UserError(f"{path} is damaged: at {place} {fault}")
    return document, others[0] if others else None, spec


def _places(spec: pipeline_spec_pb2.PipelineSpec) -> Iterator[str]:
    """Yields the names of which kfp.local makes folders and files."""
    yield spec.pipeline_info.name
    for name, component in spec.components.items():
        yield name.removeprefix("comp-")
        yield from component.output_definitions.artifacts
        yield from component.output_definitions.parameters


def did_you_mean(name: str, known: list[str]) -> str:
    """Returns how a message about an unknown name ends: with the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; it has {', '.join(known) or 'none'}"


def _parse(name: str, text: str, kind: int) -> Any:
    if kind == _Types.STRING:
        return text
    try:
        return json.loads(text.lower() if kind == _Types.BOOLEAN else text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"parameter {name} must be {_WORDS[kind]}, not {redact(text)[:200]!r}") from error


def _check_type(name: str, value: Any, kind: int) -> None:
    allowed = _JSON_TYPES.get(kind)
    if value is None or not allowed:
        return
    whole = kind == _Types.NUMBER_INTEGER and isinstance(value, float) and value.is_integer()
    if not (isinstance(value, allowed) or whole) or (isinstance(value, bool) and bool not in allowed):
        raise UserError(f"parameter {name} must be {_WORDS[kind]}, not {value!r}")
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise UserError(f"parameter {name} is above 2^53 and would lose digits; use a smaller number, or pass it as text")


def _artifact(name: str, path: str, schema_title: str) -> dsl.Artifact:
    """Makes an artifact of a file or folder, with the metadata that the task which wrote it left beside it."""
    place = Path(path).resolve()  # an artifact is not a link
    if not place.exists():
        raise UserError(f"input artifact {name}: {path} does not exist; give the path of an artifact that an earlier run wrote")
    beside = place.parent / "executor_output.json"
    try:
        metadata = _metadata(json.loads(beside.read_bytes()), place.name) if beside.exists() else {}
    except (OSError, ValueError, RecursionError, AttributeError, LookupError, TypeError, OverflowError) as error:
        raise UserError(
            f"input artifact {name}: {beside}, the record of the task that wrote it, cannot be read; make the artifact again"
        ) from error
    return create_artifact_instance({"name": name, "uri": str(place), "metadata": metadata, "type": {"schemaTitle": schema_title}})


def _metadata(record: dict[str, Any], artifact: str) -> dict[str, Any]:
    """Returns an artifact's metadata in an `ExecutorOutput`; nothing where that has another task's.

    Raises:
        AttributeError, LookupError, TypeError, ValueError, OverflowError: It is invalid.
    """
    from google.protobuf import struct_pb2

    entries = record.get("artifacts", {}).get(artifact, {}).get("artifacts", [{}])
    metadata = dict(entries[0].get("metadata", {}).items())
    struct_pb2.Struct().update(metadata)
    return metadata
