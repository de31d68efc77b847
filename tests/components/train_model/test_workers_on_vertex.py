"""train_model with workers that are the replicas of a CustomJob of Vertex AI, which a double stands for."""

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from penstock.components import protocol
from penstock.components.images import image
from penstock.components.protocol.marks import ERROR, FIGURE, OUTPUTS, figure_in

from ...doubles.vertex.custom_jobs import Script
from ...doubles.vertex.double import NoServers, VertexDouble
from ...doubles.vertex.faults import Fault
from .remote import NAME, PACKAGE, left, run, spec_in_bucket
from .test_workers import MODULE, SAME

CHIEF, OTHER = "workerpool0-0", "workerpool1-0"
RUNS = Script(code=None)
FAILS = Script(("epoch 1/2", f"{ERROR}the learning rate is 0"), 1)
ACCOUNT = "trainer@my-project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def shared_vertex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexDouble]:
    with VertexDouble(tmp_path_factory.mktemp("vertex"), NoServers()) as double, pytest.MonkeyPatch.context() as patch:
        for name, value in double.environment().items():
            patch.setenv(name, value)
        yield double


@pytest.fixture
def vertex(shared_vertex: VertexDouble) -> VertexDouble:
    shared_vertex.reset()
    return shared_vertex


@pytest.fixture
def make_spec(vertex: VertexDouble, transformed: Any, tracking_uri: str, bucket_elsewhere: str, tmp_path: Path) -> Callable[..., Any]:
    """Makes the executor input of two workers, with the options of `workers_at`."""

    def make(options: str = "", *, location: str = "", upload: bool = False) -> dict[str, Any]:
        place = f"{vertex.project}/{location or vertex.location}"
        workers_at = f"vertex://{place}?api_endpoint={vertex.api_endpoint}{options}"
        parameters = {"module_file": MODULE, "tracking_uri": tracking_uri, "workers": 2, "workers_at": workers_at}
        return spec_in_bucket(f"gs://{bucket_elsewhere}/{tmp_path.name}", tmp_path / "out", parameters, transformed.inputs, upload=upload)

    return make


def failure(spec: dict[str, Any]) -> str:
    """Runs the task in this process; returns how it ended."""
    with pytest.raises(SystemExit) as end:
        protocol.main(PACKAGE, ["--executor_input", json.dumps(spec)])
    return str(end.value.code)


def states(vertex: VertexDouble) -> list[str]:
    return [job.state.name for job in vertex.custom_jobs.all()]


def test_what_vertex_ai_is_asked_for(vertex, make_spec, monkeypatch):
    monkeypatch.setenv("VERTEX_AI_PIPELINES_RUN_LABELS", json.dumps({"penstock_pipeline": "training"}))
    vertex.custom_jobs.scripts |= {CHIEF: FAILS, OTHER: RUNS}
    options = "&machine_type=n1-standard-8&accelerator_type=NVIDIA_TESLA_T4&accelerator_count=2&strategy=spot&labels=team:flights,stage:"
    network, key = "projects/123456789012/global/networks/jobs", "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    failure(make_spec(f"{options}&service_account={ACCOUNT}&network={network}&encryption_key={key}"))
    (job,) = vertex.custom_jobs.all()
    asked = json_format.MessageToDict(type(job).pb(job))
    (arguments,) = {tuple(pool["containerSpec"].pop("args")) for pool in asked["jobSpec"]["workerPoolSpecs"]}
    assert arguments[0] == "--job"
    assert arguments[1].startswith("gs://models/")
    assert asked["labels"] == {"penstock_pipeline": "training", "managed-by": "penstock", "team": "flights", "stage": ""}
    assert asked["encryptionSpec"] == {"kmsKeyName": key}
    pool = {
        "machineSpec": {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2},
        "replicaCount": "1",
        "containerSpec": {
            "imageUri": image("tf-gpu"),
            "command": ["python", "-m", "penstock.components.train_model.workers.remote"],
            "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}],
        },
    }
    assert asked["jobSpec"] == {
        "workerPoolSpecs": [pool, pool],
        "scheduling": {"restartJobOnWorkerRestart": True, "strategy": "SPOT"},
        "serviceAccount": ACCOUNT,
        "network": network,
    }


