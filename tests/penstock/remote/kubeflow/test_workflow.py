"""What an Argo workflow says of a run's tasks, in the cases that need a cluster to happen."""

import base64
import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.remote.kubeflow.workflow import Pod, Workflow
from penstock.remote.target import CACHED, CANCELED, DONE, FAILED, NOT_RUN, RUNNING, SKIPPED, UNKNOWN, WAITING, TaskState
from penstock.spec.pipeline_file import PipelineFile

from ...pipelines import chain, compiled, nested_gates, retried

NAME = "chain-x7k2p"
IMPLEMENTATION = "system-container-impl"
START, END = "2026-05-04T06:00:00Z", "2026-05-04T06:00:09Z"


def node_id(name: str) -> str:
    return NAME if name == NAME else f"{NAME}-{sum(map(ord, name))}"


def node(path: str, phase: str, **fields: Any) -> dict[str, Any]:
    """A node as Argo writes it into a workflow's status, whose templates are not retried."""
    name = f"{NAME}.root.{path}" if path else NAME
    above, _, own = name.rpartition(".")
    is_pod = path.endswith(("-driver", "executor", ")"))
    written = {"id": node_id(name), "name": name, "type": "Pod" if is_pod else "DAG", "phase": phase, "startedAt": START}
    written |= {"displayName": own, "boundaryID": node_id(above) if above else "", "children": []}
    written["templateName"] = IMPLEMENTATION if "executor" in path else "system-container-executor"
    return written | ({"finishedAt": END} if phase not in {"Running", "Pending"} else {"finishedAt": None}) | fields


def workflow(
    of: dict[str, Any], /, *nodes: dict[str, Any], phase: str = "Running", terminated: datetime | None = None, **manifest: Any
) -> Workflow:
    entry = node("", phase)
    root = entry | {"id": node_id(f"{NAME}.root"), "name": f"{NAME}.root", "displayName": "root", "boundaryID": NAME}
    status = {"phase": phase, "nodes": {each["id"]: each for each in (entry, root, *nodes)}}
    return Workflow({"metadata": {"name": NAME}, "status": status} | manifest, of, terminated=terminated)


