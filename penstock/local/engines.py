"""The container engine of this machine: Docker or Podman, through the command line that they share."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass

from penstock.components.protocol.printed import reason_in

from ..errors import UserError

CHOICE = "PENSTOCK_CONTAINER_ENGINE"
_KNOWN = ("docker", "podman")
_INFO = {"docker": "{{.SecurityOptions}}", "podman": "rootless={{.Host.Security.Rootless}}"}
_ROOTLESS = ("name=rootless", "rootless=true")


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Attributes:
        command: Its command.
        is_podman: Whether that is Podman's, by whatever name.
        rootless: Whether it runs as this user, so that a container's root is this user outside.
    """

    command: str
    is_podman: bool
    rootless: bool

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the engine to its end, even if this process is interrupted."""
        return subprocess.run([self.command, *arguments], capture_output=True, text=True, check=False, start_new_session=True)

    def image_id(self, image: str) -> str:
        """Returns the identifier of an image's content; empty if the image is not here."""
        return self.ask("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()

    def as_this_user(self) -> list[str]:
        """Returns the options under which what a container writes belongs to this user."""
        if self.rootless and not self.is_podman:
            return ["--user", "0:0"]  # Docker maps only root to this user
        user = ["--user", f"{os.getuid()}:{os.getgid()}"]
        return ["--userns", "keep-id", *user] if self.rootless else user

    def with_gpus(self) -> list[str]:
        """Returns the options that hand every NVIDIA device to a container; Podman's needs the driver's CDI file."""
        return ["--device", "nvidia.com/gpu=all"] if self.is_podman else ["--gpus", "all"]


@functools.cache
def find_engine() -> Engine:
    """Finds the container engine: the one that `PENSTOCK_CONTAINER_ENGINE` names, else Docker, else Podman; the first that answers.

    Raises:
        UserError: None does.
    """
    chosen = os.environ.get(CHOICE)
    failures = []
    for command in [chosen] if chosen else _KNOWN:
        if not shutil.which(command):
            failures.append(f"{command}: not found")
            continue
        is_podman = "podman" in _output_of(command, "--version").lower()
        done = subprocess.run(
            [command, "info", "--format", _INFO["podman" if is_podman else "docker"]], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return Engine(command, is_podman, any(word in done.stdout for word in _ROOTLESS))
        failures.append(f"{command}: {reason_in(done.stderr, 'no answer')}")
    raise UserError(f"no container engine answers ({'; '.join(failures)}); install Podman or start Docker, or set {CHOICE} to the command")


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
