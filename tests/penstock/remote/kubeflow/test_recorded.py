"""What the commands say of recorded runs of a real Kubeflow Pipelines 2.17.0."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli import main

from ....doubles.kubeflow.double import KubeflowDouble
from ....doubles.kubeflow.recorded import Recorded, names
from ..person import ends_of_tasks

CLOSED = "runs only if verdict-verdict == 'blessed'"
FIRST_TASKS = ("ingest-examples", "validate-examples", "transform-examples")
LAST_TASKS = ("resolve-baseline", "evaluate-model", "check-serving", "register-model")


def flights(first: str, train: str, last: str, push: str) -> dict[str, str]:
    states = dict.fromkeys(FIRST_TASKS, first) | {"validate-examples-2": "skipped", "train-model": train}
    return states | dict.fromkeys(LAST_TASKS, last) | {"push-model": push}


@dataclass(frozen=True)
class Truth:
    """What is true of a run.

    Attributes:
        code: The exit code.
        state: How it ended.
        tasks: How its tasks ended.
    """

    code: int
    state: str
    tasks: dict[str, str]


NOTHING_AFTER = dict.fromkeys(("transform-examples", "validate-examples-2", "train-model", *LAST_TASKS, "push-model"), "not run")
TRUTHS = {
    "after-group": Truth(3, "done", {"verdict": "done", "after": "skipped", "after-2": "done", "after-3": "done"}),
    "after-skipped": Truth(3, "done", {"verdict": "done", "after": "skipped", "after-2": "done"}),
    "exit-handler-and-gate": Truth(0, "done", dict.fromkeys(("verdict", "after", "maybe-fail", "final"), "done")),
    "exit-handler-and-gate-2": Truth(3, "done", {"verdict": "done", "after": "skipped", "maybe-fail": "done", "final": "done"}),
    "exit-handler-and-gate-3": Truth(1, "failed", {"verdict": "done", "after": "done", "maybe-fail": "failed", "final": "done"}),
    "flights-cached-pushed": Truth(0, "done", flights("cached", "cached", "done", "done")),
    "flights-canary-pushed": Truth(0, "done", flights("cached", "cached", "done", "done")),
    "flights-closed-gate": Truth(1, "failed", {"ingest-examples": "cached", "validate-examples": "failed"} | NOTHING_AFTER),
    "flights-first-run-push-fails": Truth(1, "failed", flights("done", "done", "done", "failed")),
    "flights-rolled-back": Truth(3, "done", flights("cached", "done", "done", "done")),
    "flights-terminated": Truth(1, "canceled", flights("cached", "canceled", "not run", "not run")),
    "ignore-upstream-failure": Truth(1, "failed", {"maybe-fail": "failed", "after": "done"}),
    "importer": Truth(0, "done", {"importer": "done", "show-art": "done"}),
    "loop": Truth(0, "done", dict.fromkeys((*(f"for-loop-1/{number}/light-sq" for number in range(3)), "light-sum"), "done")),
    "loop-empty-fails": Truth(1, "failed", {"light-sum": "failed"}),
    "loop-task-fails": Truth(
        1, "failed", dict.fromkeys((f"for-loop-1/{number}/light-sq" for number in range(3)), "failed") | {"light-sum": "not run"}
    ),
    "metadata-null": Truth(1, "failed", {"meta-null": "failed"}),
    "nested": Truth(0, "done", {"light-sq": "done", "light-show": "done"}),
    "oneof": Truth(0, "done", {"light-pick": "done", "light-pick-2": "skipped", "light-pick-3": "done", "light-show": "done"}),
    "output-parameter-unwritten": Truth(1, "failed", {"no-param": "failed"}),
    "pod-cannot-start": Truth(1, "failed", {"env-show": "failed"}),
    "recurring": Truth(0, "done", {"show": "done"}),
    "run-retried": Truth(0, "done", {"external": "done", "show-int": "done"}),
    "set-retry": Truth(1, "failed", {"flaky": "failed", "show-int": "not run"}),
    "terminated": Truth(1, "canceled", {"sleeper2": "canceled"}),
    "timeout": Truth(1, "failed", {"sleeper": "failed"}),
}
LINE = re.compile(r"^(\S+) +(done|cached|failed|canceled|skipped|not run|unknown)\b *(\S+ \S+)? *(\S+ \S+)?(.*)$")


class Reader:
    """A user who asks about recorded runs."""

    def __init__(self, kubeflow: KubeflowDouble) -> None:
        self._kubeflow = kubeflow
        self._where = ["--target", "kubeflow", "--host", kubeflow.url]

    def asks(self, verb: str, recorded: Recorded, *words: str) -> tuple[int, str]:
        """Returns the exit code of a command, and what it says."""
        self._kubeflow.replay(recorded)
        done = CliRunner().invoke(main, ["runs", verb, recorded.run_id, *words, *self._where])
        return done.exit_code, done.output


@pytest.fixture
def reader(kubeflow: KubeflowDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    return Reader(kubeflow)


def shown(output: str) -> dict[str, str]:
    return {line[1]: line[2] for line in map(LINE.match, output.splitlines()) if line}


def in_run(name: str) -> str:
    """Returns a task's name in the run, as it is shown when it is followed."""
    return re.sub(r"^([^/]+)/(\d+)/", r"\1-iteration-\2/", name)


