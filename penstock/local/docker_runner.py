"""`--runner docker`: a task is its command in its image, in Docker or Podman.

kfp.local's own DockerRunner takes a container that failed for one that did not (kubeflow/pipelines#13332): it has the engine remove the
container as it ends, and reads "not found" as success. Here the container stays until its exit code has been read.
"""

import getpass
import os
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console

from penstock.components.images import image as released_image
from penstock.components.protocol.printed import reason_in

from ..errors import UserError
from ..spec.containers import family_of, without_gpu
from ..spec.pipeline_file import PipelineFile
from .engines import Engine, find_engine
from .envs import has_gpu
from .identity import measured_here
from .mounts import mounts, served_folder, working_directory
from .processes import Processes
from .runner import Job
from .serving import STARTS_SERVERS, ensure_server

# What a task may need to know of this machine: where to track, whom to be, which way to go.
_PASSED = re.compile(
    r"(MLFLOW|AWS|GOOGLE|CLOUDSDK|TF_CPP|TF_ENABLE|TF_GPU)_\w+|PENSTOCK_GIT_COMMIT|PENSTOCK_LOG_LEVEL|KUBECONFIG|STORAGE_EMULATOR_HOST|CUDA_VISIBLE_DEVICES|PYTHONWARNINGS"
    r"|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|(?i:(http|https|no|all)_proxy)"
)
_ENGINE_FAILED = 125
_SIGNALED = 128
_SCRATCH = "/tmp"  # noqa: S108 - the container's own


class DockerRunner:
    """Runs tasks in their images, each file under the path that it has outside, and as the user who runs this."""

    def __init__(self) -> None:
        self._engine: Engine = find_engine()
        self._gpu = has_gpu()
        self._root = Path()
        self._serve_image = ""
        self._named: list[str] = []
        self._identifiers: dict[str, str] = {}

    def prepare(self, pipeline: PipelineFile, root: Path, console: Console) -> None:
        """Pulls the images that are not there yet.

        Raises:
            UserError: An image cannot be had, or a task does not follow KFP's protocol for Python.
        """
        working_directory()
        self._root = root
        self._named = sorted({container.image for _, container in pipeline.containers()})
        images = {self._image(container.image) for _, container in pipeline.containers()}
        for name, container in pipeline.containers():
            if "--executor_input" not in [*container.command, *container.args]:
                raise UserError(f"task {name} does not take --executor_input, which `penstock run` needs to find its outputs")
        if STARTS_SERVERS & pipeline.components:
            self._serve_image = next((image for image in images if family_of(image) == "serve"), released_image("serve"))
            images.add(self._serve_image)
        for image in sorted(images):
            self._identifiers[image] = self._engine.image_id(image) or self._pull(image, console)

    def ready(self, pipeline: PipelineFile) -> AbstractContextManager[None]:
        """Keeps nothing: an image is ready."""
        return nullcontext()

    def identity(self, image: str, component: str) -> list[str]:
        """Returns the image's content: its code, its packages and its model server are in it."""
        return [self._identifiers[self._image(image)], *measured_here(family_of(image))]

    def run(self, job: Job, processes: Processes, log: Path, on_line: Callable[[str], None]) -> int:
        """Runs a task's container to its end, and removes it."""
        name = f"penstock-{uuid.uuid4().hex}"
        image = self._image(job.image)
        options = [*self._options(image), *self._task_options(job)]
        if job.component in STARTS_SERVERS:
            options += self._beside_server(job)
        entry, *arguments = job.command
        command = ["run", "--name", name, "--log-driver", "none", *options, "--entrypoint", entry, self._identifiers[image], *arguments]
        try:
            code = processes.run([self._engine.command, *command], dict(os.environ), log, on_line)
            return code if code < 0 else self._exit_code(name, code)
        finally:
            self._engine.ask("rm", "--force", "--volumes", name)

    def _image(self, reference: str) -> str:
        """Returns the image to run."""
        return reference if self._gpu else without_gpu(reference, self._named)

    def _pull(self, image: str, console: Console) -> str:
        """Pulls an image; returns its identifier."""
        console.print(f"pulling {image}", highlight=False, soft_wrap=True)
        pulled = self._engine.ask("pull", image)
        if identifier := self._engine.image_id(image):
            return identifier
        reason = reason_in(pulled.stderr, "the registry does not have it")
        family = family_of(image)
        hint = f"; build it: `penstock images build --family {family}`" if family else ""
        raise UserError(f"the image {image} is not on this machine and cannot be pulled ({reason}){hint}")

    def _options(self, image: str) -> list[str]:
        """Returns the engine's options that every container of an image gets."""
        variables = {"HOME": _SCRATCH, "LOGNAME": getpass.getuser(), "PYTHONUNBUFFERED": "1"}
        options = ["--pull", "never", "--network", "host", "--security-opt", "label=disable", *self._engine.as_this_user()]
        options += [item for key, value in variables.items() for item in ("--env", f"{key}={value}")]
        if family := family_of(image):  # any other image may have to install packages
            options += ["--read-only", "--tmpfs", f"{_SCRATCH}:rw,exec,mode=1777"]
        return options + self._engine.with_gpus() if family == "tf-gpu" and self._gpu else options

    def _task_options(self, job: Job) -> list[str]:
        """Returns the options that show a task its files, and tell it its variables."""
        passed = {key: value for key, value in os.environ.items() if _PASSED.fullmatch(key) and key not in job.variables}
        options = ["--workdir", str(working_directory())]
        options += [item for key, value in job.variables.items() for item in ("--env", f"{key}={value}")]
        options += [item for key in passed for item in ("--env", key)]  # by name: the command line is no place for a secret
        return options + [item for mount in mounts(self._root, job.executor_input, job.variables | passed) for item in mount.options]

    def _beside_server(self, job: Job) -> list[str]:
        """Starts the model server that a task needs; returns the options under which the task sees its process."""
        parameters = (job.executor_input.get("inputs") or {}).get("parameterValues") or {}
        if (folder := served_folder(str(parameters.get("destination", "")))) is None:
            return []
        folder.mkdir(parents=True, exist_ok=True)
        ensure_server(self._engine, self._identifiers[self._serve_image], folder, parameters, self._options(self._serve_image))
        return ["--pid", "host"]

    def _exit_code(self, name: str, reported: int) -> int:
        """Reads how a container ended; the engine's own exit code tells only where no container was made.

        Raises:
            UserError: It has not ended, or the machine has ended it.
        """
        state = self._engine.ask("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}", name).stdout.split()
        if len(state) != 3:
            return reported or _ENGINE_FAILED
        status, code, killed_for_memory = state[0], int(state[1]), state[2] == "true"
        if status != "exited":
            raise UserError(f"its container has the status {status} instead of exited; check the container engine")
        if killed_for_memory:
            raise UserError("the machine has too little memory for the task")
        return _SIGNALED - code if code > _SIGNALED else code
