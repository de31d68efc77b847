"""The command of a worker on another machine than the task: it brings the inputs, runs the worker, and puts the chief's outputs into the bucket."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.protocol.logs import configure_logging, redact_logging
from penstock.components.protocol.marks import ERROR
from penstock.components.training.team import TF_CONFIG, tf_config, this_worker

from .bucket import fetch, put, read, write
from .call import placed

# Kubernetes sets it in the pods of an Indexed Job.
_INDEX = "JOB_COMPLETION_INDEX"


def main() -> None:
    """Runs the worker; its exit code is this one's."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.remote")
    parser.add_argument("--job", required=True, help="the URI of the job")
    redact_logging()
    configure_logging()
    try:
        sys.exit(_run(parser.parse_args().job))
    except TaskError as error:
        print(f"{ERROR}{error}", flush=True)
        sys.exit(1)


def _run(uri: str) -> int:
    job = json.loads(read(uri))
    if job["addresses"]:
        os.environ[TF_CONFIG] = tf_config(job["addresses"], int(os.environ[_INDEX]))
    with tempfile.TemporaryDirectory(prefix="penstock-worker-") as name:
        folder = Path(name)
        here = _local(job["executor_input"], folder)
        process = subprocess.Popen([sys.executable, "-m", __package__, "--executor_input", json.dumps(here)])
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
        if code == 0 and this_worker().index == 0:
            _give_back(job["executor_input"], folder)
        return code if code >= 0 else 128 - code


def _local(executor_input: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns an executor input whose artifacts are in a folder, where the inputs are copied to."""
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    for name, entry in inputs["artifacts"].items():
        fetch(entry["artifacts"][0]["uri"], folder / name)
    return {
        "inputs": inputs | {"artifacts": placed(inputs["artifacts"], folder)},
        "outputs": {"artifacts": placed(outputs["artifacts"], folder), "outputFile": str(folder / "output.json")},
    }


def _give_back(executor_input: dict[str, Any], folder: Path) -> None:
    """Puts the outputs into the bucket, the file that says what they are last."""
    outputs = executor_input["outputs"]
    for name, entry in outputs["artifacts"].items():
        if (folder / name).exists():
            put(folder / name, entry["artifacts"][0]["uri"])
    write(outputs["outputFile"], (folder / "output.json").read_bytes())


if __name__ == "__main__":
    main()
