"""A pipeline spec as the API server reads it: what it refuses, and what it makes of it.

Source of the rules and the words: kubeflow/pipelines, backend/src/apiserver/template/v2_template.go and
backend/src/v2/compiler/argocompiler. The protos are kfp's own, for a double takes nothing from the code that it tests.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from .errors import internal, invalid, invalid_spec, unforeseen

_SCHEMA_VERSION = "2.1.0"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_LONGEST_NAME = 128
# etcd's --max-request-bytes (https://etcd.io/docs/v3.5/dev-guide/limit): the spec travels in the workflow.
_MOST_BYTES = 1_572_864
_ARTIFACT_TYPES = ("system.", "google.")
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "NUMBER_DOUBLE": ((int, float), "double or integer, but the parameter value is not of number value type"),
    "NUMBER_INTEGER": ((int, float), "double or integer, but the parameter value is not of number value type"),
    "STRING": ((str,), "string, but the input parameter is not of string value type"),
    "BOOLEAN": ((bool,), "bool, but the input parameter is not of bool value type"),
    "LIST": ((list,), "list, but the input parameter is not of list value type"),
    "STRUCT": ((dict,), "struct, but the input parameter is not of struct value type"),
}
_EXIT = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True)
class Template:
    """A pipeline that the server has taken.

    Attributes:
        spec: The PipelineSpec in protobuf's JSON form.
        platform: The PlatformSpec likewise; None for none.
    """

    spec: dict[str, Any]
    platform: dict[str, Any] | None

    @property
    def document(self) -> dict[str, Any]:
        """The API's `pipeline_spec`."""
        return {"pipeline_spec": self.spec, "platform_spec": self.platform} if self.platform else self.spec

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec["pipelineInfo"]["name"]


