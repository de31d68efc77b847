"""Identifies a task's container: its family, and the component that its command runs."""

import re
from collections.abc import Iterable

import penstock.components as library
from penstock.components.container import NeverCached
from penstock.components.images import FAMILIES

from ..kfp_adapter.dsl import EXECUTOR_MODULE

_IMAGE = re.compile(r"(?:^|/)penstock-(?P<family>[a-z-]+)(?:[:@].*)?$")


_MODULE = "penstock.components."


# However a command comes to run a component: as a module, as a file, or within a shell's text.
_NAMED = re.compile(r"\bpenstock[./]components[./](\w+)")


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
    """Returns the component that a command runs if its outputs must not be cached; else an empty text."""
    return next((name for name in sorted(components_in(command)) if isinstance(getattr(library, name), NeverCached)), "")


def is_lightweight(command: list[str]) -> bool:
    """Returns whether a command is that of a lightweight Python component."""
    return command[:1] == ["sh"] and any(EXECUTOR_MODULE in part for part in command)
