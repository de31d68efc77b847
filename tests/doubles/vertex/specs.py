"""What Vertex AI Pipelines takes for a pipeline job, and what it refuses before it makes one.

Source: https://cloud.google.com/vertex-ai/docs/pipelines/build-pipeline, .../machine-types, and the API reference of PipelineJob.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from . import fields
from .errors import ApiError, invalid, invalid_argument
from .names import Names

SCHEMA_VERSION = "2.1.0"
# What Google's services take where they state no limit of their own.
MOST_BYTES = 10 << 20
_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_OUTPUT_DIRECTORY = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/.*)?")
_SERVICE_ACCOUNT = re.compile(r"[a-z0-9][-a-z0-9]*@[-a-z0-9.]+\.gserviceaccount\.com")
_NETWORK = re.compile(r"projects/[0-9]+/global/networks/[a-z]([-a-z0-9]*[a-z0-9])?")
_KEY = re.compile(r"projects/[^/]+/locations/([^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
_KINDS = {
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def check_id(key: str) -> None:
    """Refuses what cannot be the last segment of a pipeline job's name."""
    if not _JOB_ID.fullmatch(key):
        raise invalid("pipeline_job_id", f"'{key}' should be less than 128 characters, and valid characters are /[a-z][0-9]-/.")


def check_job(job: types.PipelineJob, names: Names) -> dict[str, Any]:
    """Refuses a job that the service does not take.

    Returns:
        Its PipelineSpec in JSON form.

    Raises:
        ApiError: INVALID_ARGUMENT, and why.
    """
    if (size := types.PipelineJob.pb(job).ByteSize()) > MOST_BYTES:
        raise invalid_argument(f"Request payload size exceeds the limit: {MOST_BYTES} bytes; the PipelineJob has {size}.")
    fields.check_display_name(job.display_name, "pipeline_job.display_name", required=False)
    fields.check_labels(job.labels, "pipeline_job.labels")
    _check_settings(job, names)
    spec = json_format.MessageToDict(types.PipelineJob.pb(job).pipeline_spec)
    if not spec:
        raise invalid("pipeline_job.pipeline_spec", "Required field is not set.")
    _check_spec(spec)
    _check_parameters(spec, job.runtime_config)
    return spec


def _check_settings(job: types.PipelineJob, names: Names) -> None:
    directory = job.runtime_config.gcs_output_directory
    if not _OUTPUT_DIRECTORY.fullmatch(directory):
        raise invalid(
            "pipeline_job.runtime_config.gcs_output_directory", f"'{directory}' is no Cloud Storage path; expected gs://BUCKET/PATH."
        )
    check_runtime(job.service_account, job.network, job.encryption_spec.kms_key_name, names, "pipeline_job")


def check_runtime(service_account: str, network: str, key: str, names: Names, job: str) -> None:
    """Refuses an account, a network or a key that a job cannot have; each may be empty.

    Args:
        service_account: Who the job's containers run as.
        network: Where they have addresses.
        key: What encrypts the job.
        names: The project and the region.
        job: What the fields' names begin with.
    """
    if service_account and not _SERVICE_ACCOUNT.fullmatch(service_account):
        raise invalid(f"{job}.service_account", f"'{service_account}' is no email address of a service account.")
    if network and not _NETWORK.fullmatch(network):
        text = "expected projects/{project number}/global/networks/{network}."
        raise invalid(f"{job}.network", f"Invalid network '{network}'; {text}")
    if not key:
        return
    match = _KEY.fullmatch(key)
    if match is None:
        text = "expected projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}."
        raise invalid(f"{job}.encryption_spec.kms_key_name", f"Invalid key '{key}'; {text}")
    if match[1] != names.location:
        text = f"The key's location '{match[1]}' is not that of the job, '{names.location}'."
        raise invalid(f"{job}.encryption_spec.kms_key_name", text)


