"""The scratch folder of a team whose workers are on other machines: its job, and what the chief makes, in the bucket of the task's outputs."""

import json
import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from penstock.components.data.filesystems import explaining, fetch_folder, open_store
from penstock.components.protocol import TaskError, redact
from penstock.components.protocol.artifacts import is_in_bucket

from .call import Call

_JOB, _OUTPUT = "job.json", "output.json"


class Bucket:
    """A scratch folder; use it as a context manager, which makes it and removes it.

    Attributes:
        job: The URI of the job, which `remote` takes.

    Args:
        call: What the workers are called with.
        addresses: The `HOST:PORT` of each worker; empty where their `TF_CONFIG` is set for them.

    Raises:
        TaskError: An artifact or the checkpoints are not in a bucket, or the bucket cannot be written.
    """

    def __init__(self, call: Call, addresses: list[str]) -> None:
        for name, artifact in (call.inputs | call.outputs).items():
            if not is_in_bucket(artifact.uri):
                raise TaskError(
                    f"{name} is at {redact(artifact.uri)}, where workers on other machines cannot reach it; use a pipeline root in a bucket, "
                    "or workers_at=local://"
                )
        checkpoints = call.values.get("checkpoint_uri", "")
        if checkpoints and not is_in_bucket(checkpoints):
            raise TaskError(
                f"checkpoint_uri is {redact(checkpoints)}, where workers on other machines cannot reach it; give the URI of a folder in a bucket"
            )
        root = call.outputs["model"].uri.rstrip("/").rpartition("/")[0]
        self._root = f"{root}/.penstock-workers-{os.urandom(6).hex()}"
        self._call, self._addresses = call, addresses
        self.job = f"{self._root}/{_JOB}"

    def __enter__(self) -> "Bucket":
        """Writes the job."""

        def place(name: str, artifact: Any) -> str:
            return artifact.uri if name in self._call.inputs else f"{self._root}/{name}"

        job = {"addresses": self._addresses, "executor_input": self._call.executor_input(place, f"{self._root}/{_OUTPUT}")}
        write(self.job, json.dumps(job).encode())
        return self

    def __exit__(self, *_: object) -> None:
        """Removes what is there; what is left in a bucket is no output."""
        with suppress(Exception):
            files, root = open_store(self._root)
            files.rm(root, recursive=True)

    def outputs(self) -> dict[str, Any]:
        """Brings the chief's outputs to where the task has them; returns its `ExecutorOutput`."""
        given = json.loads(read(f"{self._root}/{_OUTPUT}"))
        for name, output in self._call.outputs.items():
            if exists(uri := f"{self._root}/{name}"):
                fetch(uri, output.path)
        return given


def read(uri: str) -> bytes:
    """Returns a file of a bucket."""
    with _explaining(uri, "read"):
        files, path = open_store(uri)
        return bytes(files.cat_file(path))


def write(uri: str, content: bytes) -> None:
    """Writes a file of a bucket."""
    with _explaining(uri, "written"):
        files, path = open_store(uri)
        files.pipe_file(path, content)


def exists(uri: str) -> bool:
    """Tells whether a file or folder is in a bucket."""
    with _explaining(uri, "read"):
        files, path = open_store(uri)
        return bool(files.exists(path))


def fetch(uri: str, folder: Path) -> None:
    """Copies a folder of a bucket."""
    with _explaining(uri, "read"):
        fetch_folder(uri, folder)


def put(folder: Path, uri: str) -> None:
    """Copies a folder to a bucket."""
    with _explaining(uri, "written"):
        files, root = open_store(uri)
        files.put(f"{folder}/", f"{root}/", recursive=True)


def _explaining(uri: str, done: str) -> AbstractContextManager[None]:
    return explaining(f"{redact(uri)} cannot be {done}", "give the workers and the task access to the bucket")
