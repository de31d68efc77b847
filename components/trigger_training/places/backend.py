"""Kubeflow Pipelines and Vertex AI, through `penstock submit` and `penstock runs list`."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .command import label_options, output_of, written
from .place import StartedRun

# More than anybody starts in the time that a limit looks back.
_LISTED = "1000"


class Backend:
    """A backend.

    Args:
        where: The options that say which, such as `--target kubeflow`.
        how: The options of a run, such as its experiment.
    """

    def __init__(self, where: list[str], how: list[str]) -> None:
        self._where, self._how = where, how

    def runs(self, named: str) -> list[StartedRun]:
        """Lists them."""
        lines = output_of("runs", "list", "--json", "--limit", _LISTED, "--named", named, *self._where).splitlines()
        return [_run(json.loads(line)) for line in lines]

    def start(self, file: Path, parameters: dict[str, Any], name: str, labels: dict[str, str]) -> StartedRun:
        """Submits it once."""
        with written(parameters) as values:
            printed = output_of(
                "submit", str(file), "--params", values, "--name", name, "--once", *label_options(labels), *self._where, *self._how
            )
        submission = dict(line.split(maxsplit=1) for line in printed.splitlines() if " " in line)
        return StartedRun(submission["submitted"], name, "waiting", datetime.now(timezone.utc), submission["page"])


def _run(about: dict[str, str]) -> StartedRun:
    return StartedRun(about["id"], about["name"], about["state"], datetime.fromisoformat(about["created"]), about["url"])
