"""The command of a worker: train_model's, but what a worker that is not the chief makes goes to a scratch folder."""

import argparse
import atexit
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from penstock.components.protocol import command
from penstock.components.protocol.parent import end_with_parent
from penstock.components.training.team import this_worker

from .call import placed

PACKAGE = "penstock.components.train_model"


def _without_traces(executor_input: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns an executor input whose outputs, and what is tracked, go to a folder."""
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    values = inputs["parameterValues"] | {"tracking_uri": (folder / "tracking").as_uri()}
    return {
        "inputs": inputs | {"parameterValues": values},
        "outputs": {"artifacts": placed(outputs["artifacts"], folder)},
    }


def main() -> None:
    """Trains as one of the workers; see `penstock.components.protocol.command` for how it ends."""
    end_with_parent()
    parser = argparse.ArgumentParser(prog=f"python -m {PACKAGE}.workers")
    parser.add_argument("--executor_input", required=True)
    text = parser.parse_args().executor_input
    if this_worker().index:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # the least that takes what nobody reads
        folder = tempfile.mkdtemp(prefix="penstock-worker-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        text = json.dumps(_without_traces(json.loads(text), Path(folder)))
    sys.argv[1:] = ["--executor_input", text]
    command(PACKAGE)


main()
