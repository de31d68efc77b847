"""The nodes of an Argo workflow, as a tree.

A node lies in the one that is its boundary, under its display name. Where a template has a retry strategy, as every template has in
an installation of Kubeflow 2.17, there is a node of type Retry, and what it is for is done by its attempts: children of the same
template, in the same boundary, the last of which counts.
"""

import base64
import json
import re
import zlib
from collections import defaultdict
from datetime import datetime
from typing import Any, Protocol

from .times import moment

Node = dict[str, Any]
FAILED_PHASES = {"Failed", "Error"}
_ITERATION = re.compile(r"\((\d+):")
_GZIP = zlib.MAX_WBITS | 16
_MOST_BYTES = 256 << 20
# The phase of a node that is one of several, when it is unknown which.
UNKNOWN_PHASE = "Unknown"
_PHASES = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "CANCELED": "Failed", "SKIPPED": "Skipped", "RUNNING": "Running"}


class Nodes(Protocol):
    """What a workflow consists of; a node that is not there yet is empty.

    Attributes:
        are_whole: Whether they tell what lies in what, and which pods there are.
    """

    are_whole: bool

    def __bool__(self) -> bool:
        """Whether there are any."""

    def entry(self) -> Node:
        """Returns the node that all others lie in."""

    def inside(self, node: Node, name: str) -> Node:
        """Returns the node that lies in another under a name."""

    def last_attempt(self, node: Node) -> Node:
        """Returns what does the work of a node: its last attempt, or itself where there are no attempts."""

    def iterations(self, group: Node) -> dict[int, Node]:
        """Returns the iterations of a loop's group, by their number."""

    def failed_driver(self) -> Node:
        """Returns the first driver that failed, which keeps what it is for from starting."""


class ManifestNodes:
    """The nodes of a workflow's manifest.

    Args:
        manifest: The workflow in JSON form; empty as long as the server has none.
    """

    are_whole = True

    def __init__(self, manifest: dict[str, Any]) -> None:
        self._entry_id = manifest.get("metadata", {}).get("name", "")
        self._nodes: dict[str, Node] = unpacked(manifest.get("status", {}))
        self._inside: dict[str, dict[str, Node]] = defaultdict(dict)
        for node in self._nodes.values():
            self._inside[node.get("boundaryID", "")][node.get("displayName", "")] = node

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._nodes)

    def entry(self) -> Node:
        """Returns the node that all others lie in."""
        return self._nodes.get(self._entry_id, {})

    def inside(self, node: Node, name: str) -> Node:
        """Returns the node that lies in another under a name."""
        boundary = self.last_attempt(node).get("id")
        return self._inside.get(boundary, {}).get(name, {}) if boundary else {}

    def last_attempt(self, node: Node) -> Node:
        """Returns what does the work of a node: its last attempt, or itself where there are no attempts."""
        if node.get("type") != "Retry":
            return node
        attempts = [child for child in self._children(node) if _is_attempt(child, node)]
        return attempts[-1] if attempts else {}

    def iterations(self, group: Node) -> dict[int, Node]:
        """Returns the iterations of a loop's group, by their number."""
        numbered = ((_ITERATION.search(child.get("displayName", "")), child) for child in self._children(group))
        return dict(sorted((int(number[1]), child) for number, child in numbered if number))

    def failed_driver(self) -> Node:
        """Returns the first driver that failed, which keeps what it is for from starting."""
        failed = [each for each in self._nodes.values() if each.get("phase") in FAILED_PHASES and _is_driver(each)]
        return min(failed, key=lambda each: (each.get("finishedAt") or "", each["name"]), default={})

    def _children(self, node: Node) -> list[Node]:
        return [self._nodes[child] for child in node.get("children") or () if child in self._nodes]


class RunDetailNodes:
    """What the v2 API tells of a run's nodes, for servers without the v1 API: names and states, not what lies in what.

    Args:
        run: The run (V2beta1Run).
    """

    are_whole = False

    def __init__(self, run: Any) -> None:
        self._nodes: dict[str, Node] = {}
        for detail in (run.run_details.task_details if run.run_details else None) or ():
            known = detail.display_name in self._nodes
            self._nodes[detail.display_name] = {"phase": UNKNOWN_PHASE} if known else _node_of(detail)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._nodes)

    def entry(self) -> Node:
        """Returns the root node, without information."""
        return {}

    def inside(self, node: Node, name: str) -> Node:
        """Returns the only node of a name, wherever it lies."""
        return self._nodes.get(name, {})

    def last_attempt(self, node: Node) -> Node:
        """Returns the node."""
        return node

    def iterations(self, group: Node) -> dict[int, Node]:
        """Returns none, because their number is unknown."""
        return {}

    def failed_driver(self) -> Node:
        """Returns none, because the reason of a failure is unknown."""
        return {}


def phase_of(run: Any) -> str:
    """Returns what a run's state (V2beta1Run) is in Argo's words."""
    return _PHASES.get(run.state, "Pending")


def _is_attempt(child: Node, node: Node) -> bool:
    """Tells an attempt from an exit handler, which is a child as well, of another template."""
    return all(child.get(key) == node.get(key) for key in ("boundaryID", "templateName"))


def _is_driver(node: Node) -> bool:
    """Tells drivers, but for the attempts of those that are retried."""
    return node.get("displayName", "").endswith("-driver")


def _node_of(detail: Any) -> Node:
    return {
        "id": "",
        "displayName": detail.display_name,
        "type": "Pod",
        "phase": _PHASES.get(detail.state, "Pending"),
        "startedAt": _text(detail.start_time),
        "finishedAt": _text(detail.end_time),
        "message": detail.error.message if detail.error else "",
    }


def unpacked(status: dict[str, Any]) -> dict[str, Node]:
    """Returns the nodes of a workflow's status by their ids, also those that Argo has packed because they are many."""
    if packed := status.get("compressedNodes"):
        nodes: dict[str, Node] = json.loads(zlib.decompressobj(_GZIP).decompress(base64.b64decode(packed), _MOST_BYTES))
        return nodes
    return status.get("nodes") or {}


def _text(time: datetime | None) -> str | None:
    known = moment(time)
    return known.isoformat() if known else None
