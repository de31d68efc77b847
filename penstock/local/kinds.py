"""kfp.local gives a value on whatever its declared type; here it arrives as on Kubeflow.

Upstream (kfp 2.17): `pb2_value_to_python` raises ValueError on the unset default of an `Optional[...] = None`, `construct_executor_input` on
None, also within a list or dict, and `executor_input_to_dict` on an `int` without a value; numbers are floats wherever they are, so that a list of whole numbers arrives
as `[1.0, 2.0]`; and a loop's item that is a number or an object goes to a text as it is. Kubeflow writes whole numbers as such and any other
value as JSON into a text (`PbValueToText` in backend/src/v2/metadata/converter.go), and leaves out what has no value.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from google.protobuf import json_format, struct_pb2

from penstock.components.protocol.values import whole

from ..kfp_adapter.orchestrator import DAG_INPUTS, EXECUTOR_INPUT, EXECUTOR_INPUT_AS_DICT, FROM_PROTOBUF, TO_PROTOBUF
from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2

_Types = pipeline_spec_pb2.ParameterType.ParameterTypeEnum


def text_of(value: Any) -> str:
    """Returns a value as it is written into a text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _as_declared(value: Any, kind: int) -> Any:
    """Returns a value as a parameter of that type has it."""
    if value is None or kind == _Types.PARAMETER_TYPE_ENUM_UNSPECIFIED:
        return value
    if kind == _Types.STRING:
        return text_of(value)
    if isinstance(value, str):  # the item of an untyped list, which is a text
        with suppress(ValueError):
            return json.loads(value)
    return value


def _arguments_as_declared(arguments: dict[str, Any], definitions: Any) -> dict[str, Any]:
    declared = {name: spec.parameter_type for name, spec in definitions.parameters.items()}
    return {name: _as_declared(value, declared[name]) if name in declared else value for name, value in arguments.items()}


def _none_if_unset(to_python: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value.WhichOneof("kind") is None else to_python(value)


def _to_protobuf(value: Any) -> struct_pb2.Value:
    """Stands in for upstream's, which takes no None within a list or dict."""
    return json_format.ParseDict(value, struct_pb2.Value())


def _joined(join: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a pipeline its parameters as it declares them, and None for the artifacts that it does without."""

    def wrapper(dag_arguments: dict[str, Any], dag_inputs_spec: Any) -> dict[str, Any]:
        joined = join(dag_arguments=dag_arguments, dag_inputs_spec=dag_inputs_spec)
        return dict.fromkeys(dag_inputs_spec.artifacts) | _arguments_as_declared(joined, dag_inputs_spec)

    return wrapper


def _without_none(construct: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves arguments that are None out, so that the component's own default holds."""

    def wrapper(component_spec: Any, arguments: dict[str, Any], task_root: str, block_input_artifact: bool) -> Any:
        given = _arguments_as_declared(
            {name: value for name, value in arguments.items() if value is not None}, component_spec.input_definitions
        )
        made = construct(component_spec=component_spec, arguments=given, task_root=task_root, block_input_artifact=block_input_artifact)
        for name, value in list(made.inputs.parameter_values.items()):
            if value.WhichOneof("kind") in (None, "null_value"):
                del made.inputs.parameter_values[name]
        return made

    return wrapper


def _with_whole_numbers(to_dict: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def wrapper(executor_input: Any, component_spec: Any) -> dict[str, Any]:
        made = to_dict(executor_input=executor_input, component_spec=component_spec)
        inputs = made.get("inputs", {})
        definitions = component_spec.input_definitions.parameters
        inputs["parameterValues"] = {
            name: value if name in definitions and definitions[name].parameter_type == _Types.NUMBER_DOUBLE else whole(value)
            for name, value in inputs.get("parameterValues", {}).items()
        }
        if "artifacts" in inputs:
            inputs["artifacts"] = whole(inputs["artifacts"])
        return made

    return wrapper


@contextmanager
def patch() -> Iterator[None]:
    """Patches what becomes of values on their way."""
    with (
        FROM_PROTOBUF.wrapped(_none_if_unset),
        TO_PROTOBUF.replaced(_to_protobuf),
        DAG_INPUTS.wrapped(_joined),
        EXECUTOR_INPUT.wrapped(_without_none),
        EXECUTOR_INPUT_AS_DICT.wrapped(_with_whole_numbers),
    ):
        yield
