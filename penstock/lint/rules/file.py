"""The file as a whole."""

import re
from collections.abc import Iterator

from ...spec.document import Document
from ...spec.missing_parts import missing_parts
from ..registry import error
from .links import ISSUE, SOURCE

_API_SERVER = f"{SOURCE}backend/src/apiserver/template/v2_template.go"
_SCHEMA_VERSION = "2.1.0"
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# Vertex AI's job id is the name, a hyphen and 14 digits of time; 128 characters in all.
_LONGEST_NAME = 128 - 15


@error("two-documents", "vertex", link=f"{ISSUE}11241")
def two_documents(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI accepts only files with one YAML document.

    Any setting of kfp-kubernetes (a secret, a volume, a toleration, a timeout), a workspace or another `dsl.PipelineConfig` makes kfp's
    compiler append a second document, the platform document. `aiplatform.PipelineJob(template_path=...)` then fails with `expected a single
    document in the stream`. Keep the pipeline in one file and the platform settings in another, and combine them only for Kubeflow, as
    `penstock submit --platform` does.
    """
    if document.size > 1:
        yield "platforms", f"{document.size} YAML documents; keep the platform document in a separate file and add it only for Kubeflow"


@error("schema-version", "kubeflow", link=_API_SERVER)
def schema_version(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow accepts only schema version 2.1.0.

    KFP's API server rejects a file of any other version. kfp 2 writes 2.1.0. Another version comes from an older kfp or another compiler.
    """
    if (version := document.spec.get("schemaVersion", "")) != _SCHEMA_VERSION:
        yield "schemaVersion", f"it is {version or 'missing'}, not {_SCHEMA_VERSION}; compile the pipeline with kfp 2"


@error("unknown-field", "kubeflow", "local", link=_API_SERVER)
def unknown_field(document: Document) -> Iterator[tuple[str, str]]:
    """The file has a field that the format does not define.

    KFP's API server, kfp's loader and `penstock run` reject the file (within `deploymentSpec` the API server drops the field). The field is
    misspelled, in the wrong place, or from a newer KFP.
    """
    if document.unknown:
        yield "root", f"{document.unknown}; correct or remove the field"


@error("pipeline-name", "kubeflow", "vertex", link="https://kubernetes.io/docs/concepts/overview/working-with-objects/names/")
def pipeline_name(document: Document) -> Iterator[tuple[str, str]]:
    """The name of the pipeline must be valid for the resources that the backends create.

    Kubeflow creates an Argo workflow with that name, which must consist of lowercase letters, digits and hyphens (RFC 1123). Vertex AI
    creates the job's ID from it: `[a-z][-a-z0-9]{0,127}`, including a time stamp of 15 characters.
    """
    name = document.name
    if not _DNS_NAME.fullmatch(name) or not name[0].isalpha() or len(name) > _LONGEST_NAME:
        yield (
            "pipelineInfo.name",
            f"{name!r} is not a portable name; use at most {_LONGEST_NAME} lowercase letters, digits and hyphens, and start with a letter",
        )


@error("executor-kind", "kubeflow", "local", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/dag.go")
def executor_kind(document: Document) -> Iterator[tuple[str, str]]:
    """Custom jobs and resolvers exist only on Vertex AI.

    KFP's backend and kfp.local run containers and importers. Both reject an executor of kind `customJob` or `resolver`, which Google's own
    components use.
    """
    for kind in ("customJob", "resolver"):
        for place, _, _ in document.executors(kind):
            yield place, f"a {kind} runs only on Vertex AI; use a container that calls the service"


@error("missing-part", link=f"{SOURCE}backend/src/v2/compiler/visitor.go")
def missing_part(document: Document) -> Iterator[tuple[str, str]]:
    """Every component, task, executor and image that the file refers to must be in the file.

    KFP's compiler writes them together. A file that was edited manually may lack one, and no backend runs it.
    """
    yield from missing_parts(document)
