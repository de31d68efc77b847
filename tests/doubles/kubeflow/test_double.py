"""The double through kfp's own client, as a user's program uses it."""

import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import kfp_server_api
import pytest
import yaml
from kfp import dsl
from kfp.client import Client
from kfp_server_api import ApiException

from ...penstock import pipelines
from ...waiting import until
from ..pipeline_runs import PipelineRun
from .double import NAMESPACE, USER, KubeflowDouble
from .faults import Disconnect, Fail, Fault, Hang

ROOT = Path(__file__).resolve().parents[3]
PIPELINE = {"gate": pipelines.gate, "waiting": pipelines.waiting, "failing": pipelines.failing, "retried": pipelines.retried}


@dsl.pipeline(name="once")
def once(folder: str):
    pipelines.fail_once(folder=folder)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A single-user installation."""
    with KubeflowDouble(tmp_path / "root") as double:
        yield double


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[KubeflowDouble]:
    """A multi-user installation that asks who is there."""
    with KubeflowDouble(tmp_path / "root", multi_user=True, token="valid", password="secret") as double:
        yield double


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compiled pipelines, by name."""
    folder = tmp_path_factory.mktemp("files")
    return {name: pipelines.compiled(pipeline, folder) for name, pipeline in {**PIPELINE, "once": once}.items()}


def client(double: KubeflowDouble, **options: Any) -> Client:
    """Returns kfp's client, which has nothing stored on this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Client(host=double.url, **options)


def submit(double: KubeflowDouble, file: Path, folder: Path, **parameters: Any) -> str:
    """Starts a run, and returns its id."""
    arguments = {"folder": pipelines.to(folder), **parameters}
    return client(double).create_run_from_pipeline_package(str(file), arguments, run_name="a run").run_id


def finished(double: KubeflowDouble, run_id: str) -> kfp_server_api.V2beta1Run:
    """Returns a run once it has ended."""
    assert double.run(run_id).engine.wait(60)
    return client(double).get_run(run_id)


def nodes(run: kfp_server_api.V2beta1Run) -> dict[str, list[str | None]]:
    """Returns the states of a run's nodes, by display name."""
    states: dict[str, list[str | None]] = {}
    for detail in run.run_details.task_details:
        states.setdefault(detail.display_name, []).append(detail.state)
    return states


def refusal(error: pytest.ExceptionInfo[ApiException]) -> tuple[int, dict[str, Any]]:
    """Returns the status and the body of what the server refused."""
    return error.value.status, json.loads(error.value.body)


