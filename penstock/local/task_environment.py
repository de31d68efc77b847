"""The environment of a task on this machine: its family's virtual environment and its variables."""

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from penstock.components.protocol.logs import is_verbose

from .envs import environment

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore::FutureWarning"}
_SAME_BYTES = {"TF_ENABLE_ONEDNN_OPTS": "0"}
_RUN_MODULES = {"tf", "tf-gpu"}


def make_environments(families: list[str], console: Console, extra: Path | None = None) -> dict[str, Path]:
    """Makes the environments that are not there yet.

    Args:
        families: Whose.
        console: Where to say so.
        extra: Hashed requirements of packages for users' modules, which get environments of their own with these.

    Returns:
        The interpreter of each family.
    """
    found = {family: environment(family, extra if family in _RUN_MODULES else None) for family in families}
    for item in found.values():
        with console.status(f"{item.family}: making its environment") if console.is_terminal and not item.ready else ExitStack():
            item.make(
                lambda env: console.print(
                    f"making the {env.family} environment (Python {env.version}) in {env.path}", highlight=False, soft_wrap=True
                )
            )
    return {family: item.python for family, item in found.items()}


def set_serve_python(console: Console) -> None:
    """Tells the tasks which interpreter runs the model server, unless that is set; makes its environment if need be."""
    os.environ.setdefault("PENSTOCK_SERVE_PYTHON", str(make_environments(["serve"], console)["serve"]))


def set_variables(root: Path) -> None:
    """Tells the tasks where to track, how to run `penstock`, which commit this is, and, unless the user wants to see everything, to log less."""
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    os.environ.setdefault("PENSTOCK_COMMAND", shlex.join([sys.executable, "-m", "penstock.cli"]))
    for name, value in (_SAME_BYTES | ({} if is_verbose() else _QUIET)).items():
        os.environ.setdefault(name, value)
    git = shutil.which("git")
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False) if git else None
    if commit and commit.returncode == 0:
        os.environ.setdefault("PENSTOCK_GIT_COMMIT", commit.stdout.strip())
