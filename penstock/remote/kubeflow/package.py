"""Uploads to Kubeflow's list of pipelines. The same content is always the same version."""

import copy
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ...errors import UserError
from ...spec.all_tasks import tasks_of
from ..target import Submission
from .connection import Connection
from .pod_labels import with_labels

_VERSION_CHARACTERS = 16


class _Dumper(yaml.SafeDumper):
    """Quotes every string: what is a string in YAML 1.1, such as `1e3`, may be a number to the server, which reads YAML 1.2."""


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def documents(submission: Submission) -> list[dict[str, Any]]:
    """Returns the documents to upload: the PipelineSpec, and the PlatformSpec, with the labels of the pods."""
    spec = copy.deepcopy(submission.spec)
    if submission.caching is False:
        for _, task in tasks_of(spec):
            task["cachingOptions"] = {"enableCache": False}
    return [spec, *filter(None, [with_labels(submission.platform, spec, submission.pipeline.name)])]


def version_name(content: list[dict[str, Any]]) -> str:
    """Returns the version's name: the start of its content's SHA-256, whatever the order of keys and the layout of the file."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"sha256-{digest[:_VERSION_CHARACTERS]}"


def put(connection: Connection, name: str, content: list[dict[str, Any]]) -> tuple[Any, bool]:
    """Makes sure that a pipeline has a version with a given content; another client may be doing the same.

    Returns:
        The version (V2beta1PipelineVersion), and whether it is new.
    """
    pipeline_id = _pipeline(connection, name)
    return unless_there(
        lambda: _find_version(connection, pipeline_id, version_name(content)),
        lambda: _upload(connection, pipeline_id, content),
    )


def _pipeline(connection: Connection, name: str) -> str:
    """Returns the id of the pipeline in the list that has a name; creates it if it does not exist."""
    from kfp_server_api import V2beta1Pipeline

    body = V2beta1Pipeline(display_name=name, namespace=connection.namespace or None)
    pipeline, _ = unless_there(
        lambda: connection.named(
            connection.client.pipelines.pipeline_service_list_pipelines, "pipelines", name, namespace=connection.namespace
        ),
        lambda: connection.call(connection.client.pipelines.pipeline_service_create_pipeline, body),
    )
    return pipeline.pipeline_id


def unless_there(find: Callable[[], Any], make: Callable[[], Any]) -> tuple[Any, bool]:
    """Makes what is not there. Where that fails, another client may have made it since (servers answer 409, older ones 500)."""
    if found := find():
        return found, False
    try:
        return make(), True
    except UserError:
        if found := find():
            return found, False
        raise


def _find_version(connection: Connection, pipeline_id: str, version: str) -> Any | None:
    listing = connection.client.pipelines.pipeline_service_list_pipeline_versions
    return connection.named(listing, "pipeline_versions", version, pipeline_id=pipeline_id)


def _upload(connection: Connection, pipeline_id: str, content: list[dict[str, Any]]) -> Any:
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(text(content), encoding="utf-8")
        upload = connection.client.pipeline_uploads.upload_pipeline_version
        return connection.call(upload, str(file), name=version_name(content), pipelineid=pipeline_id)


def text(content: list[dict[str, Any]]) -> str:
    """Returns the file to upload."""
    return yaml.dump_all(content, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=1 << 20)
