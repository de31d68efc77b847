"""`penstock run`, as a person types it."""

import subprocess
import sys
from pathlib import Path

from ..command import COMMAND, variables

RUNNERS = ("env", "docker")


def run(file: Path, runner: str, folder: Path, values: dict[str, str]) -> Path:
    """Runs a compiled pipeline or component to its end, and stops the server that it may have started.

    Args:
        file: The compiled YAML.
        runner: One of `RUNNERS`.
        folder: Where to run; made here.
        values: The parameters, and input artifacts' paths.

    Returns:
        The run's folder.

    Raises:
        SystemExit: The run failed; the message has its output.
    """
    folder.mkdir(parents=True)
    parameters = [item for pair in values.items() for item in ("--param", "=".join(pair))]
    print(f"running {file.stem} with --runner {runner} in {folder}", flush=True)
    try:
        done = subprocess.run(
            [COMMAND, "run", str(file), "--runner", runner, *parameters],
            cwd=folder,
            env=variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        subprocess.run([COMMAND, "serve", "stop", "serving"], cwd=folder, env=variables(), capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nerror: {file.stem} with --runner {runner} ended with {done.returncode}; what it says is above")
    return next((folder / "local_outputs").glob(f"{file.stem.replace('_', '-')}-*"))
