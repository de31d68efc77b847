"""One run, as a Kubeflow Pipelines installation tells of it."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.errors import UserError
from penstock.remote.kubeflow.connection import Connection
from penstock.remote.kubeflow.logs import read_log
from penstock.remote.kubeflow.nodes import unpacked
from penstock.remote.kubeflow.workflow import Pod

from .cleaning import cleaned

_LONGEST_LOG = 60_000
_RUN = {"v2": "/apis/v2beta1/runs/{run_id}", "v1": "/apis/v1beta1/runs/{run_id}"}
_PIPELINE = {
    "pipeline": "/apis/v2beta1/pipelines/{pipeline_id}",
    "version": "/apis/v2beta1/pipelines/{pipeline_id}/versions/{pipeline_version_id}",
}


def record(connection: Connection, run_id: str, file: Path) -> dict[str, Any]:
    """Writes a run to a file, and returns what was written.

    Args:
        connection: The installation.
        run_id: The run.
        file: `NAME.json.gz`.

    Raises:
        UserError: The installation has no such run, or does not answer.
    """
    recording = {name: connection.get_json(path, {"run_id": run_id}) for name, path in _RUN.items()}
    if not recording["v2"]:
        raise UserError(f"{connection.host} has no run {run_id}: penstock runs list shows which there are")
    if reference := recording["v2"].get("pipeline_version_reference"):
        recording |= {name: connection.get_json(path, reference) for name, path in _PIPELINE.items()}
    manifest = json.loads(recording["v1"].get("pipeline_runtime", {}).get("workflow_manifest") or "{}")
    recorded = cleaned(recording | {"logs": dict(_logs(connection, run_id, manifest))})
    if manifest:
        recorded["v1"]["pipeline_runtime"]["workflow_manifest"] = json.dumps(cleaned(manifest))
    file.write_bytes(gzip.compress(json.dumps(recorded).encode(), mtime=0))
    return recorded


def _logs(connection: Connection, run_id: str, manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields, by the node's name, the pods of tasks and the ends of their logs; nothing of pods that are gone."""
    run = connection.call(connection.client.runs.run_service_get_run, run_id)
    for node in unpacked(manifest.get("status", {})).values():
        if node["type"] != "Pod" or node.get("templateName", "").endswith("-driver"):
            continue
        pod = Pod(_pod_name(manifest["metadata"]["name"], node), node["id"])
        try:
            log = "\n".join(read_log(connection, run, pod))
        except UserError:  # the log is gone, or there was none
            continue
        yield node["name"], {"pod": pod.name, "log": log[-_LONGEST_LOG:]}


def _pod_name(workflow: str, node: dict[str, Any]) -> str:
    """Returns a pod's name, as Argo makes it of a node (`v2` of its pod names)."""
    return f"{workflow}-{node['templateName']}-{node['id'].rpartition('-')[2]}"
