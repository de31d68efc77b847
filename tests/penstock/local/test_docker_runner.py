"""`penstock run --runner docker`, in the deploy family's image; skipped where there is no container engine, or not that image."""

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kfp import compiler, dsl
from rich.console import Console

from penstock.components.images import image
from penstock.local import docker_runner
from penstock.local.engines import Engine, find_engine
from penstock.local.processes import Processes
from penstock.local.runner import Job
from penstock.spec.pipeline_file import PipelineFile

from ...command import COMMAND, variables

warnings.filterwarnings("ignore", category=FutureWarning)
IMAGE = image("deploy")
_WRITES = "echo {} > $0; "


@pytest.fixture(scope="module")
def engine(container_engine) -> Engine:
    """The engine of this machine, with the image that the tests run in."""
    if not container_engine.image_id(IMAGE):
        pytest.skip(f"the image {IMAGE} is not on this machine; make it: make images")
    return container_engine


@pytest.fixture
def run(engine, penstock, tmp_path):
    """Returns `run(script, *options, path=...)`: runs a shell script as a container component with `path` as a parameter."""

    def run(script: str, *options: str, path: str = "", reference: str = IMAGE) -> subprocess.CompletedProcess[str]:
        file = compiled(tmp_path, reference)
        return penstock("run", file, "--runner", "docker", "--param", f"script={script}", "--param", f"path={path}", *options)

    return run


def compiled(folder: Path, reference: str = IMAGE) -> Path:
    """Compiles a pipeline of one container component, which runs a script and puts out what that leaves in the file `$0`."""

    @dsl.container_component
    def shell(script: str, path: str, output: dsl.OutputPath(str)):  # type: ignore[valid-type]
        arguments = [script, output, path, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
        return dsl.ContainerSpec(image=reference, command=["sh", "-ec"], args=arguments)

    @dsl.pipeline(name="shell")
    def pipeline(script: str, path: str):
        shell(script=script, path=path)

    compiler.Compiler().compile(pipeline, str(folder / "shell.yaml"))
    return folder / "shell.yaml"


@pytest.fixture(autouse=True)
def _none_left(request) -> Iterator[None]:
    """No container of a task outlives its run."""
    yield
    if "engine" in request.fixturenames:
        names = request.getfixturevalue("engine").ask("ps", "--all", "--format", "{{.Names}}").stdout.split()
        assert not [name for name in names if name.startswith("penstock-") and not name.startswith("penstock-serve-")]


def test_outputs_come_back_and_belong_to_the_user(run, tmp_path):
    done = run(_WRITES.format("{}").replace("$0", "$(dirname $0)/executor_output.json") + "id -u > $0")
    assert done.returncode == 0, done.stdout + done.stderr
    (output,) = tmp_path.glob("local_outputs/shell-*/shell/output")
    assert output.read_text().strip() == str(os.getuid())
    assert output.stat().st_uid == os.getuid()
    assert output.stat().st_gid == os.getgid()


@pytest.mark.parametrize(("script", "message"), [("exit 3", "it failed"), ("exit 137", "signal 9"), ("no-such-command", "not found")])
def test_a_container_that_fails_fails_the_run(run, script, message):
    done = run(script)
    assert done.returncode == 1
    assert message in done.stdout


def test_a_container_that_fails_at_once_fails_every_time(run):
    assert [run("exit 3").returncode for _ in range(4)] == [1] * 4, "kubeflow/pipelines#13332"


def test_reads_the_working_directory_and_what_parameters_name_and_writes_neither(run, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "part-0").write_text("far")
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "near").write_text("near")
    checks = "cat near; cat {0}/part-0; if touch x; then exit 4; fi; if touch {0}/x; then exit 5; fi; touch /tmp/x; "
    for path in (f"{elsewhere}/part-*", "link/part-*"):
        done = run(checks.format(elsewhere) + "echo > $0", path=path)
        assert done.returncode == 0, done.stdout


