"""kfp.local resolves placeholders wherever it finds them; here those of the compiled file are resolved, once, and a value is a value.

Upstream (kfp 2.17): `resolve_individual_placeholder` looks through what it has just put in, and every parameter's value is resolved as if it were
the file's own, so that a text with `{{$.x}}` in it raises IndexError; what is put together for a nested pipeline is resolved inside of it, where the
parts do not exist; and `{{$.pipeline_job_resource_name}}`, `{{$.pipeline_job_create_time_utc}}`, `{{$.pipeline_job_schedule_time_utc}}` and
Vertex AI's `{{$.pipeline_google_cloud_*}}` are taken for paths into the executor input.
"""

import datetime
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kfp import dsl

from ..errors import UserError
from ..kfp_adapter.dsl import WORKSPACE_MOUNT_PATH
from ..kfp_adapter.orchestrator import (
    EXECUTE_SINGLE_TASK,
    EXECUTE_TASK,
    PLACEHOLDER,
    RUN_NAME,
    SELF_REFERENCES,
    TASK_ARGUMENTS,
    make_random_id,
    pipeline_root,
    resolve_io_placeholders,
    workspace_root,
)
from .kinds import text_of

_PLACEHOLDER = re.compile(r"\{\{\$(?:\.[^{}]*)?\}\}")
_VERTEX_ONLY = re.compile(r"\{\{\$\.pipeline_(?:google_cloud_\w+|service_account)\}\}")
_running = threading.local()


def _job_values() -> dict[str, str]:
    """Returns what the placeholders of the job stand for, in all of a run."""
    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        dsl.PIPELINE_JOB_ID_PLACEHOLDER: make_random_id(),
        dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER: started,
        dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER: started,
    }


def _run_values() -> dict[str, str]:
    """Returns what the placeholders of the run and the task that this thread is at stand for."""
    name = RUN_NAME.function("")
    return {
        dsl.PIPELINE_JOB_NAME_PLACEHOLDER: name,
        dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER: name,
        dsl.PIPELINE_ROOT_PLACEHOLDER: pipeline_root(),
        dsl.WORKSPACE_PATH_PLACEHOLDER: workspace_root(),
        dsl.PIPELINE_TASK_NAME_PLACEHOLDER: getattr(_running, "task", ""),
        dsl.PIPELINE_TASK_ID_PLACEHOLDER: getattr(_running, "id", ""),
    }


def _put_in(text: str, values: Mapping[str, str]) -> str:
    """Puts in what is known; anything else stays as it stands."""
    if vertex := _VERTEX_ONLY.search(text):
        raise UserError(f"the placeholder {vertex[0]} has a value only on Vertex AI; pass the value as a parameter")
    text = text.replace(WORKSPACE_MOUNT_PATH, values[dsl.WORKSPACE_PATH_PLACEHOLDER])
    return _PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), text)


def _in_constants(make: Callable[..., dict[str, Any]], job: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Resolves what stands in the file's own values, where it is known what they are made of."""

    def wrapper(task_inputs_spec: Any, io_store: Any) -> dict[str, Any]:
        arguments = make(task_inputs_spec=task_inputs_spec, io_store=io_store)
        known = {f"{{{{$.inputs.parameters['{name}']}}}}": text_of(value) for name, value in arguments.items() if not _is_artifact(value)}
        values = known | job | _run_values()
        constants_of = [name for name, given in task_inputs_spec.parameters.items() if given.HasField("runtime_value")]
        return arguments | {name: _within(arguments[name], values) for name in constants_of}

    return wrapper


def _is_artifact(value: Any) -> bool:
    return isinstance(value, dsl.Artifact) or (isinstance(value, list) and any(isinstance(item, (dsl.Artifact, list)) for item in value))


def _within(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_put_in(name, values): _within(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_within(item, values) for item in value]
    return _put_in(value, values) if isinstance(value, str) else value


def _in_command(job: dict[str, str]) -> Callable[..., str]:
    def resolve(element: str, executor_input_dict: dict[str, Any], task_resource_name: str, **_: Any) -> str:
        outputs = dict.fromkeys(("{{$.outputs.output_file}}", "{{$.outputMetadataUri}}"), executor_input_dict["outputs"]["outputFile"])
        executor_input = {"{{$}}": json.dumps(executor_input_dict)}
        values = job | _run_values() | {dsl.PIPELINE_TASK_NAME_PLACEHOLDER: task_resource_name} | executor_input | outputs
        for placeholder in {*_PLACEHOLDER.findall(element)} - values.keys():
            with suppress(LookupError, TypeError):  # no placeholder of KFP's
                values[placeholder] = resolve_io_placeholders(executor_input_dict, placeholder)
        return _put_in(element, values)

    return resolve


def _named(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Remembers, thread by thread, which task is run."""

    def run(*, task_name: str, **rest: Any) -> Any:
        _running.task, _running.id = task_name, make_random_id()
        return execute(task_name=task_name, **rest)

    return run


@contextmanager
def patch() -> Iterator[None]:
    """Patches placeholders."""
    job = _job_values()
    with (
        TASK_ARGUMENTS.wrapped(partial(_in_constants, job=job)),
        SELF_REFERENCES.replaced(lambda executor_input_dict, **_: executor_input_dict),
        PLACEHOLDER.replaced(_in_command(job)),
        EXECUTE_TASK.wrapped(_named),
        EXECUTE_SINGLE_TASK.wrapped(_named),
    ):
        yield
