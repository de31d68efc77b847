"""A node of an Argo workflow: what it is called, and where it lies."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ..pipeline_runs import ObservedTask

_POD = re.compile(r"system-(dag|container)-driver|(retry-)?system-container-impl|system-importer")
_GROUP = "iteration-iterations"


@dataclass
class Node:
    """A node of a workflow.

    Attributes:
        name: Its path in the workflow, which its id is made of.
        template: The template that it is made from.
        display_name: Its name among its siblings.
        state: Its state in the API's words.
        started: When it started.
        ended: When it ended.
        task: The task whose container its pod runs.
        children: The names of the nodes that follow.
        boundary: The name of the node that it lies in.
        has_attempts: Whether others do what it is for, one after the other.
    """

    name: str
    template: str
    display_name: str
    state: str
    started: datetime
    ended: datetime | None
    task: ObservedTask | None = None
    children: list[str] = field(default_factory=list)
    boundary: str = ""
    has_attempts: bool = False

    @property
    def is_container(self) -> bool:
        """Whether a pod does what it is for."""
        return bool(_POD.fullmatch(self.template))

    @property
    def is_hook(self) -> bool:
        """Whether it is an exit handler's."""
        return self.display_name.endswith(".onExit")

    @property
    def kind(self) -> str:
        """Its type in Argo's words."""
        if self.state in {"SKIPPED", ""}:
            return "Skipped"
        if self.has_attempts:
            return "Retry"
        return "Pod" if self.is_container else "TaskGroup" if self.display_name == _GROUP else "DAG"

    def id(self, workflow: str) -> str:
        """Returns its id."""
        return node_id(self.name, workflow)

    def pod(self, workflow: str) -> str:
        """Returns its pod's name, in Argo's second format."""
        return workflow if self.name == workflow else f"{workflow}-{self.template}-{_fnv(self.name)}"


def node_id(name: str, workflow: str) -> str:
    """Returns the id of a node: the workflow's name, and the FNV-1a hash of the node's."""
    return workflow if name == workflow else f"{workflow}-{_fnv(name)}"


def bounded(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yields nodes with their boundaries: the DAG whose name theirs begins with."""
    dags: set[str] = set()
    for node in sorted(nodes, key=lambda each: len(each.name)):
        suffix = node.display_name if node.is_hook else node.name.rpartition(".")[2]
        node.boundary = _longest(dags, node.name.removesuffix(f".{suffix}")) if node.name != suffix else ""
        if node.kind == "DAG":
            dags.add(node.name)
        yield node


def _longest(dags: set[str], name: str) -> str:
    while name and name not in dags:
        name = name.rpartition(".")[0]
    return name


def _fnv(text: str) -> int:
    """Returns the 32-bit FNV-1a hash, as Argo's `NodeID` takes it (http://www.isthe.com/chongo/tech/comp/fnv)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