def test_nothing_else_of_this_machine_is_there(run, tmp_path_factory):
    secret = tmp_path_factory.mktemp("home") / "secret"
    secret.write_text("x")
    assert run(f"test ! -e {secret}; if touch /usr/x; then exit 6; fi; echo > $0").returncode == 0


def test_same_image_is_cached_and_another_runner_is_not_asked(run):
    assert run("echo > $0").returncode == 0
    assert "  cached" in run("echo > $0").stdout
    assert "  cached" not in run("echo > $0", "--fresh").stdout


def test_an_image_that_is_not_here_is_one_line(run, tmp_path):
    done = run("true", reference="localhost:1/penstock-tf:none")
    assert done.returncode == 1
    assert "localhost:1/penstock-tf:none is not on this machine and cannot be pulled" in done.stderr
    assert "penstock images build --family tf" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("local_outputs/shell-*")), "nothing was started"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_removes_its_container(engine, tmp_path, number, code):
    script = "trap 'exit 143' TERM; touch $(dirname $0)/started; sleep 60 & wait"
    command = [COMMAND, "run", compiled(tmp_path), "--runner", "docker", "--param", f"script={script}", "--param", "path="]
    process = subprocess.Popen(command, cwd=tmp_path, env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("local_outputs/shell-*/shell/started")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(30) == code


def test_no_engine_is_one_line(penstock, tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_CONTAINER_ENGINE", "no-such-engine")
    done = penstock("run", compiled(tmp_path), "--runner", "docker", "--param", "script=true", "--param", "path=")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no container engine answers (no-such-engine: not found)")
    assert len(done.stderr.splitlines()) == 1


# The arguments of an engine on a machine with a GPU, where this one may have none: a stand-in for it writes its arguments down.
_STAND_IN = """#!/bin/sh
echo "$@" >> {folder}/arguments
case "$1 $2" in
    --version*) echo {product} version 5 ;;
    "image inspect") echo sha256:0 ;;
    inspect*) echo exited 0 false ;;
esac
"""


@pytest.fixture
def engine_arguments(tmp_path, monkeypatch) -> Iterator[Callable[[str, bool, str], str]]:
    """Returns `engine_arguments(product, gpu, reference)`: what the engine is engine_arguments to run for a task of an image."""
    stand_in = tmp_path / "bin" / "engine"
    stand_in.parent.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_CONTAINER_ENGINE", str(stand_in))
    find_engine.cache_clear()

    def engine_arguments(product: str, gpu: bool, reference: str) -> str:
        stand_in.write_text(_STAND_IN.format(folder=tmp_path, product=product))
        stand_in.chmod(0o755)
        monkeypatch.setattr(docker_runner, "has_gpu", lambda: gpu)
        runner = docker_runner.DockerRunner()
        runner.prepare(PipelineFile(compiled(tmp_path, reference)), tmp_path / "root", Console(quiet=True))
        job = Job("", reference, ["true"], {}, {})
        assert runner.run(job, Processes(), tmp_path / "log", print) == 0
        lines = (tmp_path / "arguments").read_text().splitlines()
        assert lines[-1].startswith("rm --force")
        return "\n".join(line for line in lines if line.startswith(("run ", "image inspect")))

    yield engine_arguments
    find_engine.cache_clear()


@pytest.mark.parametrize(("product", "option"), [("docker", "--gpus all"), ("podman", "--device nvidia.com/gpu=all")])
def test_training_gets_every_gpu(engine_arguments, product, option):
    assert option in engine_arguments(product, True, image("tf-gpu"))


def test_other_images_get_no_gpu(engine_arguments):
    assert "--gpus" not in engine_arguments("docker", True, image("tf"))


def test_without_a_gpu_the_smaller_image_trains(engine_arguments):
    output = engine_arguments("docker", False, image("tf-gpu"))
    assert image("tf") in output
    assert "--gpus" not in output


def test_without_a_gpu_a_digest_is_kept_where_nothing_says_another(engine_arguments):
    pinned = f"{image('tf-gpu').rpartition(':')[0]}@sha256:{0:064x}"
    output = engine_arguments("podman", False, pinned)
    assert pinned in output
    assert "--device" not in output
