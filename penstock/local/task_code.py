"""What a task's process imports `penstock` from: this installation's package alone, without the SDK's dependencies.

`python FOLDER MODULE ...` is `python -m MODULE ...` without the working directory on the path: in a checkout of Penstock that
directory has a `penstock` of its own, which lacks the subpackages.
"""

import hashlib
import importlib
import os
from pathlib import Path

import penstock
from penstock.components.protocol.atomic import atomically

from .caches import cache_root

_SUBPACKAGES = ("components", "pipelines", "images", "compiled")
_MAIN = """import runpy, sys
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


# A family's interpreter must not see the packages of whatever environment this process runs in.
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def module_command(python: Path, *arguments: str) -> list[str]:
    """Returns the command that runs a module, and its arguments, in a family's environment."""
    return [str(python), str(code_path()), *arguments]


def module_variables(extra: dict[str, str]) -> dict[str, str]:
    """Returns the environment variables of such a process: this one's and others, and no packages but the family's and Penstock's."""
    inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
    return inherited | extra | {"PYTHONPATH": str(code_path()), "PYTHONUNBUFFERED": "1"}


def code_path() -> Path:
    """Returns the folder, in which `penstock` is made of links to this installation; makes it if need be."""
    links = {path.name: path for path in Path(penstock.__file__).parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    links |= {name: Path(importlib.import_module(f"penstock.{name}").__path__[0]) for name in _SUBPACKAGES}
    links = {name: path for name, path in sorted(links.items()) if name != "__pycache__"}
    digest = hashlib.sha256("\n".join([_MAIN, *map(str, links.values())]).encode()).hexdigest()[:12]
    folder = cache_root() / "code" / digest
    if not folder.exists():
        _link(folder, links)
    return folder


def _link(folder: Path, links: dict[str, Path]) -> None:
    """Makes the folder atomically, even if other processes make it at the same time."""
    try:
        with atomically(folder, concurrent=True) as scratch:
            (scratch / "penstock").mkdir(parents=True)
            for name, target in links.items():
                (scratch / "penstock" / name).symlink_to(target)
            (scratch / "__main__.py").write_text(_MAIN)
    except OSError:
        if not folder.exists():
            raise