@pytest.mark.parametrize(
    ("scripts", "tells_ends", "reason"),
    [
        pytest.param(
            {CHIEF: RUNS, OTHER: FAILS}, True, "worker 1 of 2: the learning rate is 0", id="its last words are in the job's error"
        ),
        pytest.param({CHIEF: FAILS, OTHER: RUNS}, False, "worker 0 of 2: the learning rate is 0", id="its last words are in the log"),
        pytest.param(
            {CHIEF: RUNS, OTHER: Script(("its termination message",), 1)}, True, "worker 1 of 2: its termination message", id="termination"
        ),
        pytest.param(
            {CHIEF: RUNS, OTHER: Script(("epoch 1/2", "epoch 2/2"), 137)},
            True,
            "worker 1 of 2 ended with exit code 137 (OOMKilled): epoch 2/2; see the log of CustomJob ",
            id="killed for memory",
        ),
        pytest.param(
            {CHIEF: RUNS, OTHER: Script(("SIGTERM: ending; another attempt goes on from here",), 143)},
            True,
            "worker 1 of 2 has ended, because one of the workers was asked to (SIGTERM); run the task again",
            id="a machine that is taken away",
        ),
    ],
)
def test_a_worker_s_own_reason(vertex, make_spec, scripts, tells_ends, reason):
    vertex.custom_jobs.scripts |= scripts
    vertex.custom_jobs.tells_ends = tells_ends
    spec = make_spec()
    assert failure(spec).startswith(f"error: {reason}")
    assert states(vertex) == ["JOB_STATE_FAILED"]
    assert left(spec) == []


def test_the_chief_s_log_is_the_task_s(vertex, make_spec, capfd):
    said = ("reads the Examples", f"{FIGURE}epoch 1/2, 30 steps/s", f"{OUTPUTS}{{}}")
    vertex.custom_jobs.scripts |= {CHIEF: Script((*said, f"{ERROR}no more"), 1), OTHER: Script(("of another worker",), None)}
    failure(make_spec())
    lines = capfd.readouterr().out.splitlines()
    assert lines.count("reads the Examples") == 1
    assert list(filter(None, map(figure_in, lines)))[-1] == "epoch 1/2, 30 steps/s"
    assert not any(line.startswith(OUTPUTS) or "of another worker" in line for line in lines)


def test_training_goes_on_without_its_log(vertex, make_spec, caplog):
    vertex.denied.add("logging.logEntries.list")
    vertex.custom_jobs.scripts |= {CHIEF: FAILS, OTHER: RUNS}
    with caplog.at_level(logging.WARNING):
        assert "worker 0 of 2: the learning rate is 0" in failure(make_spec())
    assert "grant roles/logging.viewer in project my-project" in caplog.text


@pytest.mark.parametrize(
    ("options", "denied", "reason"),
    [
        pytest.param(
            "",
            ("aiplatform.customJobs.create", "aiplatform.customJobs.list"),
            "the permission aiplatform.customJobs.create or the resource is missing; grant roles/aiplatform.user",
            id="right",
        ),
        pytest.param(f"&service_account={ACCOUNT}", ("iam.serviceAccounts.actAs",), "grant roles/iam.serviceAccountUser in", id="account"),
        pytest.param("&machine_type=n9-huge", (), 'Machine type "n9-huge" is not supported', id="machine"),
        pytest.param("&machine_type=n1-standard-32", (), "a quota is used up; ask for more at", id="quota"),
    ],
)
def test_vertex_ai_refuses_the_job(vertex, make_spec, options, denied, reason):
    vertex.denied |= {*denied}
    vertex.quotas["custom_model_training_cpus"] = 32
    spec = make_spec(options)
    said = failure(spec)
    assert said.startswith("error: vertex://my-project/us-central1: cannot train with several workers: ")
    assert reason in said
    assert (states(vertex), left(spec)) == ([], [])


def test_a_region_that_is_another_one_s(vertex, make_spec):
    assert "localhost" in (said := failure(make_spec(location="europe-west4")))
    assert "does not serve the region europe-west4" in said


def test_a_job_that_never_runs(vertex, make_spec):
    vertex.custom_jobs.lacks_machines = True
    assert "does not run within 0 s, its state is JOB_STATE_QUEUED: there may be no such machines" in failure(make_spec("&start_seconds=0"))
    assert states(vertex) == ["JOB_STATE_CANCELLED"]


def test_a_task_that_is_ended_cancels_the_job(vertex, make_spec):
    vertex.custom_jobs.scripts |= {CHIEF: RUNS, OTHER: RUNS}
    vertex.faults.add(Fault("GetCustomJob", nth=2, hook=lambda _: os.kill(os.getpid(), signal.SIGTERM)))
    spec = make_spec()
    assert failure(spec) == "143"
    assert states(vertex) == ["JOB_STATE_CANCELLED"]
    assert left(spec) == []


