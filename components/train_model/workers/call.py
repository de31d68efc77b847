"""What a task was called with, as an executor input for workers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.protocol import Artifact, Input, Output


@dataclass(frozen=True)
class Call:
    """A call of a task.

    Attributes:
        inputs: Its input artifacts, by name.
        outputs: Its output artifacts.
        values: Its parameters.
    """

    inputs: dict[str, Input]
    outputs: dict[str, Output]
    values: dict[str, Any]

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "Call":
        """Sorts a task's arguments."""
        inputs = {name: value for name, value in arguments.items() if isinstance(value, Input)}
        outputs = {name: value for name, value in arguments.items() if isinstance(value, Output)}
        return cls(inputs, outputs, {name: value for name, value in arguments.items() if name not in inputs | outputs})

    def executor_input(self, place: Callable[[str, Artifact], str], output_file: str) -> dict[str, Any]:
        """Returns the executor input of the chief.

        Args:
            place: Where workers find or make an artifact, by its name.
            output_file: The file for the `ExecutorOutput`.
        """

        def artifacts(given: dict[str, Any]) -> dict[str, Any]:
            return {
                name: {"artifacts": [{"name": name, "uri": place(name, value), "metadata": value.metadata}]}
                for name, value in given.items()
            }

        return {
            "inputs": {"parameterValues": self.values, "artifacts": artifacts(self.inputs)},
            "outputs": {"artifacts": artifacts(self.outputs), "outputFile": output_file},
        }


def placed(artifacts: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns the artifacts of an executor input, each at its name in a folder."""
    return {name: {"artifacts": [entry["artifacts"][0] | {"uri": str(folder / name)}]} for name, entry in artifacts.items()}
