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
    """Vertex AI takes a file of one YAML document only.

    Any setting of kfp-kubernetes (a secret, a volume, a toleration, a timeout), a workspace or another `dsl.PipelineConfig` makes kfp's
    compiler append a second document, the platform document. `aiplatform.PipelineJob(template_path=...)` then fails with `expected a single
    document in the stream`. Keep the pipeline in one file and the platform settings in another, and join them for Kubeflow only, as
    `penstock submit --platform` does.
    """
    if document.size > 1:
        yield "platforms", f"{document.size} YAML documents; keep the platform document apart and join it for Kubeflow only"


@error("schema-version", "kubeflow", link=_API_SERVER)
def schema_version(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow takes schema version 2.1.0 only.

    KFP's API server refuses a file of any other version. kfp 2 writes 2.1.0; what wrote another is older, or no KFP compiler.
    """
    if (version := document.spec.get("schemaVersion", "")) != _SCHEMA_VERSION:
        yield "schemaVersion", f"it is {version or 'missing'}, not {_SCHEMA_VERSION}; compile the pipeline with kfp 2"


@error("unknown-field", "kubeflow", "local", link=_API_SERVER)
def unknown_field(document: Document) -> Iterator[tuple[str, str]]:
    """The file has a field that the format does not.

    KFP's API server parses the pipeline strictly and refuses the file (within `deploymentSpec` it drops the field), as do kfp's loader and `penstock run`. The
    field is misspelled, at the wrong place, or of a newer KFP.
    """
    if document.unknown:
        yield "root", f"{document.unknown}; correct or remove the field"


@error("pipeline-name", "kubeflow", "vertex", link="https://kubernetes.io/docs/concepts/overview/working-with-objects/names/")
def pipeline_name(document: Document) -> Iterator[tuple[str, str]]:
    """The pipeline's name names what the backends make.

    Kubeflow makes an Argo workflow of that name, which must be lower-case letters, digits and hyphens (RFC 1123). Vertex AI makes the job's id of
    it: `[a-z][-a-z0-9]{0,127}`, of which a time stamp takes 15 characters.
    """
    name = document.name
    if not _DNS_NAME.fullmatch(name) or not name[0].isalpha() or len(name) > _LONGEST_NAME:
        yield (
            "pipelineInfo.name",
            f"{name!r} is no portable name; take lower-case letters, digits and hyphens, at most {_LONGEST_NAME}, a letter first",
        )


@error("executor-kind", "kubeflow", "local", link=f"{SOURCE}backend/src/v2/compiler/argocompiler/dag.go")
def executor_kind(document: Document) -> Iterator[tuple[str, str]]:
    """Custom jobs and resolvers exist on Vertex AI only.

    KFP's backend and kfp.local run containers and importers. An executor of kind `customJob` or `resolver` (Google's own components have them) is
    refused by both.
    """
    for kind in ("customJob", "resolver"):
        for place, _, _ in document.executors(kind):
            yield place, f"a {kind} runs on Vertex AI only; make it a container that calls the service"


@error("missing-part", link=f"{SOURCE}backend/src/v2/compiler/visitor.go")
def missing_part(document: Document) -> Iterator[tuple[str, str]]:
    """A task names a component and the tasks before it, a component an executor, and a container an image, which must be in the file.

    KFP's compiler writes them together; a file that was cut or joined by hand may lack one, and no backend runs it.
    """
    yield from missing_parts(document)