def test_every_recording_has_its_truth() -> None:
    assert names() == sorted(TRUTHS)


@pytest.mark.parametrize("name", TRUTHS)
def test_states_and_exit_code(reader: Reader, name: str) -> None:
    truth, recorded = TRUTHS[name], Recorded(name)
    code, output = reader.asks("show", recorded)
    assert (code, shown(output.partition("\ntask ")[2])) == (0, truth.tasks), output
    assert re.search(rf"^\S+ {truth.state}\b", output, re.MULTILINE), output
    code, output = reader.asks("show", recorded, "--wait")
    followed = {in_run(key): state for key, state in truth.tasks.items()}
    assert (code, {key: state for key, (state, _) in ends_of_tasks(output).items()}) == (truth.code, followed), output
    word = "done; the model is not released" if code == 3 else truth.state
    assert re.search(rf"^{word} in \d", output, re.MULTILINE), output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("after-group", f"after +skipped +{re.escape(CLOSED)}"),
        ("exit-handler-and-gate-3", r"maybe-fail: main: Error \(exit code 1\); log: \S+"),
        ("flights-cached-pushed", "validate-examples-2 +skipped +because post_transform_statistics = False"),
        ("flights-closed-gate", r"validate-examples: main: Error \(exit code 1\); log: \S+"),
        ("flights-closed-gate", "    error: 2 Anomalies: Split eval: Low num examples in dataset: .*"),
        ("flights-first-run-push-fails", r"    error: the cluster at https://10\.96\.0\.1:443 gives no answer .*"),
        ("loop-empty-fails", r"light-sum: light-sum-driver: main: Error \(exit code 1\)"),
        ("loop-task-fails", r"for-loop-1-iteration-1/light-sq: light-sq-driver: main: Error \(exit code 1\)"),
        ("metadata-null", "    .*unknown/unsupported value type.*"),
        ("oneof", "light-pick-2 +skipped +runs only if light-pick-Output == 'a!'"),
        ("pod-cannot-start", r"env-show: Pod .* is invalid: \[spec\.volumes\[0\]\.name: .* must not contain dots.*"),
        ("timeout", "sleeper: Pod was active on the node longer than the specified deadline; log: .*"),
    ],
)
def test_reasons(reader: Reader, name: str, reason: str) -> None:
    _, output = reader.asks("show", Recorded(name), "--wait")
    assert re.search(f"^{reason}$", output, re.MULTILINE), output


def test_seconds_are_the_containers(reader: Reader) -> None:
    _, output = reader.asks("show", Recorded("flights-rolled-back"), "--wait")
    assert re.search(r"^push-model +done +45 s ", output, re.MULTILINE), output
    assert "done; the model is not released in 5 m 04 s" in output
    _, output = reader.asks("show", Recorded("run-retried"))
    assert re.search(r"^external +done +\S+ 14:42:30 +\S+ 14:42:34$", output, re.MULTILINE), output


def test_outputs_are_those_of_the_log(reader: Reader) -> None:
    _, output = reader.asks("show", Recorded("flights-cached-pushed"), "--wait")
    assert "verdict    AUC 0.6817: blessed\n" in output
    assert "version    1\n" in output
    assert "push       pushed\n" in output
    _, output = reader.asks("show", Recorded("flights-rolled-back"), "--wait")
    assert "push       rolled_back\n" in output


@pytest.mark.parametrize(
    ("name", "task", "node"),
    [
        ("flights-first-run-push-fails", "train-model", ".root(0).train-model(0).executor(0)"),
        ("loop", "for-loop-1/2/light-sq", ".iteration-iterations(2:2)(0).iteration-item(0).light-sq(0).executor(0)"),
        ("exit-handler-and-gate-3", "final", ".exit-handler-1.onExit(0).final(0).executor(0)"),
        ("exit-handler-and-gate-3", "after", ".exit-handler-1(0).condition-2(0).after(0).executor(0)"),
        ("ignore-upstream-failure", "after", ".maybe-fail.onExit(0).after(0).executor(0)"),
        ("nested", "light-sq", ".q-sub(0).light-sq(0).executor(0)"),
        ("set-retry", "flaky", ".flaky(0).executor(0)"),
        ("terminated", "sleeper2", ".sleeper2(0).executor(0)"),
    ],
)
def test_logs_are_those_of_the_tasks_pod(reader: Reader, name: str, task: str, node: str) -> None:
    recorded = Recorded(name)
    code, output = reader.asks("logs", recorded, task)
    assert (code, [each.endswith(node) for each in recorded.asked]) == (0, [True])
    assert "capturing logs" in output


