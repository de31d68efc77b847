"""What a task's outputs depend on besides its inputs: its code, and the machine if the task measures it."""

import functools
import hashlib
import importlib
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import penstock
from penstock.components.protocol.fingerprint import file_sha256

_NO_CODE = {".pyc", ".md"}
# What all tasks share.
_SHARED = ("protocol", "data", "evidence", "release")
# Its images and environments have the model server, which gives the answers that are checked there.
_SERVING = "serve"
_OTHER_SERVER = "tensorflow_model_server"


@functools.cache
def code_of(component: str, family: str) -> str:
    """Hashes a component's own code, what all share, and the model server's where the family has it."""
    package, components = Path(penstock.__file__).parent, Path(importlib.import_module("penstock.components").__path__[0])
    folders = [components / name for name in (component.partition(".")[0], *_SHARED)] + [package / "server"] * (family == _SERVING)
    files = [Path(penstock.__file__), *components.glob("*.py"), *(file for folder in folders for file in _files(folder))]
    named = sorted((os.path.relpath(file, components), file_sha256(file)) for file in files)
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in named).encode()).hexdigest()


@functools.cache
def packages() -> list[str]:
    """Returns this interpreter's version and its packages, with theirs: what a lightweight component runs in."""
    return [sys.version, *sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))]


def measured_here(family: str) -> list[str]:
    """Returns the machine, for a family whose tasks measure how fast it answers; nothing for any other."""
    return [platform.node(), str(os.cpu_count())] if family == _SERVING else []


def other_server(family: str) -> list[str]:
    """Returns TensorFlow Serving, if it is on the path, for the family whose tasks then check it too."""
    found = shutil.which(_OTHER_SERVER) if family == _SERVING else None
    return [found, str(Path(found).stat().st_mtime_ns), str(Path(found).stat().st_size)] if found else []


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and file.suffix not in _NO_CODE)
