"""Reads a run's tasks from its Argo workflow.

Kubeflow's v2 API tells of a run's nodes only their display names and states: not which node is meant where two tasks share a
name, not the pods, whether a task was cached, or why one failed. Its v1 API, which the log's address belongs to as well, gives
the whole workflow. What Kubeflow makes of a pipeline is in backend/src/v2/compiler/argocompiler of kubeflow/pipelines: for the task
`train` of the DAG `root` the node `NAME.root.train-driver`, a pod that resolves the inputs, asks the cache and evaluates
the condition; the node `NAME.root.train`; and below that, unless it is cached, the pod `NAME.root.train.executor`. Where templates
are retried, each of these names has the number of the attempt (`NAME(0).root(0).train(0).executor(0)`), so that nodes are found by
what they lie in (see `nodes`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..target import CACHED, CANCELED, DONE, FAILED, NOT_RUN, RUNNING, SKIPPED, UNKNOWN, WAITING, TaskState
from .nodes import FAILED_PHASES, UNKNOWN_PHASE, ManifestNodes, Node, Nodes, RunDetailNodes, phase_of

_EXIT_TASK = "ALL_UPSTREAM_TASKS_COMPLETED"
# How Argo words that a container has failed which has found why, as Penstock's do (see `components.protocol.executor`).
_EXIT_MESSAGE = re.compile(r"main: Error \(exit code \d+\): (.+)", re.DOTALL)
_BEHIND = {"Skipped": SKIPPED, "Omitted": NOT_RUN, UNKNOWN_PHASE: UNKNOWN}


@dataclass(frozen=True)
class _Place:
    """Where a task lies.

    Attributes:
        node: Its node.
        driver: The node of its driver.
        keys: The keys that lead to it, each loop's followed by the iteration's number.
        behind: The state of all that lies in it, where something has kept it from running; otherwise empty.
        closed: The condition that has.
    """

    node: Node
    driver: Node
    keys: tuple[str, ...] = ()
    behind: str = ""
    closed: str = ""


@dataclass(frozen=True)
class Pod:
    """Where a task's container ran.

    Attributes:
        name: The pod's name; empty if there was none, as for a cached task.
        node: The id of the workflow's node.
    """

    name: str = ""
    node: str = ""


class Workflow:
    """An Argo workflow that Kubeflow made of a pipeline.

    Args:
        manifest: The workflow in JSON form; empty as long as the server has none.
        spec: The PipelineSpec in JSON form.
        nodes: Its nodes; by default those of the manifest.
        terminated: The time of its cancellation, if known.
    """

    def __init__(
        self, manifest: dict[str, Any], spec: dict[str, Any], nodes: Nodes | None = None, terminated: datetime | None = None
    ) -> None:
        self._name = manifest.get("metadata", {}).get("name", "")
        self._components = spec.get("components", {})
        self._dag = spec.get("root", {}).get("dag", {"tasks": {}})
        self._status = manifest.get("status", {})
        self._nodes = ManifestNodes(manifest) if nodes is None else nodes
        self._v1_names = manifest.get("metadata", {}).get("annotations", {}).get("workflows.argoproj.io/pod-name-format") == "v1"
        self._phase = self._status.get("phase", "")
        self._has_ended = self._phase in {"Succeeded", *FAILED_PHASES}
        self._terminated = terminated
        # How the server ends a workflow early.
        self.is_terminated = manifest.get("spec", {}).get("activeDeadlineSeconds") == 0

    @property
    def error(self) -> str:
        """Why it failed as a whole: because of a driver that has kept tasks from starting, or in its own words."""
        if self._phase not in FAILED_PHASES or self.is_terminated:
            return ""
        return self._why(self._nodes.failed_driver()) or self._status.get("message", "")

    @property
    def names_pods(self) -> bool:
        """Whether it is known which pods there are."""
        return self._nodes.are_whole

    def tasks(self) -> Iterator[TaskState]:
        """Yields the tasks that run a container; those of a loop as soon as its iterations are known."""
        for key, place in self._walk(self._dag, self._root()):
            yield self._state(key, place)

    def pod(self, key: str) -> Pod | None:
        """Returns the pod of a task's container, of the last attempt, or of the driver that kept it from starting.

        Returns:
            None if there is no such task.
        """
        found = next((place for each, place in self._walk(self._dag, self._root()) if each == key), None)
        if found is None:
            return None
        pod = self._pod(found.node) or (self._pod(found.driver) if found.driver.get("phase") in FAILED_PHASES else {})
        return Pod(self._pod_name(pod), pod["id"]) if pod else Pod()

    def _root(self) -> _Place:
        entry = self._nodes.entry()
        return _Place(self._nodes.inside(entry, "root"), self._nodes.inside(entry, "root-driver"))

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
        """Yields where a task lies: in a loop, once for each iteration, if there are any."""
        whole = self._place(key, task, place)
        if "parameterIterator" not in task or whole.behind:
            yield whole
            return
        if not self._nodes.are_whole:
            yield replace(whole, behind=UNKNOWN)
            return
        group = self._nodes.inside(whole.node, "iteration-iterations")
        for number, iteration in self._nodes.iterations(group).items():
            yield self._inside(iteration, "iteration-item", (*whole.keys, str(number)))

    def _place(self, key: str, task: dict[str, Any], place: _Place) -> _Place:
        found = self._inside(place.node, key, (*place.keys, key))
        if task.get("triggerPolicy", {}).get("strategy") == _EXIT_TASK:
            found = self._exit_place(key, task, place) or found
        if place.behind:
            return replace(found, behind=place.behind, closed=place.closed)
        behind = _BEHIND.get(found.node.get("phase", ""), "")
        return replace(found, behind=behind, closed=task.get("triggerPolicy", {}).get("condition", "") if behind == SKIPPED else "")

    def _exit_place(self, key: str, task: dict[str, Any], place: _Place) -> _Place | None:
        """Returns where a task lies that runs when another has ended, however: in that one's hook."""
        keys = (*place.keys, key)
        for upstream in task.get("dependentTasks", ()):
            if hook := self._nodes.inside(place.node, f"{upstream}.onExit"):
                return self._inside(hook, key, keys)
            if self._nodes.inside(place.node, upstream).get("phase") in _BEHIND:
                return _Place({"phase": "Omitted"}, {}, keys)
        return None

    def _inside(self, node: Node, key: str, keys: tuple[str, ...]) -> _Place:
        return _Place(self._nodes.inside(node, key), self._nodes.inside(node, f"{key}-driver"), keys)

    def _state(self, key: str, place: _Place) -> TaskState:
        failed = any(each.get("phase") in FAILED_PHASES for each in (place.driver, place.node))
        if place.behind and not failed:
            is_known = place.behind != UNKNOWN or self._has_ended
            return TaskState(key=key, state=place.behind if is_known else WAITING, closed=place.closed)
        node, pod = place.node, self._pod(place.node)
        state = self._failure(place) if failed else self._word(node, pod)
        end = pod.get("finishedAt") or node.get("finishedAt") or (place.driver.get("finishedAt") if failed else None)
        return TaskState(
            key=key,
            state=state,
            started=_time(pod.get("startedAt")),
            ended=_time(end),
            error=_reason(pod.get("message") or self._why(place.driver) or node.get("message", "")) if state == FAILED else "",
        )

    def _failure(self, place: _Place) -> str:
        """Returns what a task is that has failed: that may have been requested, or the group around it is retried."""
        if self.is_terminated:
            end = _time((self._pod(place.node) or place.driver).get("finishedAt"))
            return FAILED if end and self._terminated and end < self._terminated else CANCELED
        is_error = "Error" in {place.node.get("phase"), place.driver.get("phase")}
        is_tried_again = is_error and not self._has_ended and self._nodes.entry().get("type") == "Retry"
        return WAITING if is_tried_again else FAILED

    def _word(self, node: Node, pod: Node) -> str:
        if node.get("phase") == "Succeeded":
            return CACHED if self._nodes.inside(node, "executor").get("phase") == "Skipped" else DONE
        if pod.get("phase") == "Running":
            return RUNNING
        if not self._has_ended:
            return WAITING
        # Of a workflow that is done, whatever is not skipped has run: what has no node is not where it is looked for.
        return NOT_RUN if self._phase in FAILED_PHASES and self._nodes else UNKNOWN

    def _why(self, driver: Node) -> str:
        """Returns why a driver failed; empty if it has not."""
        if driver.get("phase") not in FAILED_PHASES:
            return ""
        found = self._nodes.last_attempt(driver).get("message") or driver.get("message") or "it failed"
        return f"{driver.get('displayName', 'driver')}: {found}"

    def _pod(self, node: Node) -> Node:
        """Returns the pod of the last attempt of a task or of a driver, or an empty text."""
        own = self._nodes.last_attempt(node)
        executor = self._nodes.last_attempt(self._nodes.inside(node, "executor"))
        return next((each for each in (own, executor) if each.get("type") == "Pod"), {})

    def _pod_name(self, node: Node) -> str:
        """Names a node's pod as Argo does, and as the server expects it of those who ask for a log."""
        if self._v1_names or "templateName" not in node:
            return node["id"]
        return f"{self._name}-{node['templateName']}-{node['id'].rpartition('-')[2]}"


def in_brief(run: Any, spec: dict[str, Any]) -> Workflow:
    """Returns what can be known without the workflow, of what the v2 API tells of a run (V2beta1Run)."""
    return Workflow({"status": {"phase": phase_of(run)}}, spec, RunDetailNodes(run))


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


def _reason(message: str) -> str:
    """Returns what a failed container has found, without Argo's words before it; else Argo's words."""
    found = _EXIT_MESSAGE.fullmatch(message)
    return found[1] if found else message


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
