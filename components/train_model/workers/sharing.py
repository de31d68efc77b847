"""Lets workers run a task: each is called with what the task was called with, and what the chief gives back is the task's."""

import functools
from collections.abc import Callable
from typing import Any, get_type_hints

from penstock.components.protocol import TaskError, figure
from penstock.components.protocol.values import decode, decode_metadata

from .call import Call
from .places import open_place


def shared_by_workers(task: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a task start as many workers as its parameter `workers` says, and wait for them. One worker is the task itself."""

    @functools.wraps(task)
    def shared(**arguments: Any) -> Any:
        workers = arguments.get("workers", 1)
        if workers < 1:
            raise TaskError(f"workers is {workers}; give the number of workers, at least 1")
        place = open_place(arguments.get("workers_at", ""))
        if workers == 1:
            return task(**arguments)
        given = place.train(Call.of(arguments | {"workers": 1, "workers_at": ""}), workers)
        for name, artifact in given["artifacts"].items():
            arguments[name].metadata |= decode_metadata(artifact["artifacts"][0]["metadata"])
        figure(arguments["model"].metadata["summary"])
        return get_type_hints(task)["return"](**decode(given["parameterValues"]))

    return shared
