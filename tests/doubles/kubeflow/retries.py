"""What a retry strategy for every template makes of a workflow, as Kubeflow 2.17 is installed with one.

Each node that is not skipped exists twice: of type Retry, and as its attempt, whose name, and with it the names of all that lie in
it, has the attempt's number. Seen in the workflows of `tests/recordings/kfp-2.17.0`.
"""

from collections.abc import Iterator
from dataclasses import replace

from .node import Node


def retried(nodes: list[Node]) -> list[Node]:
    """Returns the nodes, each that is done by a template below one of type Retry.

    Args:
        nodes: The nodes, each after the one that it lies in.
    """
    names: dict[str, str] = {}
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        within = _attempt(by_name[node.boundary], names) if node.boundary else ""
        names[node.name] = within + node.name.removeprefix(node.boundary)
    return [made for node in nodes for made in _made(node, by_name, names)]


def _made(node: Node, by_name: dict[str, Node], names: dict[str, str]) -> Iterator[Node]:
    boundary = _attempt(by_name[node.boundary], names) if node.boundary else ""
    children = [names[child] for child in node.children]
    if not _is_layered(node, by_name):
        yield replace(node, name=names[node.name], boundary=boundary, children=children)
        return
    attempt = _attempt(node, names)
    yield replace(node, name=names[node.name], boundary=boundary, children=[attempt], has_attempts=True, task=None)
    yield replace(node, name=attempt, display_name=f"{node.display_name}(0)", boundary=boundary, children=children)


def _attempt(node: Node, names: dict[str, str]) -> str:
    return f"{names[node.name]}(0)"


def _is_layered(node: Node, by_name: dict[str, Node]) -> bool:
    """Tells groups of iterations, what is skipped, and what is an attempt already from the rest."""
    retry = node.name.rpartition("(")[0]
    is_attempt = retry in by_name and by_name[retry].has_attempts
    return node.kind in {"DAG", "Pod"} and not is_attempt