@pytest.mark.parametrize(
    ("name", "task", "reason"),
    [
        ("flights-cached-pushed", "train-model", "no container was started for it"),
        ("flights-closed-gate", "push-model", "no container was started for it"),
        ("loop-task-fails", "for-loop-1/0/light-sq", r'pods "p-loop-8krrn-system-container-driver-\d+" not found'),
        ("pod-cannot-start", "env-show", r'pods "k-secret-dot-lnrw5-system-container-impl-3975225042" not found'),
    ],
)
def test_why_there_is_no_log(reader: Reader, name: str, task: str, reason: str) -> None:
    code, output = reader.asks("logs", Recorded(name), task)
    assert code == 1
    assert re.search(reason, output), output


@pytest.mark.parametrize("name", TRUTHS)
def test_an_installation_without_default_retries_gives_the_same_output(reader: Reader, name: str) -> None:
    for words in ((), ("--wait",)):
        code, output = reader.asks("show", Recorded(name, has_retries=False), *words)
        usual = reader.asks("show", Recorded(name), *words)
        assert (code, re.sub(r"log: \S+", "", output)) == (usual[0], re.sub(r"log: \S+", "", usual[1]))


class TestADayLater:
    """The workflow and its pods are deleted: what is left is the run's record, and the logs that Argo has archived."""

    def output(self, reader: Reader, recorded: Recorded) -> tuple[int, str]:
        """Returns what is printed about a run, without the paths of the logs of failed tasks."""
        code, output = reader.asks("show", recorded, "--wait")
        return code, re.sub(r"log: \S+", "log: PLACE", output)

    @pytest.mark.parametrize("name", TRUTHS)
    def test_the_output_is_that_of_the_run_s_end(self, reader: Reader, name: str) -> None:
        assert self.output(reader, Recorded(name, is_collected=True)) == self.output(reader, Recorded(name))
        later = reader.asks("show", Recorded(name, is_collected=True))
        assert later == reader.asks("show", Recorded(name))

    def test_logs_are_the_archived_ones(self, reader: Reader) -> None:
        later = reader.asks("logs", Recorded("flights-cached-pushed", is_collected=True), "push-model")
        assert later[0] == 0
        assert "[penstock-outputs] {" in later[1]

    def test_without_an_archive_it_names_what_is_gone(self, reader: Reader) -> None:
        gone = Recorded("flights-cached-pushed", is_collected=True, archives_logs=False)
        code, output = reader.asks("show", gone, "--wait")
        assert code == 1
        assert (
            "gone       the logs of resolve-baseline, evaluate-model, check-serving, register-model, push-model, with the values" in output
        )
        assert "done; whether the model is released is unknown" in output
        code, output = reader.asks("show", gone)
        assert (code, shown(output.partition("\ntask ")[2])) == (0, TRUTHS["flights-cached-pushed"].tasks), output
        code, output = reader.asks("logs", gone, "push-model")
        assert code == 1
        assert "the log no longer exists, or does not exist yet" in output


class TestWithoutTheWorkflow:
    """An installation whose v1 API has nothing: it returns names and states of nodes, not their nesting."""

    def test_what_is_not_returned_is_unknown(self, reader: Reader) -> None:
        code, output = reader.asks("show", Recorded("loop", without_workflow=True), "--wait")
        assert code == 1
        assert "done; the result of light-sq is unknown in 2 m 02 s" in output

    def test_what_is_returned_is_known(self, reader: Reader) -> None:
        code, output = reader.asks("show", Recorded("importer", without_workflow=True))
        assert (code, shown(output.partition("\ntask ")[2])) == (0, TRUTHS["importer"].tasks), output

    def test_a_push_without_an_outcome_is_not_guessed(self, reader: Reader) -> None:
        code, output = reader.asks("show", Recorded("flights-cached-pushed", without_workflow=True), "--wait")
        assert code == 1
        assert "push       unknown: the backend does not return it, and the log no longer exists\n" in output
        assert "done; whether the model is released is unknown in 4 m 07 s" in output

    def test_an_existing_log_is_not_reported_as_missing(self, reader: Reader) -> None:
        code, output = reader.asks("logs", Recorded("importer", without_workflow=True), "show-art")
        assert code == 1
        assert "the log of task show-art of run" in output
