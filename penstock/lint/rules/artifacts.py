"""Artifacts and where they lie."""

import re
from collections.abc import Iterator

from ...spec.document import Document, artifacts_of, known_value
from ..registry import error, warning
from .links import ISSUE, SOURCE, VERTEX_GUIDE

_IMPORTER = f"{SOURCE}backend/src/v2/component/importer_launcher.go"
_VERTEX_TITLE = re.compile(r"[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}")
_KFP_NAMESPACES = ("system.", "google.")
_KUBEFLOW_SCHEMES = ("gs://", "s3://", "minio://", "oci://")
# Google's own resources are imported by the URL of their API.
_VERTEX_SCHEMES = ("gs://", "https://")


@error("artifact-title", "vertex", link="https://github.com/tensorflow/tfx-addons/issues/249")
def title(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI accepts only artifact types of the form `namespace.Name`.

    Otherwise the pipeline fails with `MetadataSchema must include a schema title that satisfies the following regex:
    ^[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}$`. Use a type of KFP, such as `system.Artifact`, and put further information into the
    artifact's metadata.
    """
    for place, found in _titles(document):
        if not _VERTEX_TITLE.fullmatch(found):
            yield (
                place,
                f"{found!r} is not a valid type on Vertex AI; use system.Artifact, system.Dataset, system.Model or another type of KFP",
            )


@warning("artifact-namespace", link=f"{ISSUE}11505")
def namespace(document: Document) -> Iterator[tuple[str, str]]:
    """kfp supports only artifact types of the namespaces `system` and `google`.

    Its compiler rejects any other type. So does its loader if the pipeline itself has such an input or output, and kfp.local uses the
    loader. Use a type of KFP and put further information into the artifact's metadata.
    """
    for place, found in _titles(document):
        if _VERTEX_TITLE.fullmatch(found) and not found.startswith(_KFP_NAMESPACES):
            yield place, f"kfp rejects the type {found}; use system.Artifact, and put further information into its metadata"


@warning("artifact-input", "kubeflow", "local", link=f"{SOURCE}backend/api/v2beta1/runtime_config.proto")
def artifact_input(document: Document) -> Iterator[tuple[str, str]]:
    """A run accepts parameters, not artifacts.

    You can upload a pipeline or a component with an input artifact to Kubeflow and use it within another pipeline, but you cannot pass the
    artifact to a run. kfp.local rejects it (`Input artifacts are not supported`); `penstock run -p NAME=PATH` accepts it. Use a STRING
    parameter with a URI, and import it in the pipeline.
    """
    if needed := sorted(name for name, spec in artifacts_of(document.components["root"]).items() if not spec.get("isOptional")):
        yield "root.inputDefinitions.artifacts", f"{', '.join(needed)} cannot be passed to a run; use a parameter with a URI, and import it"


@error("importer-scheme", "kubeflow", link=_IMPORTER)
def importer_scheme(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow imports only from buckets.

    Its importer accepts `gs://`, `s3://` and `minio://` (and `oci://` for models). It fails for any other URI, such as `https://...`, with
    `no provider scheme found in artifact URI`. Pass such an address as a STRING parameter.
    """
    for place, uri in _imported(document):
        if not uri.startswith(_KUBEFLOW_SCHEMES):
            yield place, f"Kubeflow cannot import {uri!r}; copy it into a bucket or pass it as a STRING parameter"


@error("importer-storage", "vertex", link=f"{VERTEX_GUIDE}migrate-kfp")
def importer_storage(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI mounts only Cloud Storage.

    A task reads an artifact at `/gcs/...`. An artifact in `s3://` or `minio://` has no path there. Copy it to a bucket of Cloud Storage, or
    pass its address as a STRING parameter.
    """
    for place, uri in _imported(document):
        if not uri.startswith(_VERTEX_SCHEMES):
            yield place, f"Vertex AI cannot read {uri!r}; copy it to gs:// or pass it as a STRING parameter"


@error("importer-local", "local", link=f"{SOURCE}sdk/python/kfp/local/importer_handler.py")
def importer_local(document: Document) -> Iterator[tuple[str, str]]:
    """A laptop imports only what is on its disk.

    For an artifact in `gs://`, `s3://`, `minio://` or `oci://`, kfp.local returns a path, such as `/gcs/...`, that does not exist. The
    importer succeeds, and the task that reads the artifact fails. `penstock run` does not start such a pipeline. Copy the artifact to this
    machine and give its path, or pass the address as a STRING parameter.
    """
    for place, uri in _imported(document):
        if uri.startswith(_KUBEFLOW_SCHEMES):
            yield place, f"{uri!r} is not on a disk of this machine; copy it here and give its path, or pass it as a STRING parameter"


@error("importer-from-task", "kubeflow", link=_IMPORTER)
def importer_from_task(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow imports a constant URI or a pipeline's parameter, not a task's output.

    Its importer looks for the URI among the inputs of the enclosing DAG and fails if the URI comes from another task. Let that task write
    an output artifact, or wrap the importer in a nested pipeline with the URI as its parameter.
    """
    for _, label, _ in document.executors("importer"):
        for task in document.tasks():
            given = task.parameters.get("uri", {})
            if task.component.get("executorLabel") == label and "taskOutputParameter" in given:
                yield f"{task.place}.inputs.parameters.uri", "the URI is a task's output; let that task write an output artifact"


@warning("importer-in-loop", "kubeflow", link=f"{ISSUE}10860")
def importer_in_loop(document: Document) -> Iterator[tuple[str, str]]:
    """An importer within a loop is reported to fail on Kubeflow.

    Pass the URIs as STRING parameters and read them inside the component.
    """
    loops = {task.component_name for task in document.tasks() if "parameterIterator" in task.spec}
    importers = {name for _, label, _ in document.executors("importer") for name in document.users_of(label)}
    for task in document.tasks():
        if task.parent in loops and task.component_name in importers:
            yield task.place, "an importer within dsl.ParallelFor; pass the URI as a STRING parameter"


@error("pipeline-root", "vertex", link=f"{VERTEX_GUIDE}configure-project")
def pipeline_root(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI stores artifacts in Cloud Storage.

    A pipeline root in the file, `@dsl.pipeline(pipeline_root=...)`, suits only one backend. Remove it and set it when you submit the
    pipeline.
    """
    root = document.spec.get("defaultPipelineRoot", "")
    if root and not root.startswith("gs://"):
        yield "defaultPipelineRoot", f"{root} is not in Cloud Storage; remove it, and set it when you submit the pipeline"


def _titles(document: Document) -> Iterator[tuple[str, str]]:
    for place, spec in document.artifacts():
        if found := spec.get("artifactType", {}).get("schemaTitle", ""):
            yield f"{place}.artifactType.schemaTitle", found


def _imported(document: Document) -> Iterator[tuple[str, str]]:
    """Yields the URIs of importers that are known beforehand."""
    for place, label, importer in document.executors("importer"):
        uri = importer.get("artifactUri", {})
        if "constant" in uri:
            yield f"{place}.artifactUri", uri["constant"]
            continue
        for component in document.users_of(label):
            for origin, spec in document.origins(component, uri.get("runtimeParameter", "")):
                known = known_value(spec)
                if isinstance(known, str) and known and "{{$" not in known:
                    yield origin, known
