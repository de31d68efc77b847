"""train_model with workers that are pods of a TrainJob: Kubeflow Trainer's definitions on a real API, its controller and nodes by a double."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from penstock.components.protocol.marks import figure_in

from ...doubles.kubernetes.faults import Fault, Hang
from ...doubles.trainer import NAMESPACE, TrainerDouble
from ...waiting import until
from ..conftest import component_process
from .remote import NAME, PACKAGE, left, run, spec_in_bucket
from .test_workers import MODULE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared_cluster(kubernetes_api: None) -> Iterator[TrainerDouble]:
    with TrainerDouble(Path(os.environ["KUBEBUILDER_ASSETS"])) as double:
        yield double


@pytest.fixture
def cluster(shared_cluster: TrainerDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainerDouble]:
    monkeypatch.setenv("KUBECONFIG", str(shared_cluster.write_kubeconfig(tmp_path / "kubeconfig")))
    yield shared_cluster
    shared_cluster.pending.clear()
    shared_cluster.killed.clear()
    shared_cluster.faults.clear()


@pytest.fixture
def spec(transformed: Any, tracking_uri: str, bucket_elsewhere: str, tmp_path: Path) -> dict[str, Any]:
    """The executor input of two workers whose artifacts are in a bucket, as Kubeflow's launcher has them here, too."""
    parameters = {
        "module_file": MODULE,
        "tracking_uri": tracking_uri,
        "workers": 2,
        "workers_at": f"kubeflow://{NAMESPACE}?runtime=penstock",
    }
    return spec_in_bucket(f"s3://{bucket_elsewhere}/{tmp_path.name}", tmp_path / "out", parameters, transformed.inputs)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


def test_the_pods_of_a_trainjob_train_one_model(cluster, spec, tracking_uri, tmp_path):
    done = run(spec)
    assert done.returncode == 0, done.stdout + done.stderr
    given = json.loads((tmp_path / "out" / "executor_output.json").read_text())
    model = given["artifacts"]["model"]["artifacts"][0]["metadata"]
    assert model["strategy"] == "tensorflow.distribute.MultiWorkerMirroredStrategy"
    assert (tmp_path / "out" / "model" / "saved_model.pb").is_file()
    run_id = given["parameterValues"]["tracking_run_id"]
    client = MlflowClient(tracking_uri)
    (tracked,) = client.search_runs([client.get_experiment_by_name("penstock").experiment_id])
    assert tracked.info.run_id == run_id
    assert tracked.data.metrics.items() <= given["artifacts"]["metrics"]["artifacts"][0]["metadata"].items()
    said = list(filter(None, map(figure_in, done.stdout.splitlines())))
    assert said[0].startswith("TrainJob penstock-")
    assert said[-1].startswith("epoch 2/2, ")
    assert cluster.jobs() == []
    assert left(spec) == []


def test_a_worker_s_own_reason(cluster, spec):
    spec["inputs"]["parameterValues"]["module_file"] = "def run_fn(fn_args):\n    raise ValueError('no more')\n"
    error = error_of(run(spec))
    assert "run_fn of module_file raised ValueError: no more (line 2); correct the module" in error
    assert error.startswith("error: worker ")
    assert cluster.jobs() == []
    assert left(spec) == []


def test_a_worker_that_is_killed_for_memory(cluster, spec):
    cluster.killed.add(1)
    assert "worker 1 of 2 ended with exit code 137 (OOMKilled)" in error_of(run(spec))


def test_a_pod_that_is_evicted_takes_no_step_with_it(cluster, spec, tmp_path):
    for worker in range(2):
        (tmp_path / str(worker)).mkdir()
        (tmp_path / str(worker) / "plan").write_text("SIGTERM train 27 parent" if worker else "")
    values = spec["inputs"]["parameterValues"]
    values["module_file"] = Path(__file__).with_name("resumable.py").read_text().replace('"FOLDER"', repr(str(tmp_path)))
    values["checkpoint_uri"] = str(tmp_path / "checkpoints")
    assert "checkpoint_uri is " in error_of(run(spec))
    root = spec["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"].rpartition("/")[0]
    values["checkpoint_uri"] = f"{root}/checkpoints"
    assert " of 2 has ended, because one of the workers was asked to (SIGTERM); run the task again" in error_of(run(spec))
    assert [(tmp_path / str(worker) / "steps").read_text().split()[-1] for worker in range(2)] == ["27", "27"]
    done = run(spec)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "0" / "steps").read_text().split() == [str(step) for step in range(1, 61)]
    given = json.loads((tmp_path / "out" / "executor_output.json").read_text())
    metadata = given["artifacts"]["model"]["artifacts"][0]["metadata"]
    assert (metadata["attempts"], metadata["resumed_from_step"]) == (2, 27)
    assert left(spec) == []


