"""`--runner env`: a task is its command in its family's virtualenv."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console

from ..spec.containers import component_of, family_of, never_cached
from ..spec.pipeline_file import PipelineFile
from .commands import check, localize
from .fork_server import ForkServer
from .fork_servers import CAN_FORK, ForkServers, Planned
from .identity import code_of, measured_here, other_server, packages
from .processes import Process, Processes
from .runner import Job
from .serving import STARTS_SERVERS
from .task_code import module_variables
from .task_environment import make_environments, set_serve_python

# They are never cached, and MLflow takes longer to import than they to ask it.
_ASK_REGISTRY = {"resolve_baseline", "register_model", "push_model"}
_REGISTRY = "penstock.components.release.registry.mlflow"
# Its tasks import next to nothing, or MLflow as above.
_LIGHT = "deploy"
# What a user's training module imports first decides which Keras `tf.keras` is. What other tasks import decides for Keras 2: TFT and TFMA.
_RUN_FN, _RUN_FN_TASKS = "run_fn", {"train_model", "tune_model"}


class EnvRunner:
    """Runs tasks in their families' environments, which are made if need be."""

    def __init__(self, extra_packages: Path | None = None, ahead: bool = True) -> None:
        """Starts nothing yet.

        Args:
            extra_packages: Hashed requirements of packages for users' modules.
            ahead: Whether processes may import what the next tasks import while another task runs.
        """
        self._extra_packages = extra_packages
        self._ahead = ahead
        self._fork_servers = ForkServers([])
        self._pythons: dict[str, Path] = {}
        self._asking: dict[str, ForkServer] = {}

    def prepare(self, pipeline: PipelineFile, root: Path, console: Console) -> None:
        """Makes the environments that are not there yet.

        Raises:
            UserError: An environment cannot be made, or a task needs a container.
        """
        for name, container in pipeline.containers():
            check(name, container.image, [*container.command, *container.args])
        families = {family for _, container in pipeline.containers() if (family := family_of(container.image))}
        self._pythons = make_environments(sorted(families), console, self._extra_packages)
        if STARTS_SERVERS & pipeline.components:
            set_serve_python(console)

    @contextmanager
    def ready(self, pipeline: PipelineFile) -> Iterator[None]:
        """Has the next tasks' libraries imported ahead, and MLflow at once for the tasks that ask the registry."""
        families = {
            family_of(container.image) for _, container in pipeline.containers() if component_of(container.command) in _ASK_REGISTRY
        }
        try:
            for python in {str(self._pythons[family]) for family in families}:
                self._asking[python] = ForkServer(Path(python), [_REGISTRY], module_variables({}))
            self._fork_servers = ForkServers(self._planned(pipeline) if self._ahead and CAN_FORK else [])
            with self._fork_servers.kept():
                yield
        finally:
            while self._asking:
                self._asking.popitem()[1].close()

    def identity(self, image: str, component: str) -> list[str]:
        """Returns the code that a task runs and its environment, which its lock names."""
        if not (family := family_of(image)):
            return packages()
        return [code_of(component, family), str(self._pythons[family]), *measured_here(family), *other_server(family)]

    def run(self, job: Job, processes: Processes, log: Path, on_line: Callable[[str], None]) -> int:
        """Runs a task's process to its end."""
        local = localize(job.image, job.command, self._pythons)
        everything = os.environ | job.variables | {"PYTHONUNBUFFERED": "1"}
        # MLflow reads variables when it is imported: a task that has its own imports it itself.
        asking = None if job.variables or job.component not in _ASK_REGISTRY else self._asking.get(local.command[0])

        def start(command: list[str], variables: dict[str, str], sink: IO[bytes]) -> Process:
            started = (asking or self._fork_servers).start(command, variables, sink)
            if not never_cached(job.command):  # a run that reuses everything else imports nothing ahead
                self._fork_servers.prepare()
            return started

        return processes.run(local.command, module_variables(job.variables) if local.isolated else everything, log, on_line, start)

    def _planned(self, pipeline: PipelineFile) -> Iterator[Planned]:
        """Yields the tasks that are sure to run, and import much."""
        containers = dict(pipeline.containers())
        for task in pipeline.plan():
            if task.looped or task.conditions or task.name not in containers:
                continue
            container = containers[task.name]
            if (family := family_of(container.image)) and family != _LIGHT:
                variables = module_variables({variable.name: variable.value for variable in container.env})
                apart = _RUN_FN if component_of(container.command) in _RUN_FN_TASKS else ""
                yield Planned(task.name, self._pythons[family], container.command[2], variables, apart)
