"""A run's tasks as the persistence agent reports them: the nodes of an Argo workflow.

A task is a driver (`train-model-driver`), the task itself (`train-model`), a DAG of one task, and in that the pod that runs the container
(`executor`), which is skipped where the outputs come from the cache. Source: kubeflow/pipelines, backend/src/v2/compiler/argocompiler,
backend/src/common/util/workflow.go and backend/src/apiserver/server/api_converter.go; for names and ids argo-workflows,
workflow/controller and pkg/apis/workflow/v1alpha1.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..pipeline_runs import ObservedTask
from .node import Node, bounded, node_id
from .retries import retried

if TYPE_CHECKING:
    from .records import Run

_IMPLEMENTATION = "system-container-impl"
_EXIT = "ALL_UPSTREAM_TASKS_COMPLETED"
_PHASES = {"RUNNING": "Running", "SUCCEEDED": "Succeeded", "FAILED": "Failed", "SKIPPED": "Skipped", "": "Omitted"}
# A time that Go has never set, which is what a node that goes on has for its end.
_UNSET = "0001-01-01T00:00:00Z"
# Argo's phases in the API's words; `Omitted` is none of them, and comes out as unspecified, which JSON leaves out.
_STATES = {
    "running": "RUNNING",
    "done": "SUCCEEDED",
    "cached": "SUCCEEDED",
    "failed": "FAILED",
    "skipped": "SKIPPED",
    "not run": "",
}


def details(run: "Run") -> list[dict[str, Any]]:
    """Returns the run's `task_details`."""
    nodes = sorted(_nodes(run), key=lambda node: node.id(run.workflow))
    return [_detail(run, node) for node in nodes]


def manifest(run: "Run") -> dict[str, Any]:
    """Returns the run's Argo workflow, as the v1 API gives it."""
    whole = next((node.state for node in _nodes(run)[:1]), "")
    return {
        "metadata": {"name": run.workflow},
        "spec": {"activeDeadlineSeconds": 0} if run.is_terminating else {},
        "status": {
            "phase": _PHASES["FAILED" if run.state == "FAILED" else whole] if whole else "Pending",
            "nodes": {node.id(run.workflow): _manifested(run, node) for node in _nodes(run)},
        },
    }


def _manifested(run: "Run", node: Node) -> dict[str, Any]:
    form = {
        "id": node.id(run.workflow),
        "name": node.name,
        "displayName": node.display_name,
        "templateName": node.template,
        "boundaryID": node_id(node.boundary, run.workflow) if node.boundary else "",
        "type": node.kind,
        "phase": _PHASES[node.state],
        "message": _message(node) if node.state == "FAILED" and node.is_container else "",
        "nodeFlag": {"hooked": True} if node.is_hook else {},
        "startedAt": moment(node.started),
        "finishedAt": moment(node.ended) if node.ended else None,
        "children": [node_id(child, run.workflow) for child in node.children],
    }
    return {name: value for name, value in form.items() if value or name == "finishedAt"}


def _message(node: Node) -> str:
    """Returns Argo's words, with those that a Penstock task has left for Kubernetes (`inferFailedReason` in its operator.go)."""
    error = node.task.error if node.task else ""
    return f"main: Error (exit code 1){error and f': {error}'}"


def find_pod(run: "Run", pod: str) -> Node | None:
    """Finds the node of a container by its pod's name, or by its own id."""
    return next((node for node in _nodes(run) if node.task and pod in (node.pod(run.workflow), node.id(run.workflow))), None)


def _detail(run: "Run", node: Node) -> dict[str, Any]:
    changed = {"update_time": moment(node.ended or node.started), "state": node.state}
    form = {
        "run_id": run.id,
        "task_id": str(uuid.uuid5(uuid.UUID(run.id), node.name)),
        "display_name": node.display_name,
        "create_time": moment(run.created),
        "start_time": moment(node.started),
        "end_time": moment(node.ended) if node.ended else _UNSET,
        "state": node.state,
        "state_history": [{name: value for name, value in changed.items() if value}],
        "child_tasks": [{"pod_name": node_id(child, run.workflow)} for child in node.children],
    }
    return {name: value for name, value in form.items() if value}


def _nodes(run: "Run") -> list[Node]:
    """Returns the nodes that there are by now."""
    made = list(bounded(_plain_nodes(run)))
    return retried(made) if run.has_default_retries else made


