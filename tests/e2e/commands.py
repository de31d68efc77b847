"""Commands as people and containers run them: `penstock ...`, and a component's own with an executor input."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.local.envs import environment
from penstock.local.task_code import module_command, module_variables

from ..command import COMMAND, variables

_BUCKET_FILES = Path(__file__).with_name("bucket_files.py")
# Output artifacts and parameters, by component.
_OUTPUTS = {"push_model": (["pushed_model"], ["outcome", "url"]), "register_model": ([], ["version"])}


def types(*words: str | Path, folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Types `penstock ...`.

    Args:
        words: What comes after `penstock`.
        folder: Where it is typed.
        seconds: For how long it may take.
    """
    done = subprocess.run(
        [COMMAND, *map(str, words)],
        cwd=folder,
        env=variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert "Traceback" not in done.stdout, done.stdout
    return done


def bucket_files(*words: str | Path) -> str:
    """Copies to a bucket, or removes what lies there (see `bucket_files.py`)."""
    command = [str(environment("deploy").python), str(_BUCKET_FILES), *map(str, words)]
    done = subprocess.run(command, env=module_variables({}), capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Done:
    """How a component ended.

    Attributes:
        code: Its exit code.
        output: What it printed.
        parameters: Its output parameters; empty after a failure.
        metadata: Its output artifacts' metadata; empty after a failure.
    """

    code: int
    output: str
    parameters: dict[str, Any]
    metadata: dict[str, dict[str, Any]]


class Component:
    """A component of the deploy family, as its container runs it.

    Args:
        name: Its name.
        folder: A folder for its outputs.
        parameters: Its parameters.
        inputs: The paths of its input artifacts.
    """

    def __init__(self, name: str, folder: Path, parameters: dict[str, Any], inputs: dict[str, Path]) -> None:
        self._root = folder / f"{name}-{time.monotonic_ns()}"
        artifacts, values = _OUTPUTS[name]
        spec = {
            "inputs": {
                "parameterValues": parameters,
                "artifacts": {key: {"artifacts": [{"name": key, "uri": str(path), "metadata": {}}]} for key, path in inputs.items()},
            },
            "outputs": {
                "artifacts": {key: {"artifacts": [{"name": key, "uri": str(self._root / key), "metadata": {}}]} for key in artifacts},
                "parameters": {key: {"outputFile": str(self._root / "parameters" / key)} for key in values},
                "outputFile": str(self._root / "executor_output.json"),
            },
        }
        python = environment("deploy").python
        self._command = module_command(python, f"penstock.components.{name}", "--executor_input", json.dumps(spec))

    def start(self) -> subprocess.Popen[str]:
        """Starts it; what it prints can be read line by line."""
        return subprocess.Popen(
            self._command,
            env=module_variables({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def run(self, seconds: float) -> Done:
        """Runs it to its end."""
        with self.start() as process:
            try:
                printed, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        file = self._root / "executor_output.json"
        output = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"parameterValues": {}, "artifacts": {}}
        metadata = {key: value["artifacts"][0]["metadata"] for key, value in output["artifacts"].items()}
        return Done(process.returncode, printed, output["parameterValues"], metadata)
