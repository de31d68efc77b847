"""Lets workers run a task: each is called with what the task was called with, and what the chief gives back is the task's."""

import functools
from collections.abc import Callable
from typing import Any, get_type_hints

from penstock.components.protocol import Artifact, Input, Output, TaskError, figure
from penstock.components.protocol.values import decode, decode_metadata

from .here import train_here


def shared_by_workers(task: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a task start as many workers as its parameter `workers` says, and wait for them. One worker is the task itself."""

    @functools.wraps(task)
    def shared(**arguments: Any) -> Any:
        workers = arguments.get("workers", 1)
        if workers < 1:
            raise TaskError(f"workers is {workers}; give the number of workers, at least 1")
        if workers == 1:
            return task(**arguments)
        if arguments.get("checkpoint_uri"):
            raise TaskError("checkpoint_uri works with one worker only; give workers=1, or no checkpoint_uri")
        given = train_here(_executor_input(arguments | {"workers": 1}), workers)
        for name, artifact in given["artifacts"].items():
            arguments[name].metadata |= decode_metadata(artifact["artifacts"][0]["metadata"])
        figure(arguments["model"].metadata["summary"])
        return get_type_hints(task)["return"](**decode(given["parameterValues"]))

    return shared


def _executor_input(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the executor input of the chief, whose outputs are the task's."""

    def artifacts(kind: type[Artifact]) -> dict[str, Any]:
        found = [(name, value) for name, value in arguments.items() if isinstance(value, kind)]
        return {name: {"artifacts": [{"name": name, "uri": str(value.path), "metadata": value.metadata}]} for name, value in found}

    values = {name: value for name, value in arguments.items() if not isinstance(value, Input | Output)}
    return {"inputs": {"parameterValues": values, "artifacts": artifacts(Input)}, "outputs": {"artifacts": artifacts(Output)}}
