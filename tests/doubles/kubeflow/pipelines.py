"""Pipelines and their versions."""

import email
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from typing import Any

import kfp_server_api

from ..kubernetes.answer import Answer
from . import forms
from .access import Access
from .errors import EXISTS, INVALID, KfpError, already_exists, invalid, not_found, upload_refusal, wrapping
from .lists import page
from .records import Pipeline, Records, Version
from .routing import Call, Route
from .template import check_name, read

_FIELDS = {"id", "pipeline_id", "name", "display_name", "created_at", "description", "namespace"}
_VERSION_FIELDS = {"id", "pipeline_version_id", "name", "display_name", "created_at", "status", "description"}
_LONGEST_NAME, _LONGEST_VERSION = 128, 127
_MOST_BYTES = 32 << 20


class Pipelines:
    """Answers calls about pipelines and versions."""

    def __init__(self, records: Records, access: Access) -> None:
        self._records = records
        self._access = access

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        yield Route("POST", "/pipelines/upload", self._upload)
        yield Route("POST", "/pipelines/upload_version", self._upload_version)
        yield Route("POST", "/pipelines", self._create)
        yield Route("GET", "/pipelines", self._list)
        yield Route("GET", "/pipelines/names/{name}", self._get_by_name)
        yield Route("GET", "/pipelines/{pipeline_id}", self._get)
        yield Route("DELETE", "/pipelines/{pipeline_id}", self._delete)
        yield Route("GET", "/pipelines/{pipeline_id}/versions", self._list_versions)
        yield Route("GET", "/pipelines/{pipeline_id}/versions/{version_id}", self._get_version)
        yield Route("DELETE", "/pipelines/{pipeline_id}/versions/{version_id}", self._delete_version)

    def find(self, pipeline_id: str) -> Pipeline:
        """Returns a pipeline.

        Raises:
            KfpError: There is none.
        """
        if pipeline_id not in self._records.pipelines:
            raise not_found("Pipeline", pipeline_id)
        return self._records.pipelines[pipeline_id]

    def find_version(self, version_id: str) -> Version:
        """Returns a version.

        Raises:
            KfpError: There is none.
        """
        if version_id not in self._records.versions:
            raise not_found("PipelineVersion", version_id)
        return self._records.versions[version_id]

    def latest(self, pipeline: Pipeline) -> Version:
        """Returns the version that was made last.

        Raises:
            KfpError: There is none.
        """
        versions = list(self._records.versions_of(pipeline))
        if not versions:
            raise not_found("PipelineVersion", pipeline.id)
        return versions[-1]

    def _upload(self, call: Call) -> Answer:
        """Makes a pipeline and its first version. Errors have another form than elsewhere, and are few."""
        failed = "Failed to create a pipeline and a pipeline version"
        try:
            filename, text = _uploaded(call)
        except KfpError:
            return upload_refusal(400, "Failed to read a pipeline spec file", is_json=False)
        namespace = self._access.namespace(call.query.get("namespace", ""))
        name = call.query.get("name") or call.query.get("display_name") or filename
        if len(name) > _LONGEST_NAME:
            return _plain(f"Invalid input error: Pipeline.Name length cannot exceed {_LONGEST_NAME}")
        try:
            self._may_upload(call, namespace)
        except KfpError:
            return upload_refusal(400, "Failed to create a pipeline", is_json=False)
        try:
            pipeline = self._new(name, call.query.get("display_name") or name, namespace, call.query.get("description", ""), _tags(call))
            version = self._new_version(pipeline, name, pipeline.display_name, text, pipeline.description, {})
        except KfpError as error:
            return _refused_upload(error, failed)
        self._records.pipelines[pipeline.id] = pipeline
        self._records.versions[version.id] = version
        return Answer(200, forms.pipeline(pipeline))

    def _upload_version(self, call: Call) -> Answer:
        failed = "Failed to create a pipeline version"
        try:
            filename, text = _uploaded(call)
            pipeline = self.find(call.query.get("pipelineid", ""))
            self._may_upload(call, pipeline.namespace)
        except KfpError:
            return upload_refusal(400, failed, is_json=False)
        name = call.query.get("name") or call.query.get("display_name") or filename
        if len(name) > _LONGEST_VERSION:
            return _plain(f"Invalid input error: PipelineVersion.Name length cannot exceed {_LONGEST_VERSION}")
        try:
            display_name, description = call.query.get("display_name") or name, call.query.get("description", "")
            version = self._new_version(pipeline, name, display_name, text, description, _tags(call))
        except KfpError as error:
            return _refused_upload(error, failed)
        self._records.versions[version.id] = version
        return Answer(200, forms.version(version))

    def _may_upload(self, call: Call, namespace: str) -> None:
        """Checks the permission to upload; a pipeline without a namespace is shared, which any user may upload."""
        if namespace or not self._access.is_multi_user:
            self._access.check(call.user, namespace, "create", "pipelines")

    def _new(self, name: str, display_name: str, namespace: str, description: str, tags: dict[str, str]) -> Pipeline:
        if any((known.name, known.namespace) == (name, namespace) for known in self._records.pipelines.values()):
            raise already_exists(f"Failed to create a new pipeline. The name {name} already exists. Please specify a new name")
        return Pipeline(name, display_name, namespace, description, tags)

    def _new_version(self, pipeline: Pipeline, name: str, display_name: str, text: str, description: str, tags: dict[str, str]) -> Version:
        template = read(text)
        check_name(template.name)
        if any(known.name == name for known in self._records.versions_of(pipeline)):
            raise already_exists(f"Failed to create a new pipeline version. The name {name} already exist. Specify a new name")
        return Version(pipeline, name, display_name, template, description, tags)

    @wrapping("Failed to create a pipeline due to server error")
    def _create(self, call: Call) -> dict[str, Any]:
        body = call.body(kfp_server_api.V2beta1Pipeline)
        name = body.get("name") or body.get("display_name", "")
        namespace = self._access.namespace(body.get("namespace", ""))
        if not name:
            raise invalid("name is required")
        if namespace or not self._access.is_multi_user:
            self._check(call, namespace, "create", name)
        pipeline = self._new(name, body.get("display_name") or name, namespace, body.get("description", ""), body.get("tags") or {})
        self._records.pipelines[pipeline.id] = pipeline
        return forms.pipeline(pipeline)

    @wrapping("Failed to list pipelines")
    def _list(self, call: Call) -> dict[str, Any]:
        namespace = self._access.namespace(call.query.get("namespace", ""))
        if namespace:
            self._check(call, namespace, "list")
        rows = [forms.pipeline(known) for known in self._records.pipelines.values() if known.namespace == namespace]
        found, total, token = page(rows, call.query, _FIELDS, "pipeline_id", "Pipeline")
        return {"pipelines": found, "total_size": total, "next_page_token": token}

    @wrapping("Failed to get a pipeline. Check error stack")
    def _get(self, call: Call) -> dict[str, Any]:
        return forms.pipeline(self._allowed(call, "get"))

    @wrapping("Failed to get a pipeline. Check error stack")
    def _get_by_name(self, call: Call) -> dict[str, Any]:
        name, namespace = call.names["name"], self._access.namespace(call.query.get("namespace", ""))
        if namespace:
            self._check(call, namespace, "get", name)
        for known in self._records.pipelines.values():
            if (known.name, known.namespace) == (name, namespace):
                return forms.pipeline(known)
        raise not_found("Namespace/Pipeline", f"{namespace}/{name}")

    @wrapping("Failed to delete pipeline. Check error stack")
    def _delete(self, call: Call) -> dict[str, Any]:
        pipeline = self._allowed(call, "delete")
        versions = list(self._records.versions_of(pipeline))
        if versions and call.query.get("cascade") != "true":
            raise invalid(
                f"Failed to delete pipeline with id {pipeline.id} as it has existing pipeline versions (e.g. {versions[-1].id}). "
                "Set cascade=true to delete all versions"
            )
        for version in versions:
            del self._records.versions[version.id]
        del self._records.pipelines[pipeline.id]
        return {}

    @wrapping("Failed to list pipeline versions")
    def _list_versions(self, call: Call) -> dict[str, Any]:
        rows = [forms.version(known) for known in self._records.versions_of(self._allowed(call, "list"))]
        found, total, token = page(rows, call.query, _VERSION_FIELDS, "pipeline_version_id", "PipelineVersion")
        return {"pipeline_versions": found, "total_size": total, "next_page_token": token}

    @wrapping("Failed to get a pipeline version")
    def _get_version(self, call: Call) -> dict[str, Any]:
        self._allowed(call, "get")
        return forms.version(self.find_version(call.names["version_id"]))

    @wrapping("Failed to delete a pipeline version")
    def _delete_version(self, call: Call) -> dict[str, Any]:
        self._allowed(call, "delete")
        del self._records.versions[self.find_version(call.names["version_id"]).id]
        return {}

    def _allowed(self, call: Call, verb: str) -> Pipeline:
        pipeline = self.find(call.names["pipeline_id"])
        if pipeline.namespace or not self._access.is_multi_user:
            self._check(call, pipeline.namespace, verb, pipeline.name)
        return pipeline

    @wrapping("Failed to authorize the request")
    def _check(self, call: Call, namespace: str, verb: str, name: str = "") -> None:
        self._access.check(call.user, namespace, verb, "pipelines", name)


