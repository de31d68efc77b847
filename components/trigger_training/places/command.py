"""The `penstock` command, which knows how to submit: it is run as a process, for tasks do not import kfp."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError, redact

# `penstock run` says here what its own command is; the family's image has the SDK too.
_COMMAND = "PENSTOCK_COMMAND"
_SECONDS = 600.0
# What leads a family's interpreter to Penstock, and would hide that of the SDK's own.
_FAMILYS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def penstock(*words: str) -> list[str]:
    """Returns the command line."""
    own = shlex.split(os.environ.get(_COMMAND, ""))
    return [*(own or [sys.executable, "-m", "penstock.cli"]), *words]


def is_on_the_machine() -> bool:
    """Tells whether the task was started by `penstock run` in an environment, not in a container."""
    return bool(os.environ.get(_COMMAND))


def variables() -> dict[str, str]:
    """Returns the variables of its process."""
    hidden = _FAMILYS if is_on_the_machine() else ()
    return {name: value for name, value in os.environ.items() if name not in hidden}


def output_of(*words: str) -> str:
    """Runs the command to its end, and returns its output.

    Raises:
        TaskError: It failed, for the reason that it gives.
    """
    try:
        done = subprocess.run(
            penstock(*words), env=variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TaskError(f"`penstock {words[0]}` has not answered for {_SECONDS:g} seconds; see whether the backend answers") from error
    if done.returncode:
        raise TaskError(reason(done.stderr) or f"`penstock {words[0]}` ended with the exit code {done.returncode}")
    return done.stdout


def reason(printed: str) -> str:
    """Returns why the command failed, from what it printed; empty where it does not say."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.lower().startswith("error: ")), lines[-1] if lines else "")
    return redact(last.partition(": ")[2] if last.lower().startswith("error: ") else last)


def label_options(labels: dict[str, str]) -> list[str]:
    """Returns the options that give a run its labels."""
    return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]


@contextmanager
def written(parameters: dict[str, Any]) -> Iterator[str]:
    """Gives the path of a file of parameters that only this user can read."""
    with tempfile.TemporaryDirectory(prefix="penstock-parameters-") as folder:
        file = Path(folder) / "parameters.yaml"
        file.write_text(json.dumps(parameters), encoding="utf-8")
        yield str(file)
