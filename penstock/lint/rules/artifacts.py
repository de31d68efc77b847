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
    """Vertex AI takes artifact types of the form `namespace.Name` only.

    `MetadataSchema must include a schema title that satisfies the following regex: ^[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}$`, it says, and
    the pipeline fails. Take a type of KFP, such as `system.Artifact`, and say more in the artifact's metadata.
    """
    for place, found in _titles(document):
        if not _VERTEX_TITLE.fullmatch(found):
            yield place, f"{found!r} is no type to Vertex AI; take system.Artifact, system.Dataset, system.Model or another of KFP's"


@warning("artifact-namespace", link=f"{ISSUE}11505")
def namespace(document: Document) -> Iterator[tuple[str, str]]:
    """kfp knows artifact types of the namespaces `system` and `google` only.

    Its compiler refuses any other, and so does its loader where the pipeline itself takes or gives the artifact, which is what kfp.local begins with.
    Take a type of KFP and say more in the artifact's metadata.
    """
    for place, found in _titles(document):
        if _VERTEX_TITLE.fullmatch(found) and not found.startswith(_KFP_NAMESPACES):
            yield place, f"kfp refuses the type {found}; take system.Artifact and say more in the artifact's metadata"


@warning("artifact-input", "kubeflow", "local", link=f"{SOURCE}backend/api/v2beta1/runtime_config.proto")
def artifact_input(document: Document) -> Iterator[tuple[str, str]]:
    """A run is given parameters, not artifacts.

    A pipeline, or a component alone, that takes an artifact can be uploaded to Kubeflow and used within another pipeline, but a run of it cannot be given
    the artifact. kfp.local refuses it (`Input artifacts are not supported`); `penstock run -p NAME=PATH` takes it. Take a URI as a STRING parameter and
    import it.
    """
    if needed := sorted(name for name, spec in artifacts_of(document.components["root"]).items() if not spec.get("isOptional")):
        yield "root.inputDefinitions.artifacts", f"{', '.join(needed)} cannot be given to a run; take a URI and import it"


@error("importer-scheme", "kubeflow", link=_IMPORTER)
def importer_scheme(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow imports from buckets only.

    Its importer takes `gs://`, `s3://` and `minio://` (and `oci://` for models); any other URI, such as `https://...`, fails it: `no provider scheme
    found in artifact URI`. Pass such an address as a STRING parameter.
    """
    for place, uri in _imported(document):
        if not uri.startswith(_KUBEFLOW_SCHEMES):
            yield place, f"Kubeflow cannot import {uri!r}; copy it into a bucket or pass it as a STRING parameter"


@error("importer-storage", "vertex", link=f"{VERTEX_GUIDE}migrate-kfp")
def importer_storage(document: Document) -> Iterator[tuple[str, str]]:
    """Vertex AI mounts Cloud Storage only.

    A task reads an artifact at `/gcs/...`; one in `s3://` or `minio://` has no path there. Copy it to a bucket of Cloud Storage, or pass its address as a
    STRING parameter.
    """
    for place, uri in _imported(document):
        if not uri.startswith(_VERTEX_SCHEMES):
            yield place, f"Vertex AI cannot read {uri!r}; copy it to gs:// or pass it as a STRING parameter"


@error("importer-local", "local", link=f"{SOURCE}sdk/python/kfp/local/importer_handler.py")
def importer_local(document: Document) -> Iterator[tuple[str, str]]:
    """A laptop imports what lies on its disk.

    kfp.local gives an artifact in `gs://`, `s3://`, `minio://` or `oci://` a path, such as `/gcs/...`, where nothing is: the importer is done, and the task that
    reads it fails. `penstock run` does not start such a pipeline. Copy the artifact here and give its path, or pass the address as a STRING parameter.
    """
    for place, uri in _imported(document):
        if uri.startswith(_KUBEFLOW_SCHEMES):
            yield place, f"{uri!r} is on no disk of this machine; copy it here and give its path, or pass it as a STRING parameter"


@error("importer-from-task", "kubeflow", link=_IMPORTER)
def importer_from_task(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow imports a constant URI or a pipeline's parameter, not a task's output.

    Its importer looks the URI up among the inputs of the DAG around it and fails where it comes from another task. Let that task give an output
    artifact, or wrap the importer in a pipeline of its own with the URI as its parameter.
    """
    for _, label, _ in document.executors("importer"):
        for task in document.tasks():
            given = task.parameters.get("uri", {})
            if task.component.get("executorLabel") == label and "taskOutputParameter" in given:
                yield f"{task.place}.inputs.parameters.uri", "the URI is a task's output; let that task give an output artifact"


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
    """Vertex AI keeps artifacts in Cloud Storage.

    A pipeline root in the file, `@dsl.pipeline(pipeline_root=...)`, is for one place. Leave it out and give it when the pipeline is submitted.
    """
    root = document.spec.get("defaultPipelineRoot", "")
    if root and not root.startswith("gs://"):
        yield "defaultPipelineRoot", f"{root} is not in Cloud Storage; leave it out and give it when the pipeline is submitted"


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
