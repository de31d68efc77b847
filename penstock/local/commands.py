"""What a task's container would run, as a command on this machine."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..kfp_adapter.orchestrator import replace_python_executable
from ..spec.containers import component_of, family_of, is_lightweight
from .task_code import module_command

_REQUIREMENT = re.compile(r"'([^']+)'")
# What KFP itself installs for a lightweight component, and this process has.
_KFP_ITSELF = re.compile(r"^(kfp\b|--|typing-extensions\b)")


def check(name: str, image: str, command: list[str]) -> None:
    """Refuses a container that cannot run without a container engine.

    Raises:
        UserError: It is neither a Penstock component nor a lightweight Python component that needs nothing but KFP.
    """
    if family_of(image) and component_of(command):
        return
    if not is_lightweight(command):
        raise UserError(
            f"task {name} runs in the image {image}, for which `penstock run` has no environment; "
            "use --runner docker, or only Penstock's components and lightweight Python components"
        )
    if extra := _packages(command):
        raise UserError(
            f"task {name} installs {', '.join(extra)}; `penstock run` supports lightweight Python components that need only kfp, "
            "because it does not change its own environment; use --runner docker"
        )


@dataclass(frozen=True)
class Local:
    """A command for this machine.

    Attributes:
        command: The command.
        isolated: Whether it sees the code folder's `penstock` and nothing else of this process's Python path.
    """

    command: list[str]
    isolated: bool


def localize(image: str, command: list[str], pythons: dict[str, Path]) -> Local:
    """Returns the command that does here what a container's command does there.

    Args:
        image: The container's image.
        command: The container's command, with its placeholders resolved.
        pythons: The interpreter of each family.
    """
    if family := family_of(image):
        return Local(module_command(pythons[family], *command[2:]), isolated=True)
    return Local(replace_python_executable(_without_install(command), sys.executable), isolated=False)


def _packages(command: list[str]) -> list[str]:
    return [name for name in _REQUIREMENT.findall(command[2]) if not _KFP_ITSELF.match(name)] if _installs(command) else []


def _installs(command: list[str]) -> bool:
    return command[:2] == ["sh", "-c"] and "pip install" in command[2]


def _without_install(command: list[str]) -> list[str]:
    return command[3:] if _installs(command) else command
