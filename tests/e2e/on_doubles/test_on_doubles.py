"""The end-to-end tests, as far as they can be run here: against the doubles, so that they do not rot."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from penstock.compile.generate import with_table
from penstock.spec.compiled_files import compiled_files

from ...command import variables
from ...doubles.kubeflow.double import KubeflowDouble
from ...families import ROOT
from ..cases import test_kubeflow
from ..cluster import ISVC
from ..settings import PAGE, PREFIX, VARIABLES, Settings, table

# For tests that run much of `make e2e`.
WHOLE_SECONDS = 2400
# The pipelines that a case submits.
SUBMITTED = {"training", "flight_delay_training", "promote_or_rollback"}


@pytest.fixture(scope="module")
def cluster(kubernetes_api: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster with KServe and a bucket; the environment that leads there."""
    folder = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "tests.families", "deploy", "-m", "tests.e2e.on_doubles.cluster", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(120)


def e2e(environment: dict[str, str], *words: str) -> tuple[int, str]:
    """Runs the cases as `make e2e` does."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e", *words],
        cwd=ROOT,
        env=variables() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )
    return done.returncode, done.stdout


def left_over(environment: dict[str, str]) -> list[str]:
    """Returns what is left in the cluster and in the bucket."""
    script = Path(__file__).with_name("left_over.py")
    command = [sys.executable, "-m", "tests.families", "deploy", str(script), environment["PENSTOCK_E2E_BUCKET"]]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def outcomes(output: str) -> dict[str, str]:
    return {found[1]: found[2] for found in re.finditer(r"::(\S+(?: at \d+ %\])?) (PASSED|FAILED|SKIPPED|ERROR)", output)}


def test_a_cluster_that_lacks_everything_is_reported(tmp_path: Path) -> None:
    code, output = e2e({"KUBECONFIG": ""})
    assert code == 0, output
    assert set(outcomes(output).values()) == {"SKIPPED"}
    assert "lacking: no cluster: set KUBECONFIG" in output


@pytest.mark.slow
@pytest.mark.timeout(WHOLE_SECONDS)
def test_releases_to_kserve(cluster: dict[str, str]) -> None:
    seen_from_here = {"KUBECONFIG": os.path.relpath(cluster["KUBECONFIG"], ROOT)}
    code, output = e2e(cluster | seen_from_here, "-k", "test_kserve and (first_push or canary or by_hand)")
    assert code == 0, output
    ended = outcomes(output)
    assert ended["test_first_push[standard]"] == "PASSED"
    assert ended["test_rollback_by_hand[standard]"] == "PASSED"
    assert "FAILED" not in ended.values()
    assert left_over(cluster) == []


@pytest.mark.slow
@pytest.mark.timeout(WHOLE_SECONDS)
def test_runs_on_kubeflow(cluster: dict[str, str], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.items():
            patch.setenv(name, value)
        with KubeflowDouble(tmp_path / "kubeflow") as kubeflow:
            place = {
                "PENSTOCK_E2E_KUBEFLOW_HOST": kubeflow.url,
                "PENSTOCK_E2E_NAMESPACE": cluster["NAMESPACE"],
                "PENSTOCK_E2E_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
            }
            code, output = e2e(cluster | place, "-k", "test_kubeflow and (training or gate_of_the_data or control_release)")
            assert code == 0, output
            assert set(outcomes(output).values()) == {"PASSED"}
            assert (kubeflow.records.runs, kubeflow.records.pipelines) == ({}, {})
    assert left_over(cluster) == []


@pytest.mark.slow
@pytest.mark.timeout(WHOLE_SECONDS)
def test_interrupted_tests_remove_what_they_made(cluster: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.e2e", "-k", "test_first_push and standard"]
    with subprocess.Popen(
        command, cwd=ROOT, env=variables() | cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        while not services(cluster):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=600)
    assert process.returncode != 0, output
    assert left_over(cluster) == []


def services(environment: dict[str, str]) -> list[str]:
    """Returns the names of the InferenceServices that are there."""
    with config.new_client_from_config(environment["KUBECONFIG"]) as api:
        found = client.CustomObjectsApi(api).list_cluster_custom_object(*ISVC, "inferenceservices")["items"]
    return [item["metadata"]["name"] for item in found]


def test_every_compiled_file_is_submitted() -> None:
    in_training = {
        container["command"][-1].rpartition(".")[2]
        for document in yaml.safe_load_all(compiled_files()["training"].read_text(encoding="utf-8"))
        for container in (each["container"] for each in document["deploymentSpec"]["executors"].values())
    }
    components = {f"components/{name}" for name in in_training | set(test_kubeflow.ALONE)}
    monitoring = {"monitor_model", "choose_response", "trigger_training", "find_span"}
    no_log_there = {"monitoring"} | {f"components/{name}" for name in monitoring}  # no test on a cluster makes a prediction log
    no_table_there = {"batch_scoring", "components/score_batch"}  # nor a table to score
    with_a_store = {"retrieve_features", "materialize_features", "compare_features"}
    no_store_there = {f"components/{name}" for name in with_a_store}  # nor has a Feast repository
    assert set(compiled_files()) == SUBMITTED | components | no_log_there | no_table_there | no_store_there


def test_a_variable_that_means_nothing_is_refused() -> None:
    code, output = e2e({"PENSTOCK_E2E_NAMESAPCE": "models"})
    assert code == 1
    assert "PENSTOCK_E2E_NAMESAPCE: unknown variable; use " in output


def test_files_and_folders_are_seen_from_where_the_tests_are_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", f"one{os.pathsep}/two")
    monkeypatch.setenv("PENSTOCK_E2E_CONTEXT_FILE", "penstock.toml")
    assert Settings.from_environment().paths() == {
        "KUBECONFIG": f"{tmp_path}/one{os.pathsep}/two",
        "PENSTOCK_E2E_CONTEXT_FILE": f"{tmp_path}/penstock.toml",
        "PENSTOCK_E2E_FLIGHTS": f"{tmp_path}/data/flights",
    }


def test_the_page_has_the_variables() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page, "variables", table())
    assert all(PREFIX + variable.name in page for variable in VARIABLES)