class TestPipelines:
    """The list of pipelines."""

    def test_versions_lie_under_one_name_with_their_spec(self, double: KubeflowDouble, files: dict[str, Path]):
        kfp = client(double)
        pipeline = kfp.upload_pipeline(str(files["gate"]), pipeline_name="gates", description="opens")
        version = kfp.upload_pipeline_version(str(files["waiting"]), "second", pipeline_id=pipeline.pipeline_id)

        listed = kfp.list_pipeline_versions(pipeline.pipeline_id, sort_by="created_at").pipeline_versions
        assert [item.display_name for item in listed] == ["gates", "second"]
        assert (
            kfp.get_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id).pipeline_spec["pipelineInfo"]["name"] == "waiting"
        )
        assert kfp.get_pipeline_id("gates") == pipeline.pipeline_id
        assert kfp.get_pipeline_id("none") is None
        assert kfp.pipelines.pipeline_service_get_pipeline_by_name(name="gates").description == "opens"

    def test_a_name_is_taken_once(self, double: KubeflowDouble, files: dict[str, Path]):
        kfp = client(double)
        pipeline = kfp.upload_pipeline(str(files["gate"]), pipeline_name="gates")
        with pytest.raises(ApiException) as again:
            kfp.upload_pipeline(str(files["gate"]), pipeline_name="gates")
        with pytest.raises(ApiException) as version:
            kfp.upload_pipeline_version(str(files["gate"]), "gates", pipeline_id=pipeline.pipeline_id)

        assert refusal(again)[0] == 409
        assert refusal(again)[1]["error_message"] == "Failed to create a pipeline and a pipeline version"
        assert refusal(version)[0] == 409

    def test_a_pipeline_goes_after_its_versions(self, double: KubeflowDouble, files: dict[str, Path]):
        kfp = client(double)
        pipeline = kfp.upload_pipeline(str(files["gate"]), pipeline_name="gates")
        with pytest.raises(ApiException) as error:
            kfp.delete_pipeline(pipeline.pipeline_id)
        assert "as it has existing pipeline versions" in refusal(error)[1]["message"]

        [version] = kfp.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
        kfp.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
        kfp.delete_pipeline(pipeline.pipeline_id)
        with pytest.raises(ApiException) as gone:
            kfp.get_pipeline(pipeline.pipeline_id)

        code, body = refusal(gone)
        assert code == 404
        assert body["code"] == 5
        assert body["details"][0]["message"] == f"Pipeline {pipeline.pipeline_id} not found"

    def test_two_documents_are_a_pipeline_and_its_platform(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-say": {"imagePullPolicy": "Always"}}}}}}
        file = tmp_path / "two.yaml"
        file.write_text(f"{files['gate'].read_text()}\n---\n{yaml.safe_dump(platform)}")
        kfp = client(double)
        pipeline = kfp.upload_pipeline(str(file), pipeline_name="two")

        [version] = kfp.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
        assert version.pipeline_spec["platform_spec"] == platform
        assert version.pipeline_spec["pipeline_spec"]["pipelineInfo"]["name"] == "gate"


def _unknown_field(spec: dict[str, Any]) -> None:
    spec["root"]["surprise"] = 1


def _old(spec: dict[str, Any]) -> None:
    spec["schemaVersion"] = "2.0.0"


def _named(spec: dict[str, Any]) -> None:
    spec["pipelineInfo"]["name"] = "Gate"


def _two(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [spec, spec]


def _bad_platform(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [spec, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-say": {"pull": "Always"}}}}}}]


def _no_root(spec: dict[str, Any]) -> None:
    del spec["root"]


SPOILED = {
    _unknown_field: 'no field named "surprise"',
    _old: "KFP only supports schema version 2.1.0, but the pipeline spec has version 2.0.0",
    _named: "pipeline's name must contain only lowercase alphanumeric characters",
    _two: "multiple pipeline specs provided",
    _bad_platform: 'no field named "pull"',
    _no_root: "unknown template format",
}


@pytest.mark.parametrize(("spoil", "complaint"), SPOILED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_uploaded_is_checked_strictly(
    double: KubeflowDouble, files: dict[str, Path], tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], complaint: str
):
    spec = yaml.safe_load(files["gate"].read_text())
    documents = spoil(spec) or [spec]
    file = tmp_path / "spoiled.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    with pytest.raises(ApiException) as error:
        client(double).upload_pipeline(str(file), pipeline_name="spoiled")

    code, body = refusal(error)
    assert code == 400
    assert complaint in body["error_message"]
    assert not double.records.pipelines


class TestRuns:
    """Runs, which run."""

    def test_tasks_are_the_nodes_of_a_workflow(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        run = finished(double, submit(double, files["gate"], tmp_path))

        assert run.state == "SUCCEEDED"
        assert (tmp_path / "said").read_text() == "open\n"
        assert [status.state for status in run.state_history][-1] == "SUCCEEDED"
        names = {"root", "root-driver", "make", "make-driver", "condition-1", "condition-1-driver", "say", "say-driver", "executor"}
        expected = {*names, double.run(run.run_id).workflow}
        assert set(nodes(run)) == expected | {f"{name}(0)" for name in expected}
        assert nodes(run)["executor"] == ["SUCCEEDED", "SUCCEEDED"]

    def test_the_second_run_takes_outputs_from_the_cache(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        finished(double, submit(double, files["gate"], tmp_path))
        run = finished(double, submit(double, files["gate"], tmp_path))

        assert run.state == "SUCCEEDED"
        assert nodes(run)["make"] == nodes(run)["say"] == ["SUCCEEDED"]
        assert nodes(run)["executor"] == ["SKIPPED", "SKIPPED"]

    def test_a_condition_skips_its_dag(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        run = finished(double, submit(double, files["gate"], tmp_path, text="not blessed"))

        assert run.state == "SUCCEEDED"
        assert nodes(run)["condition-1"] == ["SKIPPED"]
        assert "say" not in nodes(run)

    def test_what_follows_a_failure_is_omitted(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        run = finished(double, submit(double, files["failing"], tmp_path))

        assert run.state == "FAILED"
        assert nodes(run)["fail"] == ["FAILED"]
        assert nodes(run)["say"] == [None]

    def test_a_retried_task_has_a_pod_for_each_attempt(self, files: dict[str, Path], tmp_path: Path):
        with KubeflowDouble(tmp_path / "other", default_retries=False) as other:
            run = finished(other, submit(other, files["retried"], tmp_path))

        assert run.state == "SUCCEEDED"
        assert nodes(run)["executor(0)"] == ["FAILED"]
        assert nodes(run)["executor(1)"] == ["SUCCEEDED"]

    def test_a_failed_task_is_not_tried_again_as_it_is_installed(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        assert finished(double, submit(double, files["retried"], tmp_path)).state == "FAILED"

    def test_iterations_are_below_their_loop(self, double: KubeflowDouble, tmp_path: Path):
        run = finished(double, submit(double, pipelines.compiled(pipelines.loop, tmp_path), tmp_path))

        states = nodes(run)
        assert {f"iteration-iterations({number}:{number})" for number in range(3)} <= set(states)
        assert states["say"] == ["SUCCEEDED"] * 3

    def test_a_log_is_found_by_the_pod_s_name(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        run = finished(double, submit(double, files["gate"], tmp_path))
        address = f"{double.url}/apis/v1alpha1/runs/{run.run_id}/nodes"
        workflow = json.loads(
            httpx.get(f"{double.url}/apis/v1beta1/runs/{run.run_id}", trust_env=False).json()["pipeline_runtime"]["workflow_manifest"]
        )
        [say] = [node["id"] for node in workflow["status"]["nodes"].values() if node["name"].endswith(".say(0).executor(0)")]
        workflow, _, number = say.rpartition("-")

        log = httpx.get(f"{address}/{workflow}-system-container-impl-{number}/log", trust_env=False)
        none = httpx.get(f"{address}/nothing/log", trust_env=False)

        assert "[penstock] said open" in log.text
        assert (none.status_code, none.json()["error_message"][:36]) == (200, "BadRequestError: Failed to read logs")

    def test_terminating_a_run_makes_it_fail(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        kfp = client(double)
        run_id = submit(double, files["waiting"], tmp_path)
        until((tmp_path / "pid").exists)
        running = kfp.get_run(run_id)
        kfp.terminate_run(run_id)
        terminating = kfp.get_run(run_id)
        run = finished(double, run_id)

        assert (running.state, nodes(running)["wait"]) == ("RUNNING", ["RUNNING"])
        assert running.finished_at.year == 1970
        assert terminating.state == "CANCELING"
        assert [status.state for status in run.state_history] == ["PENDING", "RUNNING", "CANCELING", "FAILED"]
        with pytest.raises(ApiException) as error:
            kfp.terminate_run(run_id)
        assert refusal(error)[0] == 400

    def test_a_failed_run_can_be_retried(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        run_id = submit(double, files["once"], tmp_path)
        assert finished(double, run_id).state == "FAILED"
        client(double).runs.run_service_retry_run(run_id=run_id)

        assert finished(double, run_id).state == "SUCCEEDED"

    def test_an_uploaded_version_is_run_by_reference(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        kfp = client(double)
        pipeline = kfp.upload_pipeline(str(files["gate"]), pipeline_name="gates")
        [version] = kfp.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
        experiment = kfp.create_experiment("mine")
        reference = {"pipeline_id": pipeline.pipeline_id, "version_id": version.pipeline_version_id}
        run_id = kfp.run_pipeline(experiment.experiment_id, "by reference", params={"folder": pipelines.to(tmp_path)}, **reference).run_id
        run = finished(double, run_id)

        assert run.state == "SUCCEEDED"
        assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
        assert [item.run_id for item in kfp.list_runs(experiment_id=experiment.experiment_id).runs] == [run_id]

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({}, "parameter folder is not optional, yet has neither default value nor user provided value"),
            ({"folder": "x", "colour": "red"}, "parameter(s) provided are not required by pipeline: colour"),
            ({"folder": 7}, "input parameter folder requires type string, but the input parameter is not of string value type"),
        ],
    )
    def test_parameters_are_checked(self, double: KubeflowDouble, files: dict[str, Path], arguments: dict[str, Any], complaint: str):
        with pytest.raises(ApiException) as error:
            client(double).create_run_from_pipeline_package(str(files["gate"]), arguments)

        code, body = refusal(error)
        assert (code, body["code"], body["details"][0]["message"]) == (400, 3, complaint)
        assert body["message"].startswith("Failed to create a new run: ")
        assert not double.records.runs

    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda spec: spec["deploymentSpec"]["executors"].pop("exec-say"), "not found in deployment config"),
            (lambda spec: spec["components"].pop("comp-say"), 'cannot find component ref name="comp-say"'),
            (lambda spec: spec["deploymentSpec"]["executors"]["exec-say"]["container"].pop("image"), "Required value"),
        ],
    )
    def test_what_cannot_be_compiled_is_the_servers_error(
        self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], complaint: str
    ):
        spec = yaml.safe_load(files["gate"].read_text())
        spoil(spec)
        file = tmp_path / "spoiled.yaml"
        file.write_text(yaml.safe_dump(spec))
        with pytest.raises(ApiException) as error:
            client(double).create_run_from_pipeline_package(str(file), {"folder": "x"})

        code, body = refusal(error)
        assert code == 500
        assert complaint in body["message"]

    def test_what_etcd_does_not_take(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        spec = yaml.safe_load(files["gate"].read_text())
        spec["pipelineInfo"]["description"] = "long " * 400_000
        file = tmp_path / "large.yaml"
        file.write_text(yaml.safe_dump(spec))
        with pytest.raises(ApiException) as error:
            client(double).create_run_from_pipeline_package(str(file), {"folder": "x"})

        code, body = refusal(error)
        assert (code, body["details"][0]["message"]) == (500, "Internal Server Error")
        assert "etcdserver: request is too large" in body["message"]

    def test_archived_runs_and_unknown_ones(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        kfp = client(double)
        run_id = submit(double, files["gate"], tmp_path)
        kfp.archive_run(run_id)
        assert kfp.get_run(run_id).storage_state == "ARCHIVED"
        kfp.unarchive_run(run_id)
        assert kfp.get_run(run_id).storage_state == "AVAILABLE"
        kfp.delete_run(run_id)
        with pytest.raises(ApiException) as error:
            kfp.get_run(run_id)
        assert refusal(error)[0] == 404


class TestLists:
    """Lists, page by page."""

    def test_pages_follow_each_other(self, double: KubeflowDouble):
        kfp = client(double)
        for number in range(5):
            kfp.create_experiment(f"experiment {number}")

        def ask(token: str = "") -> Any:
            return kfp.list_experiments(page_token=token, page_size=2, sort_by="display_name desc")

        pages = [first := ask(), second := ask(first.next_page_token), ask(second.next_page_token)]
        names = [item.display_name for answer in pages for item in answer.experiments]
        assert names == [f"experiment {number}" for number in range(4, -1, -1)] + ["Default"]
        assert [answer.total_size for answer in pages] == [6, 6, 6]
        assert pages[-1].next_page_token is None

    @pytest.mark.parametrize(
        ("predicate", "expected"),
        [
            ({"operation": 1, "key": "display_name", "stringValue": "one"}, ["one"]),
            ({"operation": "NOT_EQUALS", "key": "display_name", "string_value": "one"}, ["Default", "two"]),
            ({"operation": "IS_SUBSTRING", "key": "display_name", "string_value": "O"}, ["one", "two"]),
            ({"operation": "IN", "key": "display_name", "string_values": {"values": ["two", "three"]}}, ["two"]),
        ],
    )
    def test_filters_as_clients_write_them(self, double: KubeflowDouble, predicate: dict[str, Any], expected: list[str]):
        kfp = client(double)
        for name in ("one", "two"):
            kfp.create_experiment(name)
        found = kfp.list_experiments(filter=json.dumps({"predicates": [predicate]})).experiments
        assert [item.display_name for item in found] == expected

    @pytest.mark.parametrize(
        ("query", "complaint"),
        [
            ({"sort_by": "colour"}, 'Invalid sorting field: "colour" on listable type Experiment'),
            ({"sort_by": "name sideways"}, "Received invalid sort by format"),
            ({"page_token": "!"}, "Invalid page token"),
            ({"filter": '{"predicates": [{"operation": 1, "key": "colour", "stringValue": "x"}]}'}, "unrecognized field"),
        ],
    )
    def test_impossible_queries(self, double: KubeflowDouble, query: dict[str, str], complaint: str):
        with pytest.raises(ApiException) as error:
            client(double).list_experiments(**query)
        assert complaint in refusal(error)[1]["message"]
        assert refusal(error)[0] == 400


class TestExperiments:
    """Experiments."""

    def test_a_name_is_taken_once(self, double: KubeflowDouble):
        kfp = client(double)
        first = kfp.create_experiment("mine")
        assert kfp.create_experiment("mine").experiment_id == first.experiment_id
        with pytest.raises(ApiException) as error:
            kfp.experiments.experiment_service_create_experiment(experiment=kfp_server_api.V2beta1Experiment(display_name="mine"))
        assert refusal(error)[0] == 409
        assert "The name mine already exists" in refusal(error)[1]["message"]

    def test_archiving_and_deleting(self, double: KubeflowDouble):
        kfp = client(double)
        mine = kfp.create_experiment("mine").experiment_id
        kfp.archive_experiment(mine)
        assert kfp.get_experiment(mine).storage_state == "ARCHIVED"
        kfp.delete_experiment(mine)
        with pytest.raises(ValueError, match="No experiment is found"):
            kfp.get_experiment(experiment_name="mine")
        default = kfp.get_experiment(experiment_name="Default").experiment_id
        with pytest.raises(ApiException, match="The default experiment cannot be deleted"):
            kfp.delete_experiment(default)


class TestRecurringRuns:
    """Recurring runs, whose time comes when a test says so."""

    @staticmethod
    def create(double: KubeflowDouble, file: Path, folder: Path, **options: Any) -> kfp_server_api.V2beta1RecurringRun:
        kfp = client(double)
        experiment = kfp.create_experiment("scheduled").experiment_id
        given = {
            "cron_expression": "0 0 3 * * *",
            "params": {"folder": pipelines.to(folder)},
            "pipeline_package_path": str(file),
            **options,
        }
        return kfp.create_recurring_run(experiment, "nightly", **given)

    def test_it_makes_runs_while_it_is_enabled(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        kfp = client(double)
        recurring = self.create(double, files["gate"], tmp_path, no_catchup=True).recurring_run_id
        first = double.fire(recurring)
        assert first
        assert finished(double, first.id).recurring_run_id == recurring
        kfp.disable_recurring_run(recurring)
        assert kfp.get_recurring_run(recurring).status == "DISABLED"
        assert double.fire(recurring) is None
        kfp.enable_recurring_run(recurring)
        assert double.fire(recurring)

        listed = kfp.list_recurring_runs(experiment_id=first.experiment.id).recurring_runs
        assert [(item.display_name, item.trigger.cron_schedule.cron, item.no_catchup) for item in listed] == [
            ("nightly", "0 0 3 * * *", True)
        ]
        kfp.delete_recurring_run(recurring)
        with pytest.raises(ApiException):
            kfp.get_recurring_run(recurring)

    def test_no_more_at_once_than_it_may(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        recurring = self.create(double, files["waiting"], tmp_path, max_concurrency=1).recurring_run_id
        first = double.fire(recurring)
        assert first
        assert double.fire(recurring) is None
        client(double).terminate_run(first.id)
        finished(double, first.id)
        assert double.fire(recurring)

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"cron_expression": "0 3 * *"}, "Expected 5 to 6 fields, found 4"),
            ({"cron_expression": "0 0 25 * * *"}, "End of range (25) above maximum (23)"),
            ({"cron_expression": "0 0 3 ? * 7"}, "End of range (7) above maximum (6)"),
            ({"cron_expression": "0 0 3 9-5 * *"}, "Beginning of range (9) beyond end of range (5)"),
            ({"cron_expression": "0 x 3 * * *"}, "Failed to parse int from x"),
            ({"cron_expression": "TZ=Europe/Berlin 0 0 3 * * *"}, "Expected 5 to 6 fields, found 7"),
            ({"max_concurrency": 11}, "Max concurrency of a recurring run must be at least 1 and at most 10. Received 11"),
            ({"params": {}}, "parameter folder is not optional"),
        ],
    )
    def test_what_is_refused(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path, options: dict[str, Any], complaint: str):
        with pytest.raises(ApiException) as error:
            self.create(double, files["gate"], tmp_path, **options)
        assert refusal(error)[0] == 400
        assert complaint in refusal(error)[1]["message"]

    @pytest.mark.parametrize("cron", ["0 30 2 * * MON-FRI", "@daily", "@every 1h30m", "0 */5 * ? * 2-6"])
    def test_the_schedules_that_there_are(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path, cron: str):
        assert self.create(double, files["gate"], tmp_path, cron_expression=cron).trigger.cron_schedule.cron == cron


class TestAccess:
    """Who is let in."""

    def test_a_token_is_asked_for(self, guarded: KubeflowDouble):
        kfp = client(guarded, existing_token="valid", namespace=NAMESPACE)
        assert kfp.create_experiment("mine", namespace=NAMESPACE).namespace == NAMESPACE
        guarded.access.tokens.clear()
        with pytest.raises(ApiException) as error:
            kfp.list_experiments(namespace=NAMESPACE)
        assert refusal(error)[0] == 401
        assert "User identity is empty" in refusal(error)[1]["message"]

    def test_another_s_namespace_is_closed(self, guarded: KubeflowDouble):
        kfp = client(guarded, existing_token="valid", namespace=NAMESPACE)
        with pytest.raises(ApiException) as error:
            kfp.list_runs(namespace="other")
        code, body = refusal(error)
        assert (code, body["code"]) == (403, 7)
        assert f"User '{USER}' is not authorized" in body["details"][0]["message"]
        assert "Check if you have access to namespace other" in body["message"]

    def test_a_verb_can_be_denied(self, guarded: KubeflowDouble, files: dict[str, Path]):
        guarded.access.denied.add(("create", "runs"))
        kfp = client(guarded, existing_token="valid", namespace=NAMESPACE)
        with pytest.raises(ApiException) as error:
            kfp.create_run_from_pipeline_package(str(files["gate"]), {"folder": "x"}, namespace=NAMESPACE)
        assert refusal(error)[0] == 403
        assert f"Check if you have write permissions to namespace {NAMESPACE}" in refusal(error)[1]["message"]

    def test_a_namespace_is_needed(self, guarded: KubeflowDouble):
        listing = client(guarded, existing_token="valid", namespace=NAMESPACE).runs.run_service_list_runs
        with pytest.raises(ApiException) as error:
            listing()
        assert refusal(error)[0] == 400
        assert "cannot have an empty namespace in multi-user mode" in refusal(error)[1]["message"]

    def test_the_login_page_gives_a_cookie(self, guarded: KubeflowDouble):
        with httpx.Client(base_url=guarded.url, follow_redirects=True, trust_env=False) as browser:
            page = browser.get("/pipeline/apis/v2beta1/healthz")
            assert page.headers["content-type"].startswith("text/html")
            assert 'name="password"' in page.text
            wrong = browser.post(page.url, data={"login": USER, "password": "wrong"})
            assert (wrong.status_code, "Invalid Email Address and password" in wrong.text) == (401, True)
            right = browser.post(page.url, data={"login": USER, "password": "secret"})
            assert right.json()["multi_user"] is True
            cookie = f"authservice_session={browser.cookies['authservice_session']}"

        kfp = client(guarded, cookies=cookie, namespace=NAMESPACE)
        assert kfp.list_experiments(namespace=NAMESPACE).experiments is None
        assert client(guarded, cookies=guarded.session(), namespace=NAMESPACE).get_kfp_healthz().multi_user


class TestFaults:
    """What goes wrong on the way."""

    @pytest.mark.parametrize("code", [429, 500, 503])
    def test_errors_for_a_while(self, double: KubeflowDouble, code: int):
        kfp = client(double)
        double.faults.append(Fault(Fail(code), times=2))
        for _ in range(2):
            with pytest.raises(ApiException) as error:
                kfp.list_experiments()
            assert refusal(error)[0] == code
        assert kfp.list_experiments().total_size == 1

    def test_an_answer_that_is_lost(self, double: KubeflowDouble, files: dict[str, Path], tmp_path: Path):
        double.faults.append(Fault(Disconnect(applied=True), when=lambda call: (call.method, call.path) == ("POST", "/apis/v2beta1/runs")))
        with pytest.raises(Exception, match="Connection aborted"):
            submit(double, files["gate"], tmp_path)
        assert len(double.records.runs) == 1

    def test_a_server_that_hangs_or_is_away(self, double: KubeflowDouble):
        kfp = client(double)
        double.faults.append(Fault(Hang(), times=0))
        with pytest.raises(Exception, match="timed out"):
            kfp.experiments.experiment_service_get_experiment(experiment_id="x", _request_timeout=(1, 0.2))
        double.faults.clear()
        with double.refusing(), pytest.raises(Exception, match="Connection refused"):
            kfp.list_experiments()
        assert kfp.list_experiments().total_size == 1


def test_it_runs_as_a_command(tmp_path: Path):
    command = [sys.executable, "-m", "tests.doubles.kubeflow", "--folder", str(tmp_path), "--token", "valid"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        answer = httpx.get(f"{address}/apis/v2beta1/healthz", headers={"Authorization": "Bearer valid"}, trust_env=False)
        process.send_signal(signal.SIGTERM)
    assert answer.json()["multi_user"] is False
    assert process.returncode == 0


def test_ending_the_double_ends_its_runs(files: dict[str, Path], tmp_path: Path):
    with KubeflowDouble(tmp_path / "root") as double:
        run_id = submit(double, files["waiting"], tmp_path)
        until((tmp_path / "pid").exists)
        engine: PipelineRun = double.run(run_id).engine
    assert engine.state == "canceled"
