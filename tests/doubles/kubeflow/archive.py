"""What stays of a pod's log once the pod is deleted with its workflow, an hour after the run's end.

Argo has uploaded it by then (`archiveLogs: true` in the manifests' workflow-controller-configmap) as the artifact `main-logs` of the
workflow's node, which stands in the run's record as long as that does. Source of how the API server tells of it: kubeflow/pipelines,
backend/src/apiserver/archive/log.go, resource/resource_manager.go and server/run_artifact_server.go.
"""

import base64
import json
import re
from typing import Any

from ..kubernetes.answer import Answer
from .errors import bad_request

_TEXT = "text/plain; charset=utf-8"
_MOST_BYTES = 1 << 20
_CRIO = re.compile(rb"^(.+)\s(stdout|stderr)\s\w\s(.+)$")
_KUBERNETES = re.compile(rb"^(\d{4}-\d{2}-\d{2}T\S+)\s(.+)$")


def log(archived: bytes | None, pod: str, run_id: str) -> Answer:
    """Answers about the log of a pod that is gone."""
    if archived is None:
        return no_log(f"{pod} due to error fetching the log file: The specified key does not exist.", run_id)
    text = b""
    for line in archived.splitlines():
        if len(line) > _MOST_BYTES:
            return Answer(200, text + no_log(f"{pod}: error in scanning the log lines", run_id).content, _TEXT)
        text += _entry(line) + b"\n" if line else b""
    return Answer(200, text, _TEXT)


def no_log(problem: str, run_id: str) -> Answer:
    """Says that a log cannot be read, below a status of 200, which has been sent by then."""
    cause = f"InternalServerError: Failed to read logs from archive {problem}"
    text = bad_request(cause, f"Failed to read logs for run {run_id}").message
    return Answer(200, json.dumps({"error_message": text, "error_details": text}).encode(), _TEXT)


def artifact(archived: bytes | None) -> Answer:
    """Answers about the artifact `main-logs` of a node."""
    if archived is None:
        text = "artifact not found: <nil>"
        return Answer(404, {"error_message": text, "error_details": text})
    return Answer(200, b'{"data":"' + base64.b64encode(archived) + b'"}')


def _entry(line: bytes) -> bytes:
    """Returns a line as the server returns it: it takes JSON for a log driver's, and a line with a time for a container runtime's."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        entry = 0
    if entry is None or isinstance(entry, dict):
        return str((entry or {}).get("log", "")).encode()
    for shape in (_CRIO, _KUBERNETES):
        if found := shape.match(line):
            return found[len(found.groups())]
    return line
