"""The Kubeflow target through kfp's own client, against an API server that runs what it is sent."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import UserError
from penstock.remote.kubeflow import KubeflowTarget
from penstock.remote.settings import KubeflowSettings
from penstock.remote.target import (
    CACHED,
    CANCELED,
    DONE,
    ENDED,
    FAILED,
    NOT_RUN,
    RUNNING,
    SKIPPED,
    BackendUnavailable,
    LogGone,
    Run,
    Submission,
    TaskState,
    Timetable,
)
from penstock.spec.pipeline_file import PipelineFile

from ....doubles.kubeflow.double import NAMESPACE, USER, KubeflowDouble
from ....doubles.kubeflow.faults import Disconnect, Fail, Fault
from ...pipelines import chain, compiled, complaining, failing, gate, handled, loop, retried, to, waiting

SECONDS = 90
EARLIER, LATER = datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-write": {"imagePullPolicy": "Always"}}}}}}
LABELS = {"podMetadata": {"labels": {"penstock.dev/pipeline": "chain", "penstock.dev/component": "write"}}}


def of_write(platform: dict[str, Any]) -> dict[str, Any]:
    """Returns what a platform document says of the task `write`."""
    return platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-write"]


DAILY = Timetable("nightly", "30 2 * * *", max_concurrency=2, catch_up=True)
NAMES = {
    "chain": chain,
    "complaining": complaining,
    "failing": failing,
    "gate": gate,
    "handled": handled,
    "loop": loop,
    "retried": retried,
    "waiting": waiting,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("compiled")
    return {name: compiled(pipeline, folder) for name, pipeline in NAMES.items()}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person's shell has set must not lead a test elsewhere."""
    for name in ("PENSTOCK_KUBEFLOW_TOKEN", "PENSTOCK_KUBEFLOW_COOKIES", "PENSTOCK_KUBEFLOW_PASSWORD", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def target(kubeflow: KubeflowDouble) -> KubeflowTarget:
    return KubeflowTarget(KubeflowSettings(host=kubeflow.url))


@pytest.fixture
def submission(files: dict[str, Path], tmp_path: Path) -> Callable[..., Submission]:
    """Makes submissions of the pipelines above, which write to the test's folder."""

    def make(name: str, /, **fields: Any) -> Submission:
        pipeline = PipelineFile(files[name])
        parameters = {"folder": to(tmp_path)} | fields.pop("parameters", {})
        given = {"spec": pipeline.document, "platform": None, "name": f"{name} run"} | fields
        return Submission(pipeline, parameters=parameters, **given)

    return make


def until(target: KubeflowTarget, run_id: str, holds: Callable[[Run], bool]) -> Run:
    end = time.monotonic() + SECONDS
    while not holds(run := target.run(run_id)):
        assert time.monotonic() < end, f"still {run}"
        time.sleep(0.1)
    return run


def finished(target: KubeflowTarget, made: Submission) -> tuple[Run, dict[str, TaskState]]:
    run = until(target, target.submit(made).id, lambda run: run.state in ENDED)
    return run, {task.key: task for task in run.tasks}


def states(tasks: dict[str, TaskState]) -> dict[str, str]:
    return {key: task.state for key, task in tasks.items()}


class TestRuns:
    def test_runs_what_it_is_given(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission, tmp_path: Path):
        made = submission(
            "chain", parameters={"text": "hello"}, service_account="trainer", pipeline_root="s3://bucket/root", experiment="e"
        )
        run, tasks = finished(target, made)
        record = kubeflow.run(run.id)
        assert (tmp_path / "read").read_text() == "hello\n"
        assert (run.name, run.state, run.url) == ("chain run", DONE, f"{kubeflow.url}/#/runs/details/{run.id}")
        assert (record.service_account, record.source.pipeline_root, record.experiment.name) == ("trainer", "s3://bucket/root", "e")
        assert (run.created or LATER) <= (run.ended or EARLIER)
        assert states(tasks) == {"write": DONE, "read": DONE}
        assert all((task.started or LATER) <= (task.ended or EARLIER) for task in tasks.values())

    def test_tells_what_came_from_the_cache(self, target: KubeflowTarget, submission):
        finished(target, submission("chain"))
        _, tasks = finished(target, submission("chain"))
        assert states(tasks) == {"write": DONE, "read": CACHED}
        _, tasks = finished(target, submission("chain", caching=False))
        assert states(tasks) == {"write": DONE, "read": DONE}

    def test_tells_what_a_condition_has_kept_from_running(self, target: KubeflowTarget, submission):
        run, tasks = finished(target, submission("gate", parameters={"text": "closed"}))
        assert (run.state, states(tasks)) == (DONE, {"make": DONE, "say": SKIPPED})

    def test_tells_the_iterations_of_a_loop_apart(self, target: KubeflowTarget, submission):
        run, tasks = finished(target, submission("loop", caching=False))
        assert states(tasks) == {"make": DONE} | {f"for-loop-1/{i}/{key}": DONE for i in range(3) for key in ("say", "say-2")}
        assert "[penstock] said b" in list(target.logs(run.id, "for-loop-1/1/say"))

    def test_tells_what_failed_and_what_that_kept_from_running(self, target: KubeflowTarget, submission):
        run, tasks = finished(target, submission("failing"))
        assert (run.state, states(tasks)) == (FAILED, {"fail": FAILED, "say": NOT_RUN})
        assert "exit code" in tasks["fail"].error
        assert "the last words of a task" in list(target.logs(run.id, "fail"))

    def test_tells_of_the_task_of_an_exit_handler(self, target: KubeflowTarget, submission, tmp_path: Path):
        run, tasks = finished(target, submission("handled"))
        assert (run.state, states(tasks)) == (FAILED, {"fail": FAILED, "final": DONE})
        assert (tmp_path / "final").read_text() == "FAILED"

    def test_a_task_that_is_tried_again_has_not_failed(self, submission, tmp_path: Path):
        with KubeflowDouble(tmp_path / "other", default_retries=False) as other:
            run, tasks = finished(KubeflowTarget(KubeflowSettings(host=other.url)), submission("retried"))
        assert (run.state, states(tasks)) == (DONE, {"fail-once": DONE})

    def test_cancels(self, target: KubeflowTarget, submission):
        run = target.submit(submission("waiting"))
        until(target, run.id, lambda run: {task.key: task.state for task in run.tasks}.get("wait") == RUNNING)
        target.cancel(run.id)
        run = until(target, run.id, lambda run: run.state in ENDED)
        assert run.state == CANCELED
        assert states({task.key: task for task in run.tasks}) == {"wait": CANCELED, "read": NOT_RUN}
        target.cancel(run.id)
        assert next(target.runs()).state == CANCELED

    def test_lists_page_after_page_newest_first(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        ids = [target.submit(submission("gate", name=f"run {number}")).id for number in range(2)]
        for number, run in enumerate(kubeflow.records.runs.values()):
            run.created += timedelta(seconds=number)
        assert [(run.id, run.tasks) for run in target.runs()] == [(ids[1], ()), (ids[0], ())]

    def test_asks_for_a_page_only_when_it_is_needed(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission, monkeypatch):
        monkeypatch.setattr("penstock.remote.kubeflow.connection._PAGE_SIZE", 1)
        for _ in range(3):
            target.create_schedule(submission("gate"), DAILY)
        kubeflow.reset_calls()
        listed: Iterator[Any] = target.schedules()
        next(listed)
        pages = [call for call in kubeflow.calls if call.path == "/apis/v2beta1/recurringruns"]
        assert len(pages) == 1
        assert len(list(listed)) == 2

    def test_says_that_there_is_no_such_run(self, target: KubeflowTarget):
        with pytest.raises(UserError, match=r"no such resource \(404\): .*Run no-run not found"):
            target.run("no-run")

    def test_tells_tasks_by_name_where_there_is_no_v1_api(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        kubeflow.faults.append(Fault(Fail(404, "Not Found"), when=lambda call: "/v1beta1/" in call.path, times=0))
        run, tasks = finished(target, submission("failing"))
        assert (run.state, states(tasks)) == (FAILED, {"fail": FAILED, "say": NOT_RUN})
        with pytest.raises(UserError, match=r"the log of task fail of run .* is not available"):
            list(target.logs(run.id, "fail"))

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("gate", {"make": DONE, "say": DONE}),
            ("failing", {"fail": FAILED, "say": NOT_RUN}),
            ("handled", {"fail": FAILED, "final": DONE}),
            ("retried", {"fail-once": DONE}),
            ("loop", {"make": DONE} | {f"for-loop-1/{i}/{key}": DONE for i in range(3) for key in ("say", "say-2")}),
        ],
    )
    def test_tells_the_same_where_no_template_is_retried(self, submission, tmp_path: Path, name: str, wanted: dict[str, str]):
        with KubeflowDouble(tmp_path / "before", default_retries=False) as before:
            target = KubeflowTarget(KubeflowSettings(host=before.url))
            run, tasks = finished(target, submission(name, caching=False))
            assert states(tasks) == wanted
            assert list(target.logs(run.id, next(iter(tasks))))


class TestLogs:
    def test_says_that_there_is_no_such_task(self, target: KubeflowTarget, submission):
        run, _ = finished(target, submission("gate"))
        with pytest.raises(UserError, match="has no task sya: penstock runs show"):
            list(target.logs(run.id, "sya"))

    def test_says_that_a_log_is_gone(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        run, _ = finished(target, submission("gate"))
        task = kubeflow.run(run.id).engine._tasks["make"]
        task.log = None
        with pytest.raises(UserError, match=r"the log no longer exists, or does not exist yet: .*pods .* not found"):
            list(target.logs(run.id, "make"))

    def test_come_from_the_pages_server_where_that_is_all_that_can_be_reached(self, kubeflow: KubeflowDouble, submission):
        target = KubeflowTarget(KubeflowSettings(host=f"{kubeflow.url}/pipeline"))
        run, _ = finished(target, submission("failing"))
        assert "the last words of a task" in list(target.logs(run.id, "fail"))
        kubeflow.run(run.id).engine._tasks["fail"].log = None
        with pytest.raises(UserError, match=r"the log no longer exists, or does not exist yet: .*archiveLogs is disabled") as error:
            list(target.logs(run.id, "fail"))
        assert not isinstance(error.value, BackendUnavailable)


class TestAnHourLater:
    """The workflow and its pods are deleted; the record of the run has the workflow's last state."""

    @pytest.mark.parametrize("place", ["", "/pipeline"])
    def test_the_run_and_its_logs_are_as_before(self, kubeflow: KubeflowDouble, submission, place: str):
        target = KubeflowTarget(KubeflowSettings(host=f"{kubeflow.url}{place}"))
        run, tasks = finished(target, submission("complaining", parameters={"reason": "a\n\nb"}))
        before = list(target.logs(run.id, "complain"))
        kubeflow.collect(run.id)
        assert target.run(run.id) == run
        assert [line for line in target.logs(run.id, "complain") if line] == [line for line in before if line]
        assert tasks["complain"].error

    def test_a_log_is_as_it_was_printed(self, kubeflow: KubeflowDouble, submission):
        """Of what it does not take from a pod, the API server takes lines of JSON and of times for something else."""
        target = KubeflowTarget(KubeflowSettings(host=f"{kubeflow.url}/pipeline"))
        run, _ = finished(target, submission("gate"))
        lines = ["", '{"a": 1}', "2026-11-28T14:45:16Z stdout F told", "ü" * 70_000, "last"]
        (kubeflow.run(run.id).engine.tasks["make"].log or Path()).write_text("\n".join(lines), encoding="utf-8")
        kubeflow.collect(run.id)
        assert list(target.logs(run.id, "make")) == lines

    @pytest.mark.parametrize("place", ["", "/pipeline"])
    def test_says_that_a_log_without_an_archive_is_gone(self, submission, tmp_path: Path, place: str):
        with KubeflowDouble(tmp_path / "without", archives_logs=False) as without:
            target = KubeflowTarget(KubeflowSettings(host=f"{without.url}{place}"))
            run, _ = finished(target, submission("failing"))
            without.collect(run.id)
            with pytest.raises(LogGone, match=r"the log no longer exists, or does not exist yet: .*The specified key does not exist"):
                list(target.logs(run.id, "fail"))

    def test_a_line_that_the_server_cannot_read_is_no_end(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        run, _ = finished(target, submission("gate"))
        log = kubeflow.run(run.id).engine.tasks["make"].log or Path()
        log.write_text("x" * (1 << 20 | 1) + "\nlast", encoding="utf-8")
        kubeflow.collect(run.id)
        assert list(target.logs(run.id, "make"))[-1] == "last"
        log.write_text("first\n" + "x" * (1 << 20 | 1) + "\nlast", encoding="utf-8")
        with pytest.raises(UserError, match=r"the rest of the log cannot be read: .*scanning the log lines"):
            list(target.logs(run.id, "make"))


class TestVersions:
    def test_the_same_content_is_the_same_version(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        first = target.upload(submission("chain", name="nightly"))
        again = target.upload(submission("chain", name="nightly"))
        assert (first.is_new, again.is_new) == (True, False)
        assert (first.name, first.version, first.url) == (again.name, again.version, again.url)
        [version] = kubeflow.records.versions.values()
        assert first.url == f"{kubeflow.url}/#/pipelines/details/{version.pipeline.id}/version/{version.id}"
        assert not any("/versions/" in call.path for call in kubeflow.calls), "a version was downloaded to compare it"

    def test_a_run_is_one_of_the_uploaded_version(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        uploaded = target.upload(submission("gate", name="gate"))
        run = kubeflow.run(target.submit(submission("gate")).id)
        assert getattr(run.source.version, "name", None) == uploaded.version
        assert len(kubeflow.records.versions) == 1

    def test_the_platform_document_goes_with_it(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        target.upload(submission("chain", name="chain"))
        assert target.upload(submission("chain", name="chain", platform=PLATFORM)).is_new
        sent = [version.template.platform for version in kubeflow.records.versions.values()]
        assert [of_write(platform) for platform in sent] == [LABELS, LABELS | {"imagePullPolicy": "Always"}]
        assert len(kubeflow.records.pipelines) == 1

    def test_two_people_upload_at_the_same_time(self, kubeflow: KubeflowDouble, submission):
        def upload(_: int) -> bool:
            return KubeflowTarget(KubeflowSettings(host=kubeflow.url)).upload(submission("loop", name="loop")).is_new

        with ThreadPoolExecutor(6) as people:
            uploads = list(people.map(upload, range(6)))
        assert (uploads.count(True), len(uploads)) == (1, 6)
        assert (len(kubeflow.records.pipelines), len(kubeflow.records.versions)) == (1, 1)

    def test_an_upload_whose_answer_is_lost_is_found(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        kubeflow.faults.append(Fault(Disconnect(applied=True), when=lambda call: call.path.endswith("/upload_version")))
        target.upload(submission("gate", name="gate"))
        assert len(kubeflow.records.versions) == 1

    def test_a_component_is_a_pipeline_in_the_list_too(self, kubeflow: KubeflowDouble, target: KubeflowTarget):
        file = PipelineFile(Path(__file__).parents[4] / "compiled/components/validate_examples.yaml")
        assert target.upload(Submission(file, file.document, None, {}, "validate-examples")).is_new
        assert [version.template.name for version in kubeflow.records.versions.values()] == ["validate-examples"]


class TestSchedules:
    def test_keeps_what_it_is_given(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        start, end = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2030, 2031))
        timetable = Timetable("nightly", "30 2 * * 1-5", "UTC", 3, False, start, end)
        made = target.create_schedule(submission("gate", experiment="flights"), timetable)
        assert (made.timetable, made.state, made.url) == (timetable, "active", f"{kubeflow.url}/#/recurringrun/details/{made.id}")
        assert list(target.schedules()) == [made]
        [record] = kubeflow.records.recurring.values()
        assert (record.trigger["cron_schedule"]["cron"], record.max_concurrency, record.no_catchup) == ("0 30 2 * * 1-5", 3, True)
        assert (record.experiment.name, record.source.version.pipeline.name) == ("flights", "gate")

    def test_makes_runs_with_the_parameters(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission, tmp_path: Path):
        made = target.create_schedule(submission("gate"), DAILY)
        run = kubeflow.fire(made.id)
        assert until(target, run.id, lambda run: run.state in ENDED).state == DONE
        assert (tmp_path / "said").read_text() == "open\n"

    def test_pauses_resumes_and_deletes(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        made = target.create_schedule(submission("gate"), DAILY)
        target.pause_schedule(made.id)
        assert [schedule.state for schedule in target.schedules()] == ["paused"]
        assert kubeflow.fire(made.id) is None
        target.resume_schedule(made.id)
        assert [schedule.state for schedule in target.schedules()] == ["active"]
        target.delete_schedule(made.id)
        assert list(target.schedules()) == []
        with pytest.raises(UserError, match="no such resource"):
            target.pause_schedule(made.id)

    def test_another_time_zone_sends_nothing(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        with pytest.raises(UserError, match="--time-zone UTC"):
            target.create_schedule(submission("gate"), Timetable("nightly", "30 2 * * *", "Europe/Berlin"))
        assert not kubeflow.calls


class TestSeveralUsers:
    def target(self, kubeflow: KubeflowDouble, **settings: str) -> KubeflowTarget:
        return KubeflowTarget(KubeflowSettings(**{"host": f"{kubeflow.url}/pipeline", "namespace": NAMESPACE} | settings))

    def test_logs_in_and_runs_in_the_namespace(self, multi_user_kubeflow: KubeflowDouble, submission, monkeypatch):
        monkeypatch.setenv("PENSTOCK_KUBEFLOW_PASSWORD", "secret")
        target = self.target(multi_user_kubeflow, username=USER)
        run, _ = finished(target, submission("gate"))
        assert run.state == DONE
        assert run.url == f"{multi_user_kubeflow.url}/_/pipeline/?ns={NAMESPACE}#/runs/details/{run.id}"
        record = multi_user_kubeflow.run(run.id)
        assert (record.experiment.namespace, record.source.version.pipeline.namespace) == (NAMESPACE, NAMESPACE)
        assert [each.id for each in target.runs()] == [run.id]
        assert list(target.logs(run.id, "make"))
        target.create_schedule(submission("gate"), DAILY)
        assert len(list(target.schedules())) == 1

    def test_a_wrong_password(self, multi_user_kubeflow: KubeflowDouble, monkeypatch):
        monkeypatch.setenv("PENSTOCK_KUBEFLOW_PASSWORD", "wrong")
        with pytest.raises(UserError, match=f"rejects the password of {USER}"):
            list(self.target(multi_user_kubeflow, username=USER).runs())

    def test_cookies(self, multi_user_kubeflow: KubeflowDouble, monkeypatch):
        monkeypatch.setenv("PENSTOCK_KUBEFLOW_COOKIES", multi_user_kubeflow.session())
        assert list(self.target(multi_user_kubeflow).runs()) == []

    def test_a_client_without_a_session_gets_a_login_page(self, multi_user_kubeflow: KubeflowDouble):
        with pytest.raises(UserError, match="answers with a login page: give a token"):
            list(self.target(multi_user_kubeflow).runs())

    def test_a_token_and_one_that_has_expired(self, multi_user_kubeflow: KubeflowDouble, monkeypatch):
        monkeypatch.setenv("PENSTOCK_KUBEFLOW_TOKEN", "valid")
        target = self.target(multi_user_kubeflow)
        assert list(target.runs()) == []
        multi_user_kubeflow.access.tokens.clear()
        with pytest.raises(UserError, match=r"requires authentication \(401\)"):
            list(target.runs())

    def test_another_user_s_namespace(self, multi_user_kubeflow: KubeflowDouble, submission, monkeypatch):
        monkeypatch.setenv("PENSTOCK_KUBEFLOW_TOKEN", "valid")
        with pytest.raises(UserError, match=r"does not allow that \(403\): .*Namespace:other,Verb:"):
            self.target(multi_user_kubeflow, namespace="other").submit(submission("gate"))


class TestFaults:
    def test_an_experiment_that_is_made_at_the_same_time(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        kubeflow.faults.append(
            Fault(Fail(500, applied=True), when=lambda call: (call.method, call.path) == ("POST", "/apis/v2beta1/experiments"))
        )
        run = target.submit(submission("gate", experiment="new"))
        assert kubeflow.run(run.id).experiment.name == "new"

    @pytest.mark.parametrize("code", [429, 500, 503])
    def test_a_server_that_cannot_answer_now(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission, code: int):
        run = target.submit(submission("gate"))
        kubeflow.faults.append(Fault(Fail(code)))
        with pytest.raises(BackendUnavailable, match=rf"cannot answer now \({code}\)"):
            target.run(run.id)
        assert target.run(run.id).id == run.id

    def test_a_server_that_is_away_for_a_while(self, kubeflow: KubeflowDouble, target: KubeflowTarget, submission):
        run = target.submit(submission("gate"))
        with kubeflow.refusing(), pytest.raises(BackendUnavailable, match="cannot be reached"):
            target.run(run.id)
        assert until(target, run.id, lambda run: run.state in ENDED).state == DONE

    def test_a_run_that_is_refused(self, target: KubeflowTarget, submission):
        with pytest.raises(UserError, match=r"rejects the request \(400\): .*parameter folder"):
            target.submit(submission("gate", parameters={"folder": 7}))


def test_what_would_be_sent_connects_to_nothing(submission) -> None:
    target = KubeflowTarget(KubeflowSettings(host="http://127.0.0.1:9"))
    request = target.request(submission("chain", platform=PLATFORM, parameters={"text": "x"}, service_account="trainer"))
    assert request["run"]["runtime_config"]["parameters"]["text"] == "x"
    assert request["run"]["service_account"] == "trainer"
    assert of_write(request["pipeline_version"]["platform_spec"]) == LABELS | {"imagePullPolicy": "Always"}
    assert request["pipeline_version"]["version"].startswith("sha256-")
    assert "pipeline_root" not in request["run"]["runtime_config"]