def _plain_nodes(run: "Run") -> list[Node]:
    """Returns the nodes of templates that are not retried, unless a task asks for it."""
    tasks = {task.path: task for task in run.engine.tasks.values()}
    if not any(task.state != "waiting" for task in tasks.values()):
        return []
    maker = _Maker(run, tasks)
    inner = list(maker.dag(run.source.template.spec["root"]["dag"], f"{run.workflow}.root", ()))
    whole = _whole(inner)
    root = Node(f"{run.workflow}.root", "root", "root", whole.state, whole.started, whole.ended, children=maker.first)
    driver = Node(f"{root.name}-driver", "system-dag-driver", "root-driver", "SUCCEEDED", whole.started, whole.started)
    driver.children = [root.name]
    entry = Node(run.workflow, "entrypoint", run.workflow, whole.state, whole.started, whole.ended)
    entry.children = [driver.name]
    return [entry, driver, root, *inner]


@dataclass
class _Whole:
    state: str
    started: datetime
    ended: datetime | None


def _whole(nodes: list[Node]) -> _Whole:
    """Returns what a DAG of these nodes is."""
    states = {node.state for node in nodes}
    state = next((state for state in ("RUNNING", "FAILED") if state in states), "SUCCEEDED")
    ended = None if state == "RUNNING" else max(node.ended for node in nodes if node.ended)
    return _Whole(state, min(node.started for node in nodes), ended)


