"""A run's tasks, read from the Argo workflow that it is.

Kubeflow's v2 API tells of a run's nodes only their display names and states: not which node is meant where two tasks share a
name, not the pods, whether a task was cached, or why one failed. Its v1 API, which the log's address belongs to as well, gives
the whole workflow. What Kubeflow makes of a pipeline is in backend/src/v2/compiler/argocompiler of kubeflow/pipelines: for the task
`train` of the DAG `root` the node `NAME.root.train-driver`, a pod that resolves the inputs, asks the cache and evaluates
the condition; the node `NAME.root.train`; and below that, unless it is cached, the pod `NAME.root.train.executor`.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..target import CACHED, CANCELED, DONE, FAILED, NOT_RUN, RUNNING, SKIPPED, WAITING, TaskState
from .times import moment

_FAILED_PHASES = {"Failed", "Error"}
_PHASES = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "CANCELED": "Failed", "SKIPPED": "Skipped", "RUNNING": "Running"}
_GZIP = zlib.MAX_WBITS | 16
_MOST_BYTES = 256 << 20
_EXIT_TASK = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True)
class _Place:
    """Where a DAG lies.

    Attributes:
        node: The name of its node.
        keys: The keys that lead to it, each loop's followed by the iteration's number.
        behind: SKIPPED if a condition has kept it from running, otherwise empty.
    """

    node: str
    keys: tuple[str, ...] = ()
    behind: str = ""


class Workflow:
    """An Argo workflow that Kubeflow made of a pipeline.

    Args:
        manifest: The workflow in JSON form; empty as long as the server has none.
        spec: The PipelineSpec in JSON form.
    """

    def __init__(self, manifest: dict[str, Any], spec: dict[str, Any]) -> None:
        self._name = manifest.get("metadata", {}).get("name", "")
        self._components = spec.get("components", {})
        self._dag = spec.get("root", {}).get("dag", {"tasks": {}})
        self._status = manifest.get("status", {})
        self._nodes = {node["name"]: node for node in _nodes(self._status).values()}
        self._v1_names = manifest.get("metadata", {}).get("annotations", {}).get("workflows.argoproj.io/pod-name-format") == "v1"
        self._has_ended = self._status.get("phase") in {"Succeeded", *_FAILED_PHASES}
        # How the server ends a workflow early.
        self.is_terminated = manifest.get("spec", {}).get("activeDeadlineSeconds") == 0

    @property
    def error(self) -> str:
        """Why it failed as a whole."""
        return self._status.get("message", "") if self._status.get("phase") in _FAILED_PHASES else ""

    def tasks(self) -> Iterator[TaskState]:
        """Yields the tasks that run a container; those of a loop as soon as its iterations are known."""
        for key, place in self._walk(self._dag, _Place(f"{self._name}.root")):
            yield self._state(key, place)

    def pod(self, key: str) -> str | None:
        """Returns the pod of a task's container, of the last attempt, or of the driver that kept it from starting.

        Returns:
            Empty if there is none, as for a cached task; None if there is no such task.
        """
        found = next((place for each, place in self._walk(self._dag, _Place(f"{self._name}.root")) if each == key), None)
        if found is None:
            return None
        driver = self._node(f"{found.node}-driver")
        pods = self._pods(found.node) or ([driver] if driver.get("phase") in _FAILED_PHASES else [])
        return self._pod_name(pods[-1]) if pods else ""

    def _walk(self, dag: dict[str, Any], place: _Place) -> Iterator[tuple[str, _Place]]:
        """Yields each task's key and place, in the order in which they can run."""
        for key in _in_order(dag["tasks"]):
            task = dag["tasks"][key]
            component = self._components[task["componentRef"]["name"]]
            for each in self._places(key, task, place):
                if "dag" in component:
                    yield from self._walk(component["dag"], each)
                else:
                    yield _key(each.keys), each

    def _places(self, key: str, task: dict[str, Any], place: _Place) -> Iterator[_Place]:
        """Yields where a task lies: in a loop, once for each iteration."""
        node = f"{place.node}.{key}"
        if task.get("triggerPolicy", {}).get("strategy") == _EXIT_TASK:
            hooks = (f"{place.node}.{upstream}.onExit.{key}" for upstream in task.get("dependentTasks", ()))
            node = next((hook for hook in hooks if f"{hook}-driver" in self._nodes), node)
        behind = place.behind or (SKIPPED if self._node(node).get("phase") == "Skipped" else "")
        keys = (*place.keys, key)
        if "parameterIterator" not in task:
            yield _Place(node, keys, behind)
            return
        each = re.compile(rf"{re.escape(node)}\.iteration-iterations\((\d+):.*?\)")
        for number in sorted({int(found[1]) for name in self._nodes if (found := each.fullmatch(name))}):
            item = next(name for name in self._nodes if (found := each.fullmatch(name)) and int(found[1]) == number)
            yield _Place(f"{item}.iteration-item", (*keys, str(number)), behind)

    def _state(self, key: str, place: _Place) -> TaskState:
        node, driver = self._node(place.node), self._node(f"{place.node}-driver")
        pods = self._pods(place.node)
        pod = pods[-1] if pods else {}
        failed = any(each.get("phase") in _FAILED_PHASES for each in (driver, node))
        return TaskState(
            key=key,
            state=place.behind or self._word(node, pod, failed),
            started=_time(pod.get("startedAt")),
            ended=_time(pod.get("finishedAt") or node.get("finishedAt") or (driver.get("finishedAt") if failed else None)),
            error=(pod.get("message") or driver.get("message") or node.get("message", "")) if failed else "",
        )

    def _word(self, node: dict[str, Any], pod: dict[str, Any], failed: bool) -> str:
        if failed:
            return CANCELED if self.is_terminated else FAILED
        if node.get("phase") == "Succeeded":
            return CACHED if self._nodes.get(f"{node['name']}.executor", {}).get("phase") == "Skipped" else DONE
        if pod.get("phase") == "Running":
            return RUNNING
        return NOT_RUN if self._has_ended or node.get("phase") == "Omitted" else WAITING

    def _node(self, name: str) -> dict[str, Any]:
        """Returns a node; empty if there is none yet. A node that is told of in brief has its last name only."""
        return self._nodes.get(name) or self._nodes.get(name.rpartition(".")[2], {})

    def _pods(self, node: str) -> list[dict[str, Any]]:
        """Returns the pods of a node, in the order of the attempts."""
        attempt = re.compile(rf"{re.escape(node)}\.executor(\(\d+\))?")
        found = [self._node(node), *(each for name, each in self._nodes.items() if attempt.fullmatch(name))]
        pods = [each for each in found if each.get("type") == "Pod"]
        return sorted(pods, key=lambda pod: int("".join(re.findall(r"\((\d+)\)$", pod["name"])) or 0))

    def _pod_name(self, node: dict[str, Any]) -> str:
        """Names a node's pod as Argo does, and as the server expects it of those who ask for a log."""
        if self._v1_names or "templateName" not in node:
            return node["id"]
        return f"{self._name}-{node['templateName']}-{node['id'].rpartition('-')[2]}"


