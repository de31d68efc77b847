"""What a worker knows of its team, from `TF_CONFIG`.

Format: https://www.tensorflow.org/guide/distributed_training#TF_CONFIG, as Vertex AI sets it, too.
"""

import json
import os
from dataclasses import dataclass

from penstock.components.protocol import TaskError

TF_CONFIG = "TF_CONFIG"


@dataclass(frozen=True)
class Worker:
    """A worker's place in its team.

    Attributes:
        index: Its number. 0: the chief, whose outputs are the task's.
        size: The number of workers.
    """

    index: int
    size: int


def this_worker() -> Worker:
    """Returns this process's place: alone, unless `TF_CONFIG` names others.

    Raises:
        TaskError: `TF_CONFIG` is invalid.
    """
    text = os.environ.get(TF_CONFIG, "")
    if not text:
        return Worker(0, 1)
    try:
        config = json.loads(text)
        members = [(kind, index) for kind in ("chief", "worker") for index in range(len(config.get("cluster", {}).get(kind, [])))]
        if len(members) < 2:
            return Worker(0, 1)
        return Worker(members.index((config["task"]["type"], int(config["task"]["index"]))), len(members))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TaskError(f"{TF_CONFIG} is {text[:80]!r}, which names no worker; correct it, or unset it") from error


def tf_config(addresses: list[str], index: int) -> str:
    """Returns the `TF_CONFIG` of a worker.

    Args:
        addresses: The `HOST:PORT` of each worker.
        index: The worker's number.
    """
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
