"""Runs one task by itself, as its container does, and takes its cost apart: imports, own work, what is left."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.local.envs import environment
from penstock.local.task_code import code_path

from . import measure

_TIMED = Path(__file__).with_name("timed_task.py")


@dataclass(frozen=True)
class TaskRun:
    """One run of a task.

    Attributes:
        cost: What its process cost.
        imports: Seconds that it took to import the task and the libraries that it names at the top.
        work: Seconds inside the task's function; what that imports on the way is in here.
        hashing: Seconds that hashing what it reads and writes took, in its own work or beside it.
        outputs: The path of each output artifact.
        metadata: Each output artifact's metadata.
    """

    cost: measure.Cost
    imports: float
    work: float
    hashing: float
    outputs: dict[str, Path]
    metadata: dict[str, dict[str, Any]]

    @property
    def overhead(self) -> float:
        """Seconds for what every task has: the process, the executor input, fingerprints, publishing the outputs."""
        return self.cost.seconds - self.imports - self.work


def run(
    name: str, family: str, folder: Path, parameters: dict[str, Any], inputs: dict[str, "tuple[TaskRun, str]"], outputs: list[str]
) -> TaskRun:
    """Runs a task.

    Args:
        name: The component.
        family: Its family.
        folder: Where its outputs go.
        parameters: Its parameters.
        inputs: Its input artifacts: for each, the run that made it, and the output's name there.
        outputs: Its output artifacts.
    """
    folder = folder.absolute()
    spec = {
        "inputs": {
            "parameterValues": parameters,
            "artifacts": {key: _artifact(key, run.outputs[output], run.metadata[output]) for key, (run, output) in inputs.items()},
        },
        "outputs": {
            "artifacts": {key: _artifact(key, folder / key, {}) for key in outputs},
            "outputFile": str(folder / "executor_output.json"),
        },
    }
    record = folder / "seconds.json"
    command = [environment(family).python, _TIMED, record, name, "--executor_input", json.dumps(spec)]
    cost = measure.run(command, folder / "log.txt", variables={"PYTHONPATH": str(code_path())})
    artifacts = json.loads((folder / "executor_output.json").read_text(encoding="utf-8"))["artifacts"]
    return TaskRun(
        cost,
        **json.loads(record.read_text(encoding="utf-8")),
        outputs={key: folder / key for key in outputs},
        metadata={key: value["artifacts"][0]["metadata"] for key, value in artifacts.items()},
    )


def _artifact(name: str, path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    return {"artifacts": [{"name": name, "uri": str(path), "metadata": metadata}]}