def in_brief(run: Any) -> dict[str, Any]:
    """Returns the like of a workflow of what the v2 API tells of one (V2beta1Run), for servers without the v1 API."""
    nodes = {
        detail.task_id: {
            "id": detail.pod_name or "",
            "name": detail.display_name,
            "type": "Pod",
            "phase": _PHASES.get(detail.state, "Pending"),
            "startedAt": _text(detail.start_time),
            "finishedAt": _text(detail.end_time),
            "message": detail.error.message if detail.error else "",
        }
        for detail in (run.run_details.task_details if run.run_details else None) or ()
        if detail.display_name != "executor"
    }
    return {"status": {"phase": _PHASES.get(run.state, "Pending"), "nodes": nodes}}


def _nodes(status: dict[str, Any]) -> dict[str, Any]:
    if packed := status.get("compressedNodes"):
        return json.loads(zlib.decompressobj(_GZIP).decompress(base64.b64decode(packed), _MOST_BYTES))
    return status.get("nodes") or {}


def _in_order(tasks: dict[str, Any]) -> Iterator[str]:
    """Yields tasks after those that they depend on, otherwise in the order of the file."""
    yielded: set[str] = set()

    def after(key: str) -> Iterator[str]:
        if key in yielded:
            return
        yielded.add(key)
        for upstream in tasks[key].get("dependentTasks", ()):
            yield from after(upstream)
        yield key

    for key in tasks:
        yield from after(key)


def _key(keys: tuple[str, ...]) -> str:
    """Names a task by its key in its DAG; in a loop, below the loop's and the iteration (`for-loop-1/0/say`)."""
    first = next((place for place, key in enumerate(keys) if key.isdigit()), None)
    return keys[-1] if first is None else "/".join(keys[first - 1 :])


def _text(time: datetime | None) -> str | None:
    known = moment(time)
    return known.isoformat() if known else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