class _Maker:
    """Makes the nodes of a workflow's DAGs.

    Attributes:
        first: The ids of the first nodes of the DAG that was made last.
    """

    def __init__(self, run: "Run", tasks: dict[tuple[str, ...], ObservedTask]) -> None:
        self.first: list[str] = []
        self._workflow = run.workflow
        self._spec = run.source.template.spec
        self._tasks = tasks
        self._has_ended = run.has_ended
        self._created = run.engine.created

    def dag(self, dag: dict[str, Any], above: str, path: tuple[str, ...]) -> Iterator[Node]:
        """Yields the nodes of a DAG's tasks.

        Args:
            dag: The DagSpec.
            above: The name of the DAG's node.
            path: The keys that lead to it.
        """
        made: dict[str, list[Node]] = {}
        for key, task in dag["tasks"].items():
            where = f"{above}.{key}"
            if task.get("triggerPolicy", {}).get("strategy") == _EXIT:
                where = f"{above}.{(task.get('dependentTasks') or [key])[0]}.onExit.{key}"
            made[key] = list(self._task(key, task, where, (*path, key)))
            if made[key] and where != f"{above}.{key}":
                made[key].insert(0, self._hook(where.removesuffix(f".{key}"), made[key]))
        ends = {key: [node for node in nodes if not node.children] for key, nodes in made.items()}
        self.first = []
        for key, nodes in made.items():
            if not nodes:
                continue
            before = [node for other in dag["tasks"][key].get("dependentTasks", []) for node in ends.get(other, [])]
            for node in before:
                node.children.append(nodes[0].name)
            if not before:
                self.first.append(nodes[0].name)
            yield from nodes

    def _task(self, key: str, task: dict[str, Any], name: str, path: tuple[str, ...]) -> Iterator[Node]:
        """Yields a task's nodes, that which begins it first."""
        reference = task["componentRef"]["name"]
        component = self._spec["components"][reference]
        inside = [observed for place, observed in self._tasks.items() if place[: len(path)] == path]
        if not any(observed.started for observed in inside) and not self._has_ended:
            return
        if "parameterIterator" in task:
            yield from self._loop(key, component, reference, name, path, inside)
        elif "dag" in component:
            yield from self._inner_dag(key, component["dag"], reference, name, path, inside)
        elif "importer" in self._executor(component):
            yield self._container(key, "system-importer", name, inside[0], inside[0].state)
        else:
            yield from self._container_task(key, task, name, inside[0])

    def _hook(self, name: str, inner: list[Node]) -> Node:
        """Returns the node of an exit handler, which lies beside what it is the handler of."""
        whole = _whole(inner)
        display_name = ".".join(name.rsplit(".", 2)[1:])
        return Node(name, "exit-hook", display_name, whole.state, whole.started, whole.ended, children=[inner[0].name])

    def _container_task(self, key: str, task: dict[str, Any], name: str, observed: ObservedTask) -> Iterator[Node]:
        prefix = "retry-" if "retryPolicy" in task else ""
        if observed.state == "not run":
            yield from self._omitted(key, f"{prefix}system-container-executor", name, "system-container-driver")
            return
        node = self._container(key, f"{prefix}system-container-executor", name, None, observed.state, observed)
        driver = Node(f"{name}-driver", "system-container-driver", f"{key}-driver", "SUCCEEDED", node.started, node.started)
        driver.children = [node.name]
        if observed.state == "skipped":
            yield from (driver, node)
            return
        state = "skipped" if observed.state == "cached" else observed.state
        template = f"{prefix}{_IMPLEMENTATION}"
        executor = self._container("executor", template, f"{name}.executor", None if prefix else observed, state, observed)
        executor.has_attempts = bool(prefix)
        node.children = [executor.name]
        yield from (driver, node, executor)
        if prefix and state != "skipped":
            yield from self._attempts(executor, observed, state)

    def _attempts(self, executor: Node, observed: ObservedTask, state: str) -> Iterator[Node]:
        """Yields the pods of a task that may be retried, which are below the node that is a pod elsewhere."""
        for number in range(observed.attempts):
            outcome = state if number == observed.attempts - 1 else "failed"
            name = f"{executor.name}({number})"
            pod = self._container(f"executor({number})", executor.template, name, observed, outcome)
            executor.children.append(pod.name)
            yield pod

    def _inner_dag(
        self, key: str, dag: dict[str, Any], reference: str, name: str, path: tuple[str, ...], inside: list[ObservedTask]
    ) -> Iterator[Node]:
        states = {observed.state for observed in inside}
        if states == {"not run"}:
            yield from self._omitted(key, reference, name, "system-dag-driver")
            return
        if states == {"skipped"}:
            skipped = self._container(key, reference, name, None, "skipped", inside[0])
            yield self._driver(key, name, skipped)
            yield skipped
            return
        inner = list(self.dag(dag, name, path))
        whole = _whole(inner)
        node = Node(name, reference, key, whole.state, whole.started, whole.ended, children=self.first)
        yield from (self._driver(key, name, node), node, *inner)

    def _loop(
        self, key: str, component: dict[str, Any], reference: str, name: str, path: tuple[str, ...], inside: list[ObservedTask]
    ) -> Iterator[Node]:
        if {observed.state for observed in inside} <= {"not run", "skipped", "waiting"}:
            yield from self._omitted(key, f"{reference}-{key}-iterator", name, "")
            return
        group = f"{name}.iteration-iterations"
        numbers = sorted({int(observed.path[len(path)]) for observed in inside if len(observed.path) > len(path) + 1})
        inner = [node for number in numbers for node in self._iteration(number, component, reference, group, path)]
        whole = _whole(inner)
        iterations = Node(group, f"{reference}-iteration", "iteration-iterations", whole.state, whole.started, whole.ended)
        iterations.children = [node.name for node in inner if node.display_name.startswith("iteration-iterations(")]
        driver = Node(f"{name}.iteration-driver", "system-dag-driver", "iteration-driver", "SUCCEEDED", whole.started, whole.started)
        driver.children = [iterations.name]
        node = Node(name, f"{reference}-{key}-iterator", key, whole.state, whole.started, whole.ended)
        node.children = [driver.name]
        yield from (node, driver, iterations, *inner)

    def _iteration(self, number: int, component: dict[str, Any], reference: str, group: str, path: tuple[str, ...]) -> Iterator[Node]:
        name = f"{group}({number}:{number})"
        inner = list(self.dag(component["dag"], f"{name}.iteration-item", (*path, str(number))))
        whole = _whole(inner)
        item = Node(f"{name}.iteration-item", reference, "iteration-item", whole.state, whole.started, whole.ended, children=self.first)
        driver = self._driver("iteration-item", item.name, item)
        node = Node(name, f"{reference}-iteration", name.rpartition(".")[2], whole.state, whole.started, whole.ended)
        node.children = [driver.name]
        yield from (node, driver, item, *inner)

    def _driver(self, key: str, name: str, of: Node) -> Node:
        driver = Node(f"{name}-driver", "system-dag-driver", f"{key}-driver", "SUCCEEDED", of.started, of.started)
        driver.children = [of.name]
        return driver

    def _omitted(self, key: str, template: str, name: str, driver_template: str) -> Iterator[Node]:
        """Yields the nodes of a task that what it depends on has kept from running."""
        time = max((task.ended for task in self._tasks.values() if task.ended), default=self._created)
        node = Node(name, template, key, "", time, time)
        if driver_template:
            yield Node(f"{name}-driver", driver_template, f"{key}-driver", "", time, time, children=[node.name])
        yield node

    def _container(
        self, display_name: str, template: str, name: str, task: ObservedTask | None, state: str, times: ObservedTask | None = None
    ) -> Node:
        observed = times or task
        assert observed
        started = observed.started or observed.ended
        assert started
        return Node(name, template, display_name, _STATES[state], started, observed.ended, task)

    def _executor(self, component: dict[str, Any]) -> dict[str, Any]:
        return self._spec["deploymentSpec"]["executors"][component["executorLabel"]]


def moment(time: datetime) -> str:
    """Returns a time as protobuf's JSON has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
