"""`--runner env`: a task is its command in its family's virtualenv."""

import functools
import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from ..code import module_variables
from ..components.runtime.fingerprint import file_sha256
from ..pipeline_file import PipelineFile
from ..surroundings import make_environments, set_serve_python
from .commands import check, family_of, localize
from .processes import Processes
from .runner import Job
from .serving import STARTS_SERVERS

_CODE = {".py", ".j2"}


class EnvRunner:
    """Runs tasks in their families' environments, which are made if need be."""

    def __init__(self) -> None:
        self._pythons: dict[str, Path] = {}

    def prepare(self, pipeline: PipelineFile, root: Path, console: Console) -> None:
        """Makes the environments that are not there yet.

        Raises:
            UserError: An environment cannot be made, or a task needs a container.
        """
        for name, container in pipeline.containers():
            check(name, container.image, [*container.command, *container.args])
        families = {family for _, container in pipeline.containers() if (family := family_of(container.image))}
        self._pythons = make_environments(sorted(families), console)
        if STARTS_SERVERS & pipeline.components:
            set_serve_python(console)

    def identity(self, image: str, component: str) -> list[str]:
        """Returns the component's code and its environment, which its lock names."""
        return [_code_fingerprint(component), str(self._pythons[family_of(image)])] if component else []

    def run(self, job: Job, processes: Processes, log: Path, on_line: Callable[[str], None]) -> int:
        """Runs a task's process to its end."""
        local = localize(job.image, job.command, self._pythons)
        everything = os.environ | job.variables | {"PYTHONUNBUFFERED": "1"}
        return processes.run(local.command, module_variables(job.variables) if local.isolated else everything, log, on_line)


@functools.cache
def _code_fingerprint(component: str) -> str:
    """Hashes a component's own code and what all share."""
    folder = Path(importlib.import_module("penstock.components").__path__[0])
    files = sorted(file for name in (component, "runtime") for file in (folder / name).rglob("*") if file.suffix in _CODE)
    return hashlib.sha256("".join(f"{file.relative_to(folder)} {file_sha256(file)}\n" for file in files).encode()).hexdigest()
