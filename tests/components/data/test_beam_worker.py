"""The program that a container of Penstock's images becomes where Beam starts it, in the place of a container engine."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from apache_beam.options.pipeline_options import PortableOptions, WorkerOptions
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, beam_runner_api_pb2
from apache_beam.transforms.environments import Environment

from penstock.components.data.beam import Engine
from penstock.components.images import own_image
from penstock.components.protocol import Output, TaskError

SECONDS = 120
ELSEWHERE = ["--runner=PortableRunner", "--job_endpoint=embed"]
ENTRYPOINT = Path(__file__).resolve().parents[3] / "images" / "entrypoint.sh"
# What Beam's in-memory runner asks of Docker, answered with a process in this environment.
DOCKER = """#!/bin/sh
case "$1" in
run)
    while [ "$1" != "a-family" ]; do shift; done
    shift
    sh {entrypoint} "$@" > {log} 2>&1 &
    echo $! ;;
inspect) kill -0 "$4" 2> /dev/null && echo running || echo exited ;;
container) tail -n 1 {log} ;;
kill) kill "$2" ;;
*) exit 1 ;;
esac
"""
PIPELINE = """
import os, sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from penstock.components.data.examples import SplitWriter

def where(_):
    return f"{os.getpid()} {SplitWriter.__module__} {os.environ['WORKER_ID']}"

with beam.Pipeline(options=PipelineOptions(sys.argv[2:])) as pipeline:
    _ = pipeline | beam.Create([0]) | beam.Map(where) | beam.io.WriteToText(sys.argv[1], shard_name_template="")
"""
OPTIONS = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=DOCKER", "--environment_config=a-family"]


def variables(*folders: Path) -> dict[str, str]:
    """Returns the environment of a container: `python` is the family's."""
    path = os.pathsep.join([*map(str, folders), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_a_worker_is_a_process_of_its_own_that_knows_penstock(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER.format(entrypoint=ENTRYPOINT, log=tmp_path / "worker.log"))
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, "-c", PIPELINE, str(tmp_path / "where"), *OPTIONS]
    submitter = subprocess.Popen(command, cwd=tmp_path, env=variables(docker.parent), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = submitter.communicate(timeout=SECONDS)
    assert submitter.returncode == 0, output.decode()
    worker, module, name = (tmp_path / "where").read_text().split()
    assert int(worker) != submitter.pid
    assert module == "penstock.components.data.examples"
    assert name


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """A runner whose submission has staged a file."""

    def GetProvisionInfo(self, request, context):
        role = beam_runner_api_pb2.ArtifactStagingToRolePayload(staged_name="mine.py")
        return beam_provision_api_pb2.GetProvisionInfoResponse(info={"dependencies": [{"role_payload": role.SerializeToString()}]})


def test_a_worker_installs_nothing() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(Provision(), server)
    address = f"localhost:{server.add_insecure_port('localhost:0')}"
    server.start()
    command = ["sh", str(ENTRYPOINT), "--id=1-1", f"--provision_endpoint={address}", "--logging_endpoint=localhost:1"]
    done = subprocess.run(command, env=variables(), capture_output=True, text=True, timeout=SECONDS, check=False)
    server.stop(None)
    assert done.returncode == 1
    message = "error: the worker cannot install mine.py; add the packages to the image that sdk_container_image names"
    assert done.stderr.splitlines()[-1] == message


@pytest.mark.parametrize("environment", [[], ["--environment_type=DOCKER"]], ids=str)
def test_workers_get_the_image_of_the_task(environment: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [*ELSEWHERE, *environment]
    output = Output("examples", str(tmp_path / "examples"), tmp_path / "examples", {})
    monkeypatch.setenv("PENSTOCK_IMAGE", "registry.example.com/penstock-tf:1")
    for more, image in ([], "registry.example.com/penstock-tf:1"), (["--sdk_container_image=mine:2"], "mine:2"):
        options = Engine([*given, *more], own_image("tf"), output).options
        assert options.view_as(WorkerOptions).sdk_container_image == image
        assert Environment.from_options(options.view_as(PortableOptions)).container_image == image


# As Spark's job server says it; Flink's is the same program but for the engine.
DOCKER_SAYS = (
    "Pipeline BeamApp-root-1130035143-420a092_319fe3d7 failed in state FAILED: java.io.IOException: Received exit code 125 for command "
    "'docker run -d --network=host --env=DOCKER_MAC_CONTAINER=null registry.example.com/penstock-tf:1 --id=1-3 "
    "--provision_endpoint=localhost:40965'. stderr: docker: Cannot connect to the Docker daemon.Run 'docker run --help' for more information"
)
# As Beam's job servers repeat what a worker raised.
WORKER_SAYS = """Pipeline job-4f84bc73 failed in state FAILED: Traceback (most recent call last):
  File "apache_beam/runners/worker/sdk_worker.py", line 315, in _execute
    response = task()
{error}

RuntimeError: Traceback (most recent call last):
  File "apache_beam/runners/portability/fn_api_runner/fn_runner.py", line 1, in run
    raise RuntimeError(error)
"""


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (
            DOCKER_SAYS,
            "the workers' image registry.example.com/penstock-tf:1 does not start (docker: Cannot connect to the Docker daemon.);",
        ),
        (
            "Pipeline BeamApp-root-1 failed in state FAILED: org.apache.spark.SparkException: Only one SparkContext should be running in this JVM "
            "(see SPARK-2243).The currently running SparkContext was created at:\norg.apache.spark.api.java.JavaSparkContext.<init>",
            "Spark's job server runs the job of another task, and takes one at a time; run this task again when it is done,",
        ),
        (
            WORKER_SAYS.format(error="ModuleNotFoundError: No module named 'penstock'"),
            "the workers lack the module penstock; name an image",
        ),
        (
            WORKER_SAYS.format(error="ValueError: no such column"),
            "the job on portablerunner failed (ValueError: no such column); see the runner's log",
        ),
        (
            "Pipeline BeamApp-root-1 failed in state FAILED: java.io.IOException: error=2, No such file or directory",
            "the job on portablerunner failed (java.io.IOException: error=2, No such file or directory); see the runner's log",
        ),
    ],
    ids=["container", "busy", "module", "worker", "process"],
)
def test_what_a_runner_says_is_one_line(says: str, message: str, tmp_path: Path) -> None:
    output = Output("examples", str(tmp_path / "examples"), tmp_path / "examples", {})
    with pytest.raises(TaskError) as raised, Engine(ELSEWHERE, own_image("tf"), output) as engine, engine.pipeline():
        raise RuntimeError(says)
    assert str(raised.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_any_other_command_is_run_as_it_is() -> None:
    done = subprocess.run(["sh", str(ENTRYPOINT), "echo", "a  b", "--id=1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a  b --id=1\n")
