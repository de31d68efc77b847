"""A recorded workflow as an installation writes it whose templates are not retried: each node once, as its last attempt was."""

import re
from typing import Any

from penstock.remote.kubeflow.nodes import unpacked

_ATTEMPT = re.compile(r"\(\d+\)(?=\.|$)")
Node = dict[str, Any]


def without_retries(workflow: dict[str, Any]) -> dict[str, Any]:
    """Returns a workflow (JSON form) whose nodes of the type `Retry` are replaced by what their last attempts were."""
    nodes, entry = unpacked(workflow["status"]), workflow["metadata"]["name"]
    new_ids: dict[str, str] = {}
    for retry in [node for node in nodes.values() if node["type"] == "Retry"]:
        if not (attempts := _attempts(retry, nodes)):
            retry["type"] = "DAG"
            continue
        last, ids = attempts[-1], {each["id"] for each in attempts}
        last["displayName"] = retry["displayName"]
        last["children"] = [*(last.get("children") or ()), *(key for key in retry["children"] if key not in ids)]
        # The id of the outermost node is the workflow's name; a pod's name has the id of its attempt.
        new_ids |= dict.fromkeys((retry["id"], last["id"]), entry if retry["id"] == entry else last["id"])
        for gone in (retry, *attempts[:-1]):
            del nodes[gone["id"]]
    kept = [_renamed(node, new_ids) for node in nodes.values()]
    return workflow | {"status": workflow["status"] | {"compressedNodes": "", "nodes": {node["id"]: node for node in kept}}}


def _attempts(retry: Node, nodes: dict[str, Node]) -> list[Node]:
    """Returns the attempts of a node: those of its children that are of its template, and lie where it lies."""
    children = [nodes[key] for key in retry.get("children") or () if key in nodes]
    return [child for child in children if all(child.get(key) == retry.get(key) for key in ("boundaryID", "templateName"))]


def _renamed(node: Node, new_ids: dict[str, str]) -> Node:
    children = [new_ids.get(key, key) for key in node.get("children") or ()]
    boundary = node.get("boundaryID", "")
    names = {"id": new_ids.get(node["id"], node["id"]), "name": _ATTEMPT.sub("", node["name"])}
    return node | names | {"boundaryID": new_ids.get(boundary, boundary), "children": children}
