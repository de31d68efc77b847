"""train_model with workers on other machines: its executor input, its process, and what it leaves in the bucket."""

import json
import subprocess
from pathlib import Path
from typing import Any

from penstock.components.data.filesystems import open_store

from ..conftest import component_process, executor_input

NAME = "train_model"
PACKAGE = f"penstock.components.{NAME}"


def spec_in_bucket(root: str, folder: Path, parameters: dict[str, Any], inputs: dict[str, Any], *, upload: bool = True) -> dict[str, Any]:
    """Returns an executor input whose artifacts are in a bucket, as a backend's launcher has them here, too.

    Args:
        root: The URI of the artifacts' folder.
        folder: Where they are here.
        parameters: The values of the parameters.
        inputs: As for `executor_input`.
        upload: Whether the inputs are in the bucket.
    """
    made = executor_input(NAME, folder, parameters, inputs)
    files, path = open_store(root)
    for kind in ("inputs", "outputs"):
        for name, entry in made[kind]["artifacts"].items():
            (artifact,) = entry["artifacts"]
            artifact |= {"customPath": artifact["uri"], "uri": f"{root}/{name}"}
            if kind == "inputs" and upload:
                files.put(f"{artifact['customPath']}/", f"{path}/{name}/", recursive=True)
    return made


def run(spec: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs the task in a process."""
    return subprocess.run(**component_process(PACKAGE, json.dumps(spec)), capture_output=True, text=True, check=False)


def left(spec: dict[str, Any]) -> list[str]:
    """Returns what a run has left in the bucket besides its inputs."""
    files, root = open_store(spec["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"].rpartition("/")[0])
    files.invalidate_cache()
    return [name for name in files.find(root) if name[len(root) + 1 :].partition("/")[0] not in spec["inputs"]["artifacts"]]