def tasks_of(workflow: Workflow) -> dict[str, TaskState]:
    return {task.key: task for task in workflow.tasks()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def spec(folder: Path) -> dict[str, Any]:
    """`write`, then `read`."""
    return PipelineFile(compiled(chain, folder)).document


def test_all_is_still_to_come_before_there_are_nodes(spec: dict[str, Any]) -> None:
    assert {key: task.state for key, task in tasks_of(Workflow({}, spec)).items()} == {"write": WAITING, "read": WAITING}


@pytest.mark.parametrize(("phase", "state"), [("Pending", WAITING), ("Running", RUNNING)])
def test_a_task_runs_when_its_container_does(spec: dict[str, Any], phase: str, state: str) -> None:
    nodes = [node("write-driver", "Succeeded"), node("write", "Running"), node("write.executor", phase)]
    assert tasks_of(workflow(spec, *nodes))["write"].state == state


def test_the_times_are_the_containers(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Succeeded", startedAt="2026-05-04T05:00:00Z"), node("write.executor", "Succeeded")]
    task = tasks_of(workflow(spec, *nodes))["write"]
    assert (task.state, task.started.isoformat(), task.ended.isoformat()) == (
        DONE,
        START.replace("Z", "+00:00"),
        END.replace("Z", "+00:00"),
    )


def test_a_task_whose_driver_fails_has_failed(spec: dict[str, Any]) -> None:
    nodes = [node("write-driver", "Error", message="cannot resolve the inputs"), node("write", "Omitted", type="Skipped")]
    failed = workflow(spec, *nodes, phase="Failed")
    tasks = tasks_of(failed)
    assert (tasks["write"].state, tasks["write"].error, tasks["read"].state) == (FAILED, "write-driver: cannot resolve the inputs", NOT_RUN)
    assert failed.pod("write").name == f"{NAME}-system-container-executor-{nodes[0]['id'].rpartition('-')[2]}"


def test_a_cached_task_has_no_pod(spec: dict[str, Any]) -> None:
    nodes = [node("write-driver", "Succeeded"), node("write", "Succeeded"), node("write.executor", "Skipped", type="Skipped")]
    cached = workflow(spec, *nodes)
    assert (tasks_of(cached)["write"].state, cached.pod("write"), cached.pod("wrote")) == (CACHED, Pod(), None)


def test_the_reason_is_the_containers(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Failed", message="child 'x' failed"), node("write.executor", "Failed", message="OOMKilled (exit code 137)")]
    assert tasks_of(workflow(spec, *nodes, phase="Failed"))["write"].error == "OOMKilled (exit code 137)"


def test_what_failed_before_a_run_was_canceled_has_failed(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Failed"), node("write.executor", "Failed", message="main: Error (exit code 1)")]
    status = {"spec": {"activeDeadlineSeconds": 0}}
    ended = workflow(spec, *nodes, phase="Failed", terminated=datetime.fromisoformat(END.replace("Z", "+00:00")), **status)
    assert tasks_of(ended)["write"].state == CANCELED
    later = datetime.fromisoformat("2026-05-04T06:00:10+00:00")
    assert tasks_of(workflow(spec, *nodes, phase="Failed", terminated=later, **status))["write"].state == FAILED


def test_a_task_whose_workflow_is_tried_again_has_not_failed(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Error"), node("write.executor", "Error", message="cannot be created")]
    again = workflow(spec, *nodes)
    assert tasks_of(again)["write"].state == FAILED
    entry = node("", "Running", type="Retry", children=[node_id(f"{NAME}(0)")])
    attempt = node("", "Running") | {"id": node_id(f"{NAME}(0)"), "name": f"{NAME}(0)", "displayName": f"{NAME}(0)"}
    root = {"id": node_id(f"{NAME}.root"), "name": f"{NAME}(0).root", "displayName": "root", "boundaryID": attempt["id"], "type": "DAG"}
    status = {"phase": "Running", "nodes": {each["id"]: each for each in (entry, attempt, root, *nodes)}}
    assert tasks_of(Workflow({"metadata": {"name": NAME}, "status": status}, spec))["write"].state == WAITING


def test_what_a_done_workflow_has_no_node_of_is_unknown(spec: dict[str, Any]) -> None:
    done = workflow(spec, node("write", "Succeeded"), node("read", "Omitted", type="Skipped"), phase="Succeeded")
    assert {key: task.state for key, task in tasks_of(done).items()} == {"write": DONE, "read": NOT_RUN}
    done = workflow(spec, node("write", "Succeeded"), phase="Succeeded")
    assert {key: task.state for key, task in tasks_of(done).items()} == {"write": DONE, "read": UNKNOWN}


def test_a_dag_whose_driver_fails_says_why(folder: Path) -> None:
    spec = PipelineFile(compiled(nested_gates, folder)).document
    nodes = [node("make", "Succeeded"), node("condition-1-driver", "Failed", message="no such value"), node("condition-1", "Omitted")]
    failed = workflow(spec, *nodes, phase="Failed")
    assert (failed.error, tasks_of(failed)["say"].state) == ("condition-1-driver: no such value", NOT_RUN)


def test_what_a_canceled_run_ends_is_canceled(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Failed"), node("write.executor", "Failed"), node("read", "Omitted", type="Skipped")]
    ended = workflow(spec, *nodes, phase="Failed", spec={"activeDeadlineSeconds": 0})
    assert {key: task.state for key, task in tasks_of(ended).items()} == {"write": CANCELED, "read": NOT_RUN}


class TestAttempts:
    """Argo tries again in a node of type Retry, whose attempts are numbered pods."""

    @pytest.fixture
    def spec(self, folder: Path) -> dict[str, Any]:
        return PipelineFile(compiled(retried, folder)).document

    def nodes(self, *phases: str) -> list[dict[str, Any]]:
        attempts = [node(f"fail-once.executor({number})", phase) for number, phase in enumerate(phases)]
        children = [each["id"] for each in attempts]
        return [node("fail-once", "Running"), node("fail-once.executor", "Running", type="Retry", children=children), *attempts]

    def test_a_failed_attempt_is_no_failed_task(self, spec: dict[str, Any]):
        assert tasks_of(workflow(spec, *self.nodes("Failed")))["fail-once"].state == WAITING
        assert tasks_of(workflow(spec, *self.nodes("Failed", "Running")))["fail-once"].state == RUNNING

    def test_the_log_is_the_last_attempts(self, spec: dict[str, Any]):
        nodes = self.nodes("Failed", *["Failed"] * 9, "Running")
        assert workflow(spec, *nodes).pod("fail-once").name == f"{NAME}-{IMPLEMENTATION}-{nodes[-1]['id'].rpartition('-')[2]}"


def test_what_lies_behind_a_closed_condition_is_skipped(folder: Path) -> None:
    spec = PipelineFile(compiled(nested_gates, folder)).document
    nodes = [node("make", "Succeeded"), node("condition-1", "Succeeded"), node("condition-1.condition-2", "Skipped", type="Skipped")]
    assert {key: task.state for key, task in tasks_of(workflow(spec, *nodes)).items()} == {"make": DONE, "say": SKIPPED}


def test_big_workflows_are_packed(spec: dict[str, Any]) -> None:
    root = node("", "Succeeded") | {"id": node_id(f"{NAME}.root"), "displayName": "root", "boundaryID": NAME}
    nodes = {each["id"]: each for each in (node("", "Succeeded"), root, node("write", "Succeeded"), node("write.executor", "Succeeded"))}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    assert tasks_of(Workflow({"metadata": {"name": NAME}, "status": {"compressedNodes": packed}}, spec))["write"].state == DONE


def test_pods_are_named_by_their_node_in_the_old_format(spec: dict[str, Any]) -> None:
    nodes = [node("write", "Running"), node("write.executor", "Running")]
    metadata = {"name": NAME, "annotations": {"workflows.argoproj.io/pod-name-format": "v1"}}
    assert workflow(spec, *nodes, metadata=metadata).pod("write") == Pod(nodes[1]["id"], nodes[1]["id"])


def test_a_run_of_the_v1_api_has_no_tasks() -> None:
    assert list(Workflow({"metadata": {"name": NAME}, "status": {}}, {"spec": {"templates": []}}).tasks()) == []
