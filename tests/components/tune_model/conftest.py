"""Searches in processes that have imported what a search needs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.components.protocol.values import decode, decode_metadata

from ...doubles.warm_python import WarmPython
from ..conftest import executor_input
from ..transformed import Transformed, transformed

__all__ = ["transformed"]
NAME = "penstock.components.tune_model"


@dataclass
class Search:
    """A search's process, and what it leaves behind.

    Attributes:
        process: The process.
        folder: The folder of its outputs.
    """

    process: subprocess.Popen
    folder: Path

    def end(self) -> "Search":
        """Waits until it has ended."""
        _, self.error = self.process.communicate()
        return self

    @property
    def reason(self) -> str:
        """The one line that it failed with; empty if it did not."""
        return self.error.strip().splitlines()[-1] if self.process.returncode else ""

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials of the artifact, by number."""
        found = json.loads((self.folder / "trials" / "trials.json").read_text())["trials"]
        return sorted(found, key=lambda trial: trial["trial"])

    @property
    def outputs(self) -> dict[str, Any]:
        """The output parameters, as a consumer reads them."""
        return decode(json.loads((self.folder / "executor_output.json").read_text())["parameterValues"])

    def metadata(self, artifact: str) -> dict[str, Any]:
        """Returns an output artifact's metadata, as a consumer reads it."""
        written = json.loads((self.folder / "executor_output.json").read_text())
        return decode_metadata(written["artifacts"][artifact]["artifacts"][0]["metadata"])


@pytest.fixture(scope="session")
def warm_tuner() -> Iterator[tuple[str, dict[str, str]]]:
    """A Python that has imported what a search needs, and its environment."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "CUDA_VISIBLE_DEVICES": "-1"}
    imports = [f"{NAME}.task", "mlflow.store.tracking.sqlalchemy_store", "sklearn.ensemble", "matplotlib.figure"]
    with WarmPython(Path(sys.executable), "penstock.components", imports, variables) as warm:
        yield str(warm.python), variables


@pytest.fixture
def start_search(
    warm_tuner: tuple[str, dict[str, str]], transformed: Transformed, tracking_uri: str, tmp_path: Path
) -> Callable[..., Search]:
    """Starts a search: `start(module, **parameters)`."""
    python, variables = warm_tuner
    count = 0

    def start(module: str, **parameters: Any) -> Search:
        nonlocal count
        count += 1
        folder = tmp_path / f"search-{count}"
        given = {"module_file": module, "tracking_uri": tracking_uri, "algorithm": "random"} | parameters
        text = json.dumps(executor_input("tune_model", folder, given, transformed.inputs))
        command = [python, "-m", NAME, "--executor_input", text]
        return Search(subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), folder)

    return start


@pytest.fixture
def search(start_search: Callable[..., Search]) -> Callable[..., Search]:
    """Runs a search: `search(module, **parameters)`."""
    return lambda module, **parameters: start_search(module, **parameters).end()
