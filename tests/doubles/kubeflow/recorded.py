"""Runs that a real installation has told of, told again (see `tests/recordings/kfp-2.17.0/README.md`)."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..kubernetes.answer import Answer
from .routing import Call, Route

FOLDER = Path(__file__).parents[2] / "recordings" / "kfp-2.17.0"
_TEXT = "text/plain; charset=utf-8"


class Recorded:
    """Answers calls about one recorded run.

    Args:
        name: The recording's.
        folder: Where it lies.
        without_workflow: Whether the v1 API is to have nothing, as in an installation without it.

    Attributes:
        run_id: The run's id.
        asked: The Argo nodes whose logs were asked for.
    """

    def __init__(self, name: str, folder: Path = FOLDER, *, without_workflow: bool = False) -> None:
        told = json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
        self._run, self._version, self._v1 = told["v2"], told.get("version"), {} if without_workflow else told["v1"]
        self._logs = {each["pod"]: (node, each["log"]) for node, each in told["logs"].items()}
        self.run_id: str = self._run["run_id"]
        self.asked: list[str] = []

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        run = f"/runs/{re.escape(self.run_id)}"
        yield Route("GET", run, lambda _: self._run)
        yield Route("GET", run, lambda _: self._v1, "/apis/v1beta1")
        yield Route("GET", f"{run}/nodes/{{node_id}}/log", self._log, "/apis/v1alpha1")
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
        return Answer(200, log.encode(), _TEXT)


def names() -> list[str]:
    """Returns the recordings' names."""
    return sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))