def test_a_task_that_is_ended_before_the_answer_is_there_cancels_the_job(vertex, make_spec):
    vertex.custom_jobs.scripts |= {CHIEF: RUNS, OTHER: RUNS}
    vertex.faults.add(Fault("CreateCustomJob", after=True, hook=lambda _: os.kill(os.getpid(), signal.SIGTERM), hang=True))
    assert failure(make_spec()) == "143"
    assert states(vertex) == ["JOB_STATE_CANCELLED"]


def test_a_job_that_somebody_deletes(vertex, make_spec):
    vertex.custom_jobs.scripts |= {CHIEF: RUNS, OTHER: RUNS}
    vertex.faults.add(Fault("GetCustomJob", nth=2, hook=lambda call: vertex.custom_jobs.delete(call.request.name)))
    assert "was deleted while it trained; run the task again" in failure(make_spec())


def test_an_answer_that_is_lost_makes_no_second_job(vertex, make_spec):
    vertex.custom_jobs.scripts |= {CHIEF: FAILS, OTHER: RUNS}
    vertex.faults.add(Fault("CreateCustomJob", after=True, code=grpc.StatusCode.UNAVAILABLE))
    assert "worker 0 of 2: the learning rate is 0" in failure(make_spec())
    assert states(vertex) == ["JOB_STATE_FAILED"]


@pytest.mark.parametrize(
    ("workers_at", "says"),
    [
        ("vertex://my-project", "workers_at is 'vertex://my-project'; give local://, kubeflow://NAMESPACE or vertex://PROJECT/LOCATION"),
        ("vertex://my-project/moon", "vertex://my-project/moon has no valid project and region"),
        ("vertex://p/us-central1?gpus=1", "workers_at has the option 'gpus'; vertex:// has accelerator_count, accelerator_type, "),
        ("vertex://p/us-central1?accelerator_count=1", "accelerator_type and accelerator_count belong together"),
        ("vertex://p/us-central1?accelerator_count=one", "accelerator_count=one; give a whole number of accelerators"),
        ("vertex://p/us-central1?accelerator_type=L4&accelerator_count=1", "accelerator_type 'L4' is unknown; give one of NVIDIA_"),
        ("vertex://p/us-central1?strategy=cheap", "strategy 'cheap' is unknown; give one of"),
        ("vertex://p/us-central1?labels=team", "workers_at has the label 'team'; give labels=KEY:VALUE"),
    ],
)
def test_a_place_that_is_none(run_task, transformed, tracking_uri, workers_at, says):
    result = run_task(NAME, {"module_file": MODULE, "tracking_uri": tracking_uri, "workers_at": workers_at}, transformed.inputs)
    assert says in result.error


def test_artifacts_that_workers_cannot_reach(run_task, transformed, tracking_uri):
    parameters = {"module_file": MODULE, "tracking_uri": tracking_uri, "workers": 2, "workers_at": "vertex://p/us-central1"}
    assert "where workers on other machines cannot reach it" in run_task(NAME, parameters, transformed.inputs).error


@pytest.mark.slow
def test_the_replicas_of_a_job_train_one_model(vertex, make_spec, run_task, transformed, tracking_uri, tmp_path):
    spec = make_spec(upload=True)
    done = run(spec)
    assert done.returncode == 0, done.stdout + done.stderr
    given = json.loads((tmp_path / "out" / "executor_output.json").read_text())["artifacts"]
    model, metrics = (given[name]["artifacts"][0]["metadata"] for name in ("model", "metrics"))
    assert model["strategy"] == "tensorflow.distribute.MultiWorkerMirroredStrategy"
    assert (tmp_path / "out" / "model" / "saved_model.pb").is_file()
    alone = run_task(NAME, {"module_file": MODULE, "tracking_uri": tracking_uri}, transformed.inputs).metadata["metrics"]
    assert {name: metrics[name] for name in ("loss", "auc", "val_loss", "val_auc")} == {
        name: pytest.approx(alone[name], rel=SAME) for name in ("loss", "auc", "val_loss", "val_auc")
    }
    said = list(filter(None, map(figure_in, done.stdout.splitlines())))
    assert said[0].startswith("CustomJob ")
    assert said[-1].startswith("epoch 2/2, ")
    assert states(vertex) == ["JOB_STATE_SUCCEEDED"]
    assert left(spec) == []


@pytest.mark.slow
def test_the_reason_of_a_module_that_fails_on_a_replica(vertex, make_spec):
    spec = make_spec(upload=True)
    spec["inputs"]["parameterValues"]["module_file"] = "def run_fn(fn_args):\n    raise ValueError('no more')\n"
    done = run(spec)
    assert done.returncode == 1
    assert "run_fn of module_file raised ValueError: no more (line 2); correct the module" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("error: worker ")
    assert states(vertex) == ["JOB_STATE_FAILED"]
