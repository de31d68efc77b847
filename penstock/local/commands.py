"""What a task's container would run, as a command on this machine."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kfp.dsl import component_factory
from kfp.local import subprocess_task_handler

import penstock.components as library
from penstock.components.container import NeverCached

from ..errors import UserError
from .envs import FAMILIES
from .task_code import module_command

_IMAGE = re.compile(r"(?:^|/)penstock-(?P<family>[a-z-]+)(?:[:@].*)?$")
_MODULE = "penstock.components."
# However a command comes to run a component: as a module, as a file, or within a shell's text.
_NAMED = re.compile(r"\bpenstock[./]components[./](\w+)")
_REQUIREMENT = re.compile(r"'([^']+)'")
# What KFP itself installs for a lightweight component, and this process has.
_KFP_ITSELF = re.compile(r"^(kfp\b|--|typing-extensions\b)")


def family_of(image: str) -> str:
    """Returns the family of a Penstock image; empty for any other image."""
    match = _IMAGE.search(image)
    return match["family"] if match and match["family"] in FAMILIES else ""


def without_gpu(image: str, others: Iterable[str]) -> str:
    """Returns the image for a task that gets no GPU: `tf` for `tf-gpu`, of which most is NVIDIA's libraries.

    Args:
        image: The task's image.
        others: The pipeline's images. Of an image that is named by digest, they alone say which one takes its place.
    """
    if family_of(image) != "tf-gpu":
        return image
    smaller = "penstock-tf".join(image.rsplit("penstock-tf-gpu", 1))
    name, digest, _ = smaller.partition("@")
    return next((other for other in others if other.startswith(f"{name}@")), image) if digest else smaller


def component_of(command: list[str]) -> str:
    """Returns the Penstock component that a command runs; empty for any other command."""
    module = command[2] if command[:2] == ["python", "-m"] and len(command) > 2 else ""
    return module.removeprefix(_MODULE) if module.startswith(_MODULE) else ""


def components_in(command: Iterable[str]) -> set[str]:
    """Returns the Penstock components that a command names, in whatever way it runs them."""
    return {name for part in command for name in _NAMED.findall(part)} & {*library.__all__}


def never_cached(command: Iterable[str]) -> str:
    """Returns the component that a command names and whose outputs no cache may keep; empty where there is none."""
    return next((name for name in sorted(components_in(command)) if isinstance(getattr(library, name), NeverCached)), "")


def is_lightweight(command: list[str]) -> bool:
    """Returns whether a command is that of a lightweight Python component."""
    return command[:1] == ["sh"] and any(component_factory.EXECUTOR_MODULE in part for part in command)


def check(name: str, image: str, command: list[str]) -> None:
    """Refuses a container that cannot run without a container engine.

    Raises:
        UserError: It is neither a Penstock component nor a lightweight Python component that needs nothing but KFP.
    """
    if family_of(image) and component_of(command):
        return
    if not is_lightweight(command):
        raise UserError(
            f"task {name} runs in the image {image}, which `penstock run` has no environment for; "
            "it runs Penstock's components and lightweight Python components"
        )
    if extra := _packages(command):
        raise UserError(
            f"task {name} installs {', '.join(extra)}; `penstock run` runs lightweight Python components that need nothing but kfp, "
            "since it must not change its own environment"
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
    return Local(subprocess_task_handler.replace_python_executable(_without_install(command), sys.executable), isolated=False)


def _packages(command: list[str]) -> list[str]:
    return [name for name in _REQUIREMENT.findall(command[2]) if not _KFP_ITSELF.match(name)] if _installs(command) else []


def _installs(command: list[str]) -> bool:
    return command[:2] == ["sh", "-c"] and "pip install" in command[2]


def _without_install(command: list[str]) -> list[str]:
    return command[3:] if _installs(command) else command