def test_a_worker_that_never_starts(cluster, spec):
    cluster.pending[1] = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    cluster.pending[0] = cluster.pending[1]
    spec["inputs"]["parameterValues"]["workers_at"] += "&start_seconds=1"
    error = error_of(run(spec))
    assert "worker 0 of 2 does not start within 1 s: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu." in error
    assert cluster.jobs() == []


def test_a_trainjob_that_somebody_deletes(cluster, spec):
    cluster.pending[0] = cluster.pending[1] = "no node"
    with subprocess.Popen(**component_process(PACKAGE, json.dumps(spec)), stderr=subprocess.PIPE, text=True) as task:
        until(cluster.jobs, 600)
        cluster.delete(cluster.jobs()[0]["metadata"]["name"])
        assert task.wait() == 1
        assert task.stderr
        assert "was deleted while it trained; run the task again" in task.stderr.read().splitlines()[-1]


def test_a_task_that_is_ended_deletes_the_trainjob(cluster, spec):
    cluster.pending[0] = cluster.pending[1] = "no node"
    with subprocess.Popen(**component_process(PACKAGE, json.dumps(spec))) as task:
        until(cluster.jobs, 600)
        os.kill(task.pid, signal.SIGTERM)
        assert task.wait() == 143
    assert cluster.jobs() == []


def test_a_task_that_is_ended_before_the_cluster_answers_deletes_the_trainjob(cluster, spec):
    cluster.pending[0] = cluster.pending[1] = "no node"
    cluster.faults.append(Fault(Hang(applied=True), when=lambda call: call.method == "POST"))
    with subprocess.Popen(**component_process(PACKAGE, json.dumps(spec))) as task:
        until(cluster.jobs, 600)
        os.kill(task.pid, signal.SIGTERM)
        assert task.wait() == 143
    assert cluster.jobs() == []


def test_an_account_without_the_right(cluster, spec, tmp_path):
    cluster.write_kubeconfig(tmp_path / "kubeconfig", cluster.stranger)
    error = error_of(run(spec))
    assert "does not allow this (403 Forbidden): trainjobs.trainer.kubeflow.org is forbidden" in error


def test_a_cluster_without_trainer(kubernetes_api, spec, tmp_path, monkeypatch):
    with TrainerDouble(Path(os.environ["KUBEBUILDER_ASSETS"]), with_trainer=False) as bare:
        monkeypatch.setenv("KUBECONFIG", str(bare.write_kubeconfig(tmp_path / "kubeconfig")))
        assert "this cluster has no trainjobs.trainer.kubeflow.org; install Kubeflow Trainer v2" in error_of(run(spec))


def test_artifacts_that_pods_cannot_reach(run_task, transformed, tracking_uri):
    parameters = {"module_file": MODULE, "tracking_uri": tracking_uri, "workers": 2, "workers_at": f"kubeflow://{NAMESPACE}"}
    result = run_task(NAME, parameters, transformed.inputs)
    assert "where workers on other machines cannot reach it" in result.error


@pytest.mark.parametrize(
    ("workers_at", "says"),
    [
        ("kubeflow://", "workers_at is 'kubeflow://'; give local://, kubeflow://NAMESPACE or vertex://PROJECT/LOCATION"),
        ("spark://x", "workers_at is 'spark://x'; give"),
        ("kubeflow://a?gpu=1", "workers_at has the option 'gpu'; kubeflow:// has runtime, start_seconds"),
        ("kubeflow://a?start_seconds=soon", "workers_at has start_seconds=soon; give a whole number of seconds"),
    ],
)
def test_a_place_that_is_none(run_task, transformed, tracking_uri, workers_at, says):
    result = run_task(NAME, {"module_file": MODULE, "tracking_uri": tracking_uri, "workers_at": workers_at}, transformed.inputs)
    assert says in result.error
