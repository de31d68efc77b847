"""The runner of a task: what takes the place of its container on this machine."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from ..spec.pipeline_file import PipelineFile
from .processes import Processes


@dataclass(frozen=True)
class Job:
    """What a task's container would be.

    Attributes:
        component: The Penstock component that it runs; empty for any other.
        image: The container's image.
        command: The container's command, placeholders resolved.
        variables: The container's environment variables.
        executor_input: The task's parameters and artifacts, as `ExecutorInput` in its JSON form.
    """

    component: str
    image: str
    command: list[str]
    variables: dict[str, str]
    executor_input: dict[str, Any]


class Runner(Protocol):
    """A way to run tasks."""

    def prepare(self, pipeline: PipelineFile, root: Path, console: Console) -> None:
        """Makes or fetches what the pipeline's tasks run in.

        Raises:
            UserError: It cannot be had, or a task cannot run this way.
        """

    def ready(self, pipeline: PipelineFile) -> AbstractContextManager[None]:
        """Keeps ready what tasks start from for as long as a run takes."""

    def identity(self, image: str, component: str) -> list[str]:
        """Returns what a task's outputs depend on beside its container's specification and its inputs."""

    def run(self, job: Job, processes: Processes, log: Path, on_line: Callable[[str], None]) -> int:
        """Runs a task to its end.

        Args:
            job: The task.
            processes: What ends with the run.
            log: The file that its stdout and stderr are appended to.
            on_line: Called with each line that it prints.

        Returns:
            Its exit code; the negative signal's number if one ended it.

        Raises:
            UserError: It was ended by what the task cannot know of.
        """