def _check_spec(spec: dict[str, Any]) -> None:
    _parse(spec)
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        raise _refused(f"schema_version '{spec.get('schemaVersion', '')}' is not supported; the supported one is {SCHEMA_VERSION}.")
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not _JOB_ID.fullmatch(name):
        raise _refused(f"pipeline_info.name '{name}' should match {_JOB_ID.pattern}.")
    if not spec.get("root", {}).get("dag", {}).get("tasks"):
        raise _refused("root has no tasks.")
    for title in _schema_titles(spec):
        if not title.startswith(("system.", "google.")):
            raise _refused(f"schema_title '{title}' is not supported; it must begin with 'system.' or 'google.'.")
    for label, executor in spec.get("deploymentSpec", {}).get("executors", {}).items():
        _check_container(label, executor.get("container", {}))


def _parse(spec: dict[str, Any]) -> None:
    from kfp.pipeline_spec import pipeline_spec_pb2  # only those who have pipelines have kfp

    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise _refused(f"it is no PipelineSpec: {error}") from error


def _schema_titles(spec: dict[str, Any]) -> Iterator[str]:
    for component in [spec["root"], *spec.get("components", {}).values()]:
        for side in ("inputDefinitions", "outputDefinitions"):
            for artifact in component.get(side, {}).get("artifacts", {}).values():
                yield artifact.get("artifactType", {}).get("schemaTitle", "")


def _check_container(label: str, container: dict[str, Any]) -> None:
    command = json.dumps([*container.get("command", []), *container.get("args", [])])
    if "IfPresent" in command:
        raise _refused(f"the placeholder IfPresent of executor '{label}' cannot be resolved.")
    resources = container.get("resources", {})
    if "{{" in json.dumps(resources):
        raise _refused(f"executor '{label}' has resources that are no static values: {json.dumps(resources, sort_keys=True)}.")
    accelerator = resources.get("accelerator")
    if accelerator is None:
        return
    for kind, count in (("type", "count"), ("resourceType", "resourceCount")):
        if kind in accelerator or count in accelerator:
            _check_accelerator(label, accelerator.get(kind, ""), accelerator.get(count, 0))


def _check_accelerator(label: str, kind: str, count: Any) -> None:
    if kind not in types.AcceleratorType.__members__ or kind == "ACCELERATOR_TYPE_UNSPECIFIED":
        raise _refused(f"accelerator type '{kind}' of executor '{label}' is not supported.")
    if not str(count).isdigit() or int(count) < 1:
        raise _refused(f"accelerator count '{count}' of executor '{label}' must be a positive number.")


def _check_parameters(spec: dict[str, Any], config: types.PipelineJob.RuntimeConfig) -> None:
    field = "pipeline_job.runtime_config.parameter_values"
    if config.parameters:
        raise invalid("pipeline_job.runtime_config.parameters", f"use parameter_values with schema_version {SCHEMA_VERSION}.")
    known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    given = parameter_values(config)
    for name, value in given.items():
        if name not in known:
            raise invalid(field, f"The parameter '{name}' is not defined in the pipeline's inputs.")
        if not _fits(value, known[name].get("parameterType", "")):
            raise invalid(field, f"The parameter '{name}' has the type {known[name]['parameterType']}, which {json.dumps(value)} is not.")
    for name, definition in known.items():
        if name not in given and "defaultValue" not in definition and not definition.get("isOptional"):
            raise invalid(field, f"The parameter '{name}' is required.")


def parameter_values(config: types.PipelineJob.RuntimeConfig) -> dict[str, Any]:
    """Returns the values of a job's parameters."""
    return {name: json_format.MessageToDict(value) for name, value in type(config).pb(config).parameter_values.items()}


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "BOOLEAN":
        return False
    return isinstance(value, _KINDS.get(kind, ())) and (kind != "NUMBER_INTEGER" or float(value).is_integer())


def _refused(why: str) -> ApiError:
    return invalid_argument(f"Failed to create pipeline job. Error: Invalid pipeline spec: {why}")
