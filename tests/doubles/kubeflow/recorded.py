"""Runs recorded on a real installation, played back (see `tests/recordings/kfp-2.17.0/README.md`)."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..kubernetes.answer import Answer
from . import archive
from .retries_removed import without_retries
from .routing import Call, Route

FOLDER = Path(__file__).parents[2] / "recordings" / "kfp-2.17.0"
_TEXT = "text/plain; charset=utf-8"


class Recorded:
    """Answers calls about one recorded run.

    Args:
        name: The recording's.
        folder: Where it lies.
        without_workflow: Whether the v1 API is to have nothing, as in an installation without it.
        is_collected: Whether the workflow and its pods are deleted, as they are an hour after the end.
        archives_logs: Whether Argo has archived their logs.
        has_retries: Whether the templates are retried, as an installation of Kubeflow 2.17 has them by default.

    Attributes:
        run_id: The run's id.
        asked: The Argo nodes whose logs were asked for.
    """

    def __init__(
        self,
        name: str,
        folder: Path = FOLDER,
        *,
        without_workflow: bool = False,
        is_collected: bool = False,
        archives_logs: bool = True,
        has_retries: bool = True,
    ) -> None:
        self._is_collected, self._archives_logs = is_collected, archives_logs
        recording = json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
        self._run, self._version, self._v1 = recording["v2"], recording.get("version"), {} if without_workflow else recording["v1"]
        self._logs = {each["pod"]: (node, each["log"]) for node, each in recording["logs"].items()}
        if not has_retries:
            runtime = self._v1["pipeline_runtime"]
            runtime["workflow_manifest"] = json.dumps(without_retries(json.loads(runtime["workflow_manifest"])))
        self.run_id: str = self._run["run_id"]
        self.asked: list[str] = []

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        run = f"/runs/{re.escape(self.run_id)}"
        yield Route("GET", run, lambda _: self._run)
        yield Route("GET", run, lambda _: self._v1, "/apis/v1beta1")
        yield Route("GET", f"{run}/nodes/{{node_id}}/log", self._log, "/apis/v1alpha1")
        yield Route("GET", f"{run}/nodes/{{node_id}}/artifacts/main-logs:read", self._artifact)
        if self._version:
            place = f"/pipelines/{self._version['pipeline_id']}/versions/{self._version['pipeline_version_id']}"
            yield Route("GET", place, lambda _: self._version or {})

    def _log(self, call: Call) -> Answer:
        pod = call.names["node_id"]
        if pod not in self._logs:
            problem: dict[str, Any] = {"error_message": f'Failed to read logs from archive {pod}: pods "{pod}" not found'}
            return Answer(200, problem, _TEXT)
        node, log = self._logs[pod]
        self.asked.append(node)
        if self._is_collected:
            return archive.log(self._archived(log), pod, self.run_id)
        return Answer(200, log.encode(), _TEXT)

    def _artifact(self, call: Call) -> Answer:
        """Answers about the archived log of a node, by its id: what a pod's name ends with."""
        number = call.names["node_id"].rpartition("-")[2]
        log = next((log for pod, (_, log) in self._logs.items() if pod.endswith(f"-{number}")), None)
        return archive.artifact(None if log is None else self._archived(log))

    def _archived(self, log: str) -> bytes | None:
        return log.encode() if self._archives_logs else None


def names() -> list[str]:
    """Returns the recordings' names."""
    return sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))