def _uploaded(call: Call) -> tuple[str, str]:
    """Returns the name and the text of the file in a multipart request.

    Raises:
        KfpError: There is none, or it is none that the server reads.
    """
    head = f"Content-Type: {call.request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + call.request.body)
    parts: list[Message] = message.get_payload() if message.is_multipart() else []  # type: ignore[assignment]
    part = next((part for part in parts if part.get_param("name", header="content-disposition") == "uploadfile"), None)
    if part is None:
        raise invalid("Failed to read pipeline from file")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    if len(content) > _MOST_BYTES:
        raise invalid(f"File size too large ({len(content)} bytes). Maximum supported size: {_MOST_BYTES}.")
    filename = part.get_filename() or ""
    return filename, _text(filename, content)


def _text(filename: str, content: bytes) -> str:
    if filename.endswith((".yaml", ".yml", ".json")):
        return content.decode()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            return archive.read("pipeline.yaml" if "pipeline.yaml" in names else names[0]).decode()
    if content.startswith(b"\x1f\x8b"):
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            assert member
            return member.read().decode()
    raise invalid("Unexpected pipeline file format. Support .zip, .tar.gz, .json or YAML")


def _tags(call: Call) -> dict[str, str]:
    return json.loads(call.query.get("tags") or "{}")


def _plain(text: str) -> Answer:
    return Answer(400, f"{text}\n".encode(), "text/plain; charset=utf-8")


def _refused_upload(error: KfpError, failed: str) -> Answer:
    """Returns what the upload endpoint makes of an error: it passes on only what is invalid."""
    if error.grpc == EXISTS:
        return upload_refusal(409, failed)
    if error.grpc == INVALID:
        return upload_refusal(400, error.external)
    return upload_refusal(500, failed)