def read(text: str) -> Template:
    """Reads what was uploaded: a PipelineSpec, and after it perhaps a PlatformSpec.

    Raises:
        KfpError: The server would refuse it.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise invalid_spec(f"failed to parse pipeline spec YAML: {error}") from error
    return from_documents(documents)


def from_document(document: dict[str, Any]) -> Template:
    """Reads the API's `pipeline_spec`: a PipelineSpec, or one with a PlatformSpec.

    Raises:
        KfpError: The server would refuse it.
    """
    if "pipeline_spec" in document:
        return from_documents([document["pipeline_spec"], *([document["platform_spec"]] if "platform_spec" in document else [])])
    return from_documents([document])


def from_documents(documents: list[Any]) -> Template:
    """Sorts documents as the server does; those that are neither are dropped in silence there, and refused here.

    Raises:
        KfpError: The server would refuse it, or would not run what was meant.
    """
    specs = [document for document in documents if _is_pipeline(document)]
    platforms = [document for document in documents if not _is_pipeline(document)]
    if not specs:
        raise invalid_spec("unknown template format")
    if len(specs) > 1:
        raise invalid_spec("multiple pipeline specs provided")
    if len(platforms) > 1:
        raise invalid_spec("multiple platform specs provided")
    spec = _strict(specs[0], pipeline_spec_pb2.PipelineSpec(), "invalid v2 pipeline spec")
    if (version := spec.get("schemaVersion", "")) != _SCHEMA_VERSION:
        raise invalid_spec(f"KFP only supports schema version 2.1.0, but the pipeline spec has version {version}")
    return Template(spec, _platform(platforms[0]) if platforms else None)


def check_name(name: str) -> None:
    """Checks a pipeline's name.

    Raises:
        KfpError: It breaks the rules.
    """
    if len(name) > _LONGEST_NAME:
        raise invalid("pipeline's name must contain no more than 128 characters")
    if not _NAME.fullmatch(name):
        raise invalid(
            "pipeline's name must contain only lowercase alphanumeric characters or '-' and must start with alphanumeric characters"
        )


def check_parameters(template: Template, given: dict[str, Any]) -> None:
    """Checks a run's parameters against the pipeline's inputs.

    Raises:
        KfpError: One is missing, unknown, or of another type.
    """
    inputs = template.spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, declared in inputs.items():
        if name in given:
            _check_type(name, given[name], declared["parameterType"])
        elif not declared.get("isOptional") and "defaultValue" not in declared:
            raise invalid(f"parameter {name} is not optional, yet has neither default value nor user provided value")
    if extra := [name for name in given if name not in inputs]:
        raise invalid(f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")


def check_compiles(template: Template) -> None:
    """Checks what only shows when the server makes a workflow of it, or, as for images and artifact types, when that runs.

    Raises:
        KfpError: The server would fail, in its words.
    """
    for problem in _problems(template):
        raise unforeseen(f"Failed to compile job: {problem}")


def check_size(template: Template) -> None:
    """Checks that etcd takes the workflow.

    Raises:
        KfpError: It does not.
    """
    if len(json.dumps(template.document)) > _MOST_BYTES:
        raise internal("etcdserver: request is too large", f"Failed to create a workflow for ({template.name}-)")


def _problems(template: Template) -> Iterator[str]:
    spec = template.spec
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    for name, component in {"root": spec["root"], **spec.get("components", {})}.items():
        where = f'error processing component name="{name}"'
        yield from (f"{where}: {problem}" for problem in _types(component))
        if "dag" in component:
            yield from (f"{where}: {problem}" for problem in _dag(component["dag"], spec))
        elif component.get("executorLabel") not in executors:
            yield f'{where}: executor(label="{component.get("executorLabel")}") not found in deployment config'
    for label, executor in executors.items():
        if not {"container", "importer"} & executor.keys():
            yield f'executor(label="{label}"): non-container and non-importer executor not implemented'
        elif "container" in executor and not executor["container"].get("image"):
            yield f'executor(label="{label}"): spec.containers[0].image: Required value'


def _types(component: dict[str, Any]) -> Iterator[str]:
    """Finds artifact types that the launcher does not know."""
    for side in ("inputDefinitions", "outputDefinitions"):
        for name, artifact in component.get(side, {}).get("artifacts", {}).items():
            title = artifact.get("artifactType", {}).get("schemaTitle", "system.Artifact")
            if not title.startswith(_ARTIFACT_TYPES):
                yield f'artifact "{name}" has the unknown schema title "{title}"'


def _dag(dag: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    tasks = dag.get("tasks", {})
    if all(task.get("triggerPolicy", {}).get("strategy") == _EXIT for task in tasks.values()):
        yield "must contain one or more non-exit tasks"
    for name, task in tasks.items():
        reference = task.get("componentRef", {}).get("name", "")
        if reference not in spec.get("components", {}):
            yield f'cannot find component ref name="{reference}"'
            continue
        if "artifactIterator" in task:
            yield "artifact iterator not implemented yet"
        executor = spec["components"][reference].get("executorLabel", "")
        is_importer = "importer" in spec.get("deploymentSpec", {}).get("executors", {}).get(executor, {})
        if is_importer and task.get("triggerPolicy", {}).get("condition"):
            yield f'compiling task "{name}": triggerPolicy.condition on importer task is not supported'


def _check_type(name: str, value: Any, kind: str) -> None:
    types, complaint = _KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise invalid(f"input parameter {name} requires type {complaint}")


def _is_pipeline(document: Any) -> bool:
    return isinstance(document, dict) and ("pipelineInfo" in document or "pipeline_info" in document) and "root" in document


def _strict(document: Any, message: Any, complaint: str) -> dict[str, Any]:
    try:
        return json_format.MessageToDict(json_format.ParseDict(document, message))
    except json_format.ParseError as error:
        raise invalid_spec(f"{complaint}: {error}") from error


def _platform(document: Any) -> dict[str, Any]:
    """Reads a PlatformSpec, down to the settings of Kubernetes' executors, which the server itself checks only during the run."""
    complaint = "cannot unmarshal platform specific configs"
    platform = _strict(document, pipeline_spec_pb2.PlatformSpec(), complaint)
    if "kubernetes" not in platform.get("platforms", {}):
        raise invalid_spec("unknown template format")
    for executor in platform["platforms"]["kubernetes"].get("deploymentSpec", {}).get("executors", {}).values():
        _strict(executor, kubernetes_pb2.KubernetesExecutorConfig(), complaint)
    return platform
