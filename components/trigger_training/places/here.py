"""This machine: a training is a `penstock run` that goes on when the task has ended."""

import json
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.components.data.local_runs import LocalRun, local_runs
from penstock.components.protocol import TaskError

from .command import is_on_the_machine, label_options, penstock, reason, variables
from .place import StartedRun

# Importing kfp takes seconds, on a busy machine many; making an environment takes minutes, and the run begins after that.
_SECONDS = 900.0
_POLL_SECONDS = 0.1


class Here:
    """The runs below a folder.

    Args:
        root: The folder, `--root` of `penstock run`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def runs(self, named: str) -> list[StartedRun]:
        """Lists them."""
        return [self._seen(run) for run in local_runs(self._root) if named in run.name]

    def start(self, file: Path, parameters: dict[str, Any], name: str, labels: dict[str, str]) -> StartedRun:
        """Starts it, and waits until it has begun; a run that cannot begin says why."""
        if not is_on_the_machine():
            raise TaskError("runs_at is local://, and this task is in a container, which starts no run outside; use --runner env")
        self._root.mkdir(parents=True, exist_ok=True)
        kept = self._root / f"{name}.yaml"
        kept.write_bytes(file.read_bytes())
        values = self._root / f"{name}.json"
        _write_privately(values, parameters)
        command = penstock("run", str(kept), "--params", str(values), "--root", str(self._root), "--name", name, *label_options(labels))
        log = self._root / f"{name}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                command, env=variables(), stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            code = process.poll()  # first: what has ended has written what it will
            if found := self._named(name):
                return found
            if code is not None:
                raise TaskError(reason(log.read_text(encoding="utf-8", errors="replace")) or f"the run has not begun; see {log}")
            time.sleep(_POLL_SECONDS)
        raise TaskError(f"the run {name} has not begun in {_SECONDS:g} seconds; see {log}")

    def _named(self, name: str) -> StartedRun | None:
        return next((run for run in self.runs(name) if run.name == name), None)

    def _seen(self, run: LocalRun) -> StartedRun:
        return StartedRun(run.name, run.name, run.state, datetime.fromisoformat(run.created), str(self._root / run.name))


def _write_privately(file: Path, parameters: dict[str, Any]) -> None:
    file.touch(mode=0o600)
    file.write_text(json.dumps(parameters), encoding="utf-8")
